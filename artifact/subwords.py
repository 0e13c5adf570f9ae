"""Vectors for words that training never saw, from their character n-grams, as fastText has them.

Bojanowski et al. 2017, arXiv 1607.04606, section 3.2. Which n-grams a word has, and how they are hashed into buckets, is
what fastText's ``Dictionary::computeSubwords`` and ``Dictionary::hash`` do, so that its own models can be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.errors import Corrupt, InputError, Unsupported
from artifact.tokenizer import MAX_TOKEN_BYTES

REQUIREMENT = "subwords"
VERSION = 1
LONGEST = 20
MOST_BUCKETS = 2**31 - 1
_FNV_OFFSET, _FNV_PRIME = np.uint32(2166136261), np.uint32(16777619)
_BLOCK_WORDS = 16_384


@dataclass(frozen=True)
class Ngrams:
    """Which character n-grams of ``<word>`` count: ``shortest`` to ``longest`` characters, hashed into ``buckets``.

    The marks < and > begin and end a word; alone, as n-grams of one character, they are left out. Raises InputError.
    """

    shortest: int
    longest: int
    buckets: int

    def __post_init__(self) -> None:
        if not 1 <= self.shortest <= self.longest <= LONGEST or not 1 <= self.buckets <= MOST_BUCKETS:
            raise InputError(
                f"subwords of {self.shortest} to {self.longest} characters in {self.buckets} buckets: lengths must be "
                f"1 to {LONGEST}, the shorter first, and buckets 1 to {MOST_BUCKETS}"
            )

    def to_json(self) -> dict[str, Any]:
        """What a manifest's ``requires`` says of it."""
        return {
            "version": VERSION,
            "shortest": self.shortest,
            "longest": self.longest,
            "buckets": self.buckets,
        }

    @classmethod
    def from_json(cls, value: object) -> Ngrams:
        """What ``to_json`` wrote. Raises Unsupported for another version and Corrupt for anything else."""
        if not isinstance(value, dict) or type(value.get("version")) is not int:
            raise Corrupt("the requirement subwords is malformed")
        if value["version"] != VERSION:
            raise Unsupported(
                f"requires subwords in version {str(value['version'])[:20]}, which this release does not understand"
            )
        match value:
            case {
                "shortest": int() as shortest,
                "longest": int() as longest,
                "buckets": int() as buckets,
                **more,
            }:
                if set(more) != {"version"} or bool in map(type, (shortest, longest, buckets)):
                    raise Corrupt("the requirement subwords is malformed")
            case _:
                raise Corrupt("the requirement subwords is malformed")
        try:
            return cls(shortest, longest, buckets)
        except InputError as error:
            raise Corrupt(f"the requirement subwords: {str(error)[:200]}") from None

    def hash_words(self, words: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """The buckets of each word's n-grams: word i has ``ids[starts[i]:starts[i + 1]]``, starts int64 [n + 1], ids int32.

        By where they begin, then by length, repeated ones as often as they occur: fastText's order. Raises InputError
        for a word that cannot be written as UTF-8.
        """
        starts = np.zeros(len(words) + 1, np.int64)
        parts = []
        for first in range(0, len(words), _BLOCK_WORDS):
            block = words[first : first + _BLOCK_WORDS]
            counts, ids = self._hash_block(block)
            starts[first + 1 : first + 1 + len(block)] = counts
            parts.append(ids)
        np.cumsum(starts, out=starts)
        return starts, np.concatenate(parts) if parts else np.zeros(0, np.int32)

    def _hash_block(self, words: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """How many n-grams each word has, and the buckets of all."""
        try:
            data = np.frombuffer("".join(f"<{word}>" for word in words).encode("utf-8"), np.uint8)
        except UnicodeEncodeError as error:
            raise InputError(f"a word cannot be written as UTF-8: {error.reason}") from None
        # fastText's C++ widens bytes as signed characters: 0x80 and above come out as 0xFFFFFF80 and above.
        widened = data.view(np.int8).astype(np.uint32)
        places = np.flatnonzero(data & 0xC0 != 0x80)  # [C] where each character's first byte is
        sizes = np.diff(places, append=len(data))
        lengths = np.fromiter(map(len, words), np.int64, len(words)) + 2
        ends = np.repeat(np.cumsum(lengths), lengths)
        left = ends - np.arange(len(places))  # [C] characters from this one to the word's end
        is_mark = (left == 1) | (left == np.repeat(lengths, lengths))
        hashes = np.full(len(places), _FNV_OFFSET)
        buckets = np.zeros((len(places), self.longest - self.shortest + 1), np.int32)
        exists = np.zeros(buckets.shape, np.bool_)
        for length in range(1, self.longest + 1):
            alive = np.flatnonzero(left >= length)
            added = alive + (length - 1)
            values = hashes[alive]
            for byte in range(4):
                inside = slice(None) if byte == 0 else np.flatnonzero(sizes[added] > byte)
                values[inside] = (values[inside] ^ widened[places[added[inside]] + byte]) * _FNV_PRIME
            hashes[alive] = values
            if length >= self.shortest:
                column = length - self.shortest
                buckets[alive, column] = values % np.uint32(self.buckets)
                exists[alive, column] = True if length > 1 else ~is_mark[alive]
        word_of = np.repeat(np.arange(len(words)), lengths)
        counts = np.bincount(word_of, weights=exists.sum(axis=1), minlength=len(words))
        return counts.astype(np.int64), buckets[exists]


class Subwords:
    """The vectors of the n-grams that the words of a vocabulary have: bucket ``bucket_ids[u]`` has ``rows[u]``.

    ``bucket_ids`` [U] int32, rising; ``rows`` [U, D] float16 or float32. Both may be memory maps. Buckets that no word
    touched were never trained and are not here. Raises Corrupt where the arrays are not that.
    """

    def __init__(self, ngrams: Ngrams, *, bucket_ids: NDArray[Any], rows: NDArray[Any]) -> None:
        if bucket_ids.dtype != np.int32 or bucket_ids.ndim != 1 or rows.ndim != 2:
            raise Corrupt("subwords: bucket_ids must be one row of int32, rows a table")
        if rows.dtype not in (np.float16, np.float32) or len(rows) != len(bucket_ids):
            raise Corrupt(
                f"subwords: {len(bucket_ids)} buckets do not fit rows {rows.shape} of {rows.dtype.name}"
            )
        if len(bucket_ids) and (
            bucket_ids[0] < 0 or bucket_ids[-1] >= ngrams.buckets or (np.diff(bucket_ids) <= 0).any()
        ):
            raise Corrupt(f"subwords: the buckets do not rise within 0 … {ngrams.buckets - 1}")
        self.ngrams = ngrams
        self.bucket_ids = bucket_ids
        self.rows = rows

    @classmethod
    def from_tensors(cls, ngrams: Ngrams, tensors: dict[str, NDArray[Any]]) -> Subwords:
        """What lies in subwords.safetensors. Raises Corrupt."""
        if missing := {"bucket_ids", "rows"} - set(tensors):
            raise Corrupt(f"subwords: there is no tensor {', '.join(sorted(missing))}")
        return cls(ngrams, bucket_ids=tensors["bucket_ids"], rows=tensors["rows"])

    def compose(self, words: Sequence[str]) -> list[NDArray[np.float32] | None]:
        """For each word the mean [D] of the rows of its n-grams, those that there are; None where there is none.

        A word that the tokenizer would drop for its length has no vector either. Raises Corrupt for rows that are no
        numbers.
        """
        plain = [word if _is_plain(word) else "" for word in words]
        starts, asked = self.ngrams.hash_words(plain)
        places = np.searchsorted(self.bucket_ids, asked)
        places[places == len(self.bucket_ids)] = 0
        known = self.bucket_ids[places] == asked if len(self.bucket_ids) else np.zeros(len(asked), np.bool_)
        composed: list[NDArray[np.float32] | None] = []
        for word, start, end in zip(plain, starts[:-1].tolist(), starts[1:].tolist(), strict=True):
            found = places[start:end][known[start:end]]
            if not word or not len(found):
                composed.append(None)
                continue
            vector = self.rows[found].mean(axis=0, dtype=np.float64).astype(np.float32)
            if not np.isfinite(vector).all():
                raise Corrupt("subwords: a row is not finite")
            composed.append(vector)
        return composed

    def check(self) -> None:
        """Corrupt unless every row is finite."""
        for start in range(0, len(self.rows), _BLOCK_WORDS):
            if not np.isfinite(self.rows[start : start + _BLOCK_WORDS]).all():
                raise Corrupt("subwords: a row is not finite")


def _is_plain(word: str) -> bool:
    try:
        return 0 < len(word.encode("utf-8")) <= MAX_TOKEN_BYTES
    except UnicodeEncodeError:
        return False
