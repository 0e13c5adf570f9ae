"""Character n-grams as fastText hashes them, and words whose vector is the mean of their own row and those of their n-grams.

Bojanowski et al. 2017, arXiv 1607.04606, section 3.2; fastText's dictionary.cc for the hash, model.cc for the update: the
error of a word goes undivided to each of its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.engines.compiling import compiled
from trainer.engines.lanes import prefetch_row, scale_row
from trainer.engines.memory import read_int32, read_int64


def subword_rows(
    tokens: Sequence[str], *, shortest: int, longest: int, buckets: int
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The rows of every word: starts int64 [V + 1], rows int32: word i's own row i, then ``V + hash`` of its n-grams."""
    encoded = [f"<{token}>".encode() for token in tokens]
    text = np.frombuffer(b"".join(encoded) or b"\0", np.uint8)
    edges = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    room = np.zeros(len(tokens) + 1, np.int64)
    _hash_ngrams(text, edges, shortest, longest, buckets, room, np.zeros(0, np.int32))
    starts = np.cumsum(room)
    rows = np.zeros(starts[-1], np.int32)
    _hash_ngrams(text, edges, shortest, longest, buckets, starts.copy(), rows)
    return starts, rows


@compiled
def _fold(value: Any, byte: Any) -> Any:
    """One byte into a 32-bit FNV-1a hash, signed as fastText takes it."""
    return ((value ^ np.uint64(np.uint32(np.int8(byte)))) * np.uint64(16777619)) & np.uint64(0xFFFFFFFF)


@compiled
def _hash_ngrams(
    text: Any, edges: Any, shortest: int, longest: int, buckets: int, starts: Any, rows: Any
) -> None:
    """Write each word's rows from ``starts[i]`` on; where `rows` is empty, count them into ``starts[i + 1]``."""
    words = len(edges) - 1
    for i in range(words):
        first, end = edges[i], edges[i + 1]
        at = starts[i] if len(rows) else np.int64(0)
        if len(rows):
            rows[at] = i
        at += 1
        for start in range(first, end):
            if text[start] & 0xC0 == 0x80:  # not the first byte of a character
                continue
            value, stop, size = np.uint64(2166136261), start, 1
            while stop < end and size <= longest:
                value = _fold(value, text[stop])
                stop += 1
                while stop < end and text[stop] & 0xC0 == 0x80:
                    value = _fold(value, text[stop])
                    stop += 1
                if size >= shortest and not (size == 1 and (start == first or stop == end)):
                    if len(rows):
                        rows[at] = words + np.int64(value % np.uint64(buckets))
                    at += 1
                size += 1
        if not len(rows):
            starts[i + 1] = at


def mean_vectors(
    table: NDArray[np.float32], starts: NDArray[np.int64], rows: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Every word's vector: the mean of its rows of `table`. float32 [V, D]."""
    vectors = np.empty((len(starts) - 1, table.shape[1]), np.float32)
    for first in range(0, len(vectors), 4096):
        part = starts[first : first + 4097]
        sums = np.add.reduceat(table[rows[part[0] : part[-1]]], part[:-1] - part[0], axis=0)
        vectors[first : first + 4096] = sums / np.diff(part)[:, None]
    return vectors


@compiled
def gather_means(work: Any, count: int) -> None:
    """The mean of the rows of each word of the chunk, into ``work.gathered``."""
    for i in range(count):
        word = read_int32(work.words, i)
        start, stop = read_int64(work.subword_starts, word), read_int64(work.subword_starts, word + 1)
        for k in range(start, stop):
            prefetch_row(work.vectors, work.inputs + read_int32(work.subword_rows, k) * work.row_bytes)
        share = np.float32(1) / np.float32(stop - start)
        there = read_int64(work.gathered_rows, i)
        scale_row(0, work.vectors, share, work.inputs + word * work.row_bytes, there)
        for k in range(start + 1, stop):
            row = work.inputs + read_int32(work.subword_rows, k) * work.row_bytes
            scale_row(1, work.vectors, share, row, there)


@compiled
def scatter_means(work: Any, count: int) -> None:
    """Add each word's change, in ``work.summed``, to all of its rows."""
    for i in range(count):
        word = read_int32(work.words, i)
        change = read_int64(work.summed_rows, i)
        for k in range(read_int64(work.subword_starts, word), read_int64(work.subword_starts, word + 1)):
            row = work.inputs + read_int32(work.subword_rows, k) * work.row_bytes
            scale_row(1, work.vectors, np.float32(1), change, row)
