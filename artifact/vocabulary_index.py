"""The index of a vocabulary.txt: how it is made, and whether it can be one.

Four arrays: ``offsets`` (where each line starts), ``buckets`` and ``bucket_ids`` (token -> id by crc32, as compressed rows)
and ``sorted_ids`` (ids in the byte order of their tokens, for prefixes).
"""

from __future__ import annotations

import mmap
import unicodedata
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.errors import Corrupt, InputError

INDEX_TENSORS = {"offsets": "<i8", "buckets": "<u4", "bucket_ids": "<i4", "sorted_ids": "<i4"}


def encode_tokens(tokens: Sequence[str]) -> bytes:
    """The bytes of vocabulary.txt; InputError for a token that cannot stand on a line of it."""
    for token_id, token in enumerate(tokens):
        if not token or "\n" in token:
            raise InputError(f"token {token_id} is empty or contains a line break")
        if not unicodedata.is_normalized("NFC", token):
            raise InputError(f"token {token_id} ({token[:40]!a}) is not NFC-normalised")
    try:
        return "".join(f"{token}\n" for token in tokens).encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"a token cannot be written as UTF-8: {error.reason}") from None


def index_tokens(data: bytes | mmap.mmap) -> dict[str, NDArray[Any]]:
    """The index of a vocabulary.txt; InputError names a token that stands there twice."""
    line_ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == ord("\n"))
    offsets = np.concatenate([[0], line_ends + 1]).astype("<i8")
    if offsets[-1] != len(data):
        raise InputError("the vocabulary does not end with a line break")
    count = len(offsets) - 1
    lines = [
        data[start : end - 1] for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
    ]
    size = 1 << max(1, count).bit_length()
    slots = np.fromiter((zlib.crc32(line) for line in lines), dtype=np.int64, count=count) & (size - 1)
    buckets = np.zeros(size + 1, dtype="<u4")
    np.cumsum(np.bincount(slots, minlength=size), out=buckets[1:])
    sorted_ids = np.array(sorted(range(count), key=lines.__getitem__), dtype="<i4")
    for before, after in zip(sorted_ids[:-1].tolist(), sorted_ids[1:].tolist(), strict=True):
        if lines[before] == lines[after]:
            shown = lines[before].decode("utf-8", "replace")[:40]
            raise InputError(
                f"the word {shown!r} stands twice in the vocabulary, with ids {before} and {after}"
            )
    return {
        "offsets": offsets,
        "buckets": buckets,
        "bucket_ids": np.argsort(slots, kind="stable").astype("<i4"),
        "sorted_ids": sorted_ids,
    }


def check_index(index: Mapping[str, NDArray[Any]], *, data_bytes: int, count: int) -> None:
    """Corrupt unless ``index`` has the shape of one of ``count`` tokens in ``data_bytes`` bytes."""
    for name, dtype in INDEX_TENSORS.items():
        if name not in index or index[name].dtype != np.dtype(dtype) or index[name].ndim != 1:
            raise Corrupt(f"vocabulary index: {name} is missing or not a row of {dtype[1:]}")
    size = len(index["buckets"]) - 1
    lengths = [len(index[name]) for name in ("offsets", "bucket_ids", "sorted_ids")]
    if lengths != [count + 1, count, count] or size < 1 or size & (size - 1) or count < 1:
        raise Corrupt(f"vocabulary index: sizes do not fit {count} tokens")
    if index["offsets"][0] != 0 or index["offsets"][-1] != data_bytes:
        raise Corrupt("vocabulary index: does not span the vocabulary")


def compare_runs(
    one: NDArray[np.uint8],
    one_starts: NDArray[np.int64],
    other: NDArray[np.uint8],
    other_starts: NDArray[np.int64],
    sizes: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Whether ``one`` from ``one_starts[i]`` on has the same ``sizes[i]`` bytes as ``other`` from ``other_starts[i]`` on [n].

    Runs must lie inside and hold a byte at least.
    """
    if not len(sizes):
        return np.zeros(0, np.bool_)
    ends = np.cumsum(sizes)
    firsts = ends - sizes
    steps = np.arange(ends[-1])
    same = one.take(np.repeat(one_starts - firsts, sizes) + steps) == other.take(
        np.repeat(other_starts - firsts, sizes) + steps
    )
    return np.logical_and.reduceat(same, firsts)
