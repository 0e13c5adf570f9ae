"""The words seen so far, with their counts: arrays that the kernels fill and that grow between their calls."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from trainer.corpus import kernels
from trainer.corpus.kernels import ARENA_USED, MAX_WORDS, STATE_LENGTH, TYPES

_Number = TypeVar("_Number", np.int64, np.uint64)

_SORTED_COLUMNS = 3
"""Words are sorted by their first 24 bytes as numbers; Python sorts the few that are still the same."""


class WordTable:
    """Words numbered in the order in which they were first seen. Made for one thread."""

    def __init__(self) -> None:
        self.slots: NDArray[np.uint64] = np.zeros(2 << 14, np.uint64)
        self.starts: NDArray[np.uint64] = np.zeros((1 << 13) + 1, np.uint64)
        self.arena: NDArray[np.uint64] = np.zeros(1 << 15, np.uint64)
        self.counts: NDArray[np.int64] = np.zeros(1 << 13, np.int64)
        self.state: NDArray[np.int64] = np.zeros(STATE_LENGTH, np.int64)
        self.word: NDArray[np.uint64] = np.zeros(MAX_WORDS, np.uint64)

    def __len__(self) -> int:
        return int(self.state[TYPES])

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """What the kernels call a table."""
        return self.slots, self.starts, self.arena, self.counts, self.state, self.word

    def reserve(self, n_types: int, arena_words: int) -> None:
        """Make room for so many more words with so many 64-bit words of text."""
        n_types += len(self)
        if n_types > len(self.counts):
            size = 1 << (n_types - 1).bit_length()
            self.counts = _grow(self.counts, size)
            self.starts = _grow(self.starts, size + 1)
            slots = np.zeros(4 * size, np.uint64)
            kernels.move_slots(self.slots, slots)
            self.slots = slots
        arena_words += int(self.state[ARENA_USED]) + MAX_WORDS
        if arena_words > len(self.arena):
            self.arena = _grow(self.arena, max(arena_words, len(self.arena) * 3 // 2))

    def absorb(self, other: WordTable) -> NDArray[np.int32]:
        """Add another table's words and counts. Gives [len(other)] the number here of each of its words."""
        self.reserve(len(other), int(other.state[ARENA_USED]))
        numbers = np.empty(len(other), np.int32)
        kernels.merge(other.arrays(), self.arrays(), numbers)
        return numbers

    def rank(self, min_count: int) -> NDArray[np.int64]:
        """The numbers of the words that occur ``min_count`` times or more, by falling count, then in code-point order."""
        counts = self.counts[: len(self)]
        kept = np.flatnonzero(counts >= min_count)
        # Bytes of UTF-8 sort like code points, and big-endian numbers like the bytes they are made of.
        keys = [self._column(kept, place).byteswap() for place in range(_SORTED_COLUMNS)]
        order = np.lexsort([*reversed(keys), -counts[kept]])
        kept, keys = kept[order], [key[order] for key in keys]
        same = counts[kept[1:]] == counts[kept[:-1]]
        for key in keys:
            same &= key[1:] == key[:-1]
        return self._sort_rest(kept, same)

    def words(self, numbers: NDArray[np.int64]) -> list[bytes]:
        """The words with these numbers, in UTF-8."""
        arena = self.arena.astype("<u8", copy=False).data.cast("B")
        starts, stops = self.starts[numbers] * np.uint64(8), self.starts[numbers + 1] * np.uint64(8)
        spans = zip(starts.tolist(), stops.tolist(), strict=True)
        return [arena[start:stop].tobytes().rstrip(b"\0") for start, stop in spans]

    def _column(self, numbers: NDArray[np.int64], place: int) -> NDArray[np.uint64]:
        """[numbers] the bytes of each word from 8 ``place`` on; 0 where it has none."""
        at = self.starts[numbers] + np.uint64(place)
        return np.where(
            at < self.starts[numbers + 1],
            self.arena[np.minimum(at, np.uint64(len(self.arena) - 1))],
            np.uint64(0),
        )

    def _sort_rest(self, ranked: NDArray[np.int64], same: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Sort the few words that have the same count and the same beginning; ``same``[i] says so of i and i + 1."""
        edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
        for start, last in edges.reshape(-1, 2).tolist():
            group = ranked[start : last + 1]
            words = self.words(group)
            ranked[start : last + 1] = group[sorted(range(len(group)), key=words.__getitem__)]
        return ranked


def _grow(array: NDArray[_Number], size: int) -> NDArray[_Number]:
    grown: NDArray[_Number] = np.zeros(size, array.dtype)
    grown[: len(array)] = array
    return grown
