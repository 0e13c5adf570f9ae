"""Pairs of neighbours in a text: counted, all of them, in bounded memory; and joined."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.corpus import pair_kernels as kernels
from trainer.corpus.counting import write_all
from trainer.corpus.pair_kernels import AT, ID_BITS, START, STATE_LENGTH, USED

FIRST_SLOTS = 1 << 14
MOST_SLOTS = 1 << 23
"""A table of that many takes 128 MB and holds three quarters as many pairs."""
PIECE_WORDS = 1 << 20

_FIRST_SHIFT, _LAST_SHIFT = np.uint64(ID_BITS + 8), np.uint64(8)
_ID_MASK, _BETWEEN_MASK = np.uint64((1 << ID_BITS) - 1), np.uint64(0xFF)


@dataclass(frozen=True)
class Text:
    """Ids and line starts as a corpus has them, in files."""

    ids_path: Path
    lines_path: Path

    @property
    def words(self) -> int:
        return self.ids_path.stat().st_size // 4

    def pieces(self) -> Iterator[tuple[NDArray[np.int32], NDArray[np.uint8]]]:
        """Whole lines together, some ``PIECE_WORDS`` words of them: their ids, and 1 where a line begins."""
        ids, starts = np.memmap(self.ids_path, "<i4", "r"), np.memmap(self.lines_path, "<i8", "r")
        line, lines = 0, len(starts) - 1
        while line < lines:
            after = int(np.searchsorted(starts, starts[line] + PIECE_WORDS, "right")) - 1
            after = min(max(after, line + 1), lines)
            piece = np.asarray(ids[starts[line] : starts[after]])
            first = np.zeros(len(piece), np.uint8)
            first[starts[line:after] - starts[line]] = 1
            yield piece, first
            line = after


@dataclass(frozen=True)
class Pairs:
    """Pairs of ids, and the numbers of the connectors between them, 4 bits each; int64 [P] all three."""

    first: NDArray[np.int64]
    between: NDArray[np.int64]
    last: NDArray[np.int64]

    @classmethod
    def from_keys(cls, keys: NDArray[np.uint64]) -> Pairs:
        """Pairs from the keys of a table."""
        first, last = keys >> _FIRST_SHIFT, keys >> _LAST_SHIFT & _ID_MASK
        return cls(first=_signed(first), between=_signed(keys & _BETWEEN_MASK), last=_signed(last))

    @classmethod
    def none(cls) -> Pairs:
        return cls.from_keys(np.zeros(0, np.uint64))

    @classmethod
    def concatenate(cls, parts: Sequence[Pairs]) -> Pairs:
        return cls.from_keys(np.concatenate([part.keys() for part in parts]))

    def keys(self) -> NDArray[np.uint64]:
        """The keys of a table."""
        first, between, last = (column.astype(np.uint64) for column in (self.first, self.between, self.last))
        return first << _FIRST_SHIFT | last << _LAST_SHIFT | between

    def sorted(self) -> Pairs:
        """By their keys."""
        return Pairs.from_keys(np.sort(self.keys()))

    def __getitem__(self, chosen: NDArray[np.bool_]) -> Pairs:
        return Pairs(first=self.first[chosen], between=self.between[chosen], last=self.last[chosen])

    def __len__(self) -> int:
        return len(self.first)


class PairTable:
    """How often each pair occurs; pairs outside the table's share of them are left to another sweep over the text."""

    def __init__(self) -> None:
        self.share_bits = 0
        self.share = 0
        self.keys: NDArray[np.uint64] = np.zeros(FIRST_SLOTS, np.uint64)
        self.values: NDArray[np.int64] = np.full(FIRST_SLOTS, -1, np.int64)
        self.state: NDArray[np.int64] = np.zeros(STATE_LENGTH, np.int64)

    def clear(self, share: int, share_bits: int) -> None:
        """Start a new sweep."""
        self.share, self.share_bits = share, share_bits
        self.values.fill(-1)
        self.state[USED] = 0

    def add(
        self,
        piece: NDArray[np.int32],
        first: NDArray[np.uint8],
        connector: NDArray[np.uint8],
        counts: NDArray[np.float64],
        limits: NDArray[np.float64],
    ) -> list[tuple[int, int]]:
        """Count a piece of text. What had to be left out for want of room is given: shares, for later sweeps."""
        left_out: list[tuple[int, int]] = []
        self.state[AT], self.state[START] = 0, -1
        while True:
            # A pair that meets a full table is counted when it has grown.
            kernels.count_pairs(
                piece,
                first,
                connector,
                counts,
                limits,
                *self._share(),
                self.keys,
                self.values,
                self._room(),
                self.state,
            )
            if self.state[AT] == len(piece):
                return left_out
            if len(self.keys) < MOST_SLOTS:
                self._move(2 * len(self.keys))
            else:
                # The half of the share whose hashes' next bit is 1 is put off.
                left_out.append((self.share | 1 << self.share_bits, self.share_bits + 1))
                self.share_bits += 1
                self._move(len(self.keys))

    def pairs(self, min_count: int) -> tuple[Pairs, NDArray[np.int64]]:
        """The pairs of the table that occur ``min_count`` times or more, and how often they do."""
        used = np.flatnonzero(self.values >= min_count)
        return Pairs.from_keys(self.keys[used]), self.values[used]

    def _share(self) -> tuple[np.uint64, np.uint64]:
        return np.uint64((1 << self.share_bits) - 1), np.uint64(self.share)

    def _room(self) -> int:
        return len(self.keys) * 3 // 4

    def _move(self, slots: int) -> None:
        keys, values = np.zeros(slots, np.uint64), np.full(slots, -1, np.int64)
        self.state[USED] = kernels.move_pairs(self.keys, self.values, *self._share(), keys, values)
        self.keys, self.values = keys, values


def count_pairs(
    text: Text,
    *,
    connector: NDArray[np.uint8],
    counts: NDArray[np.int64],
    limits: NDArray[np.float64],
    min_count: int,
    tell: Callable[[int], None],
) -> Iterator[tuple[Pairs, NDArray[np.int64]]]:
    """The pairs (a, b) and how often they occur, of those with counts[a] < limits[b] and counts[b] < limits[a], in parts.

    Each part is a sweep over the text for a share of the pairs that fits into ``MOST_SLOTS``. ``tell`` is told the
    words of each piece of the first sweep.
    """
    as_floats = counts.astype(np.float64)
    table = PairTable()
    sweeps = [(0, 0)]
    while sweeps:
        share, bits = sweeps.pop()
        table.clear(share, bits)
        for piece, first in text.pieces():
            sweeps += table.add(piece, first, connector, as_floats, limits)
            if (share, bits) == (0, 0):
                tell(len(piece))
        yield table.pairs(min_count)


def join_pairs(
    text: Text,
    target: Text,
    *,
    connector: NDArray[np.uint8],
    pairs: Pairs,
    ids: NDArray[np.int64],
    units: int,
    tell: Callable[[int], None],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Write ``text`` to ``target`` with ``pairs`` joined into ``ids`` [P].

    Gives how often each of all ``units`` ids is there then, and how often each pair was joined.
    """
    slots = max(FIRST_SLOTS, 1 << (2 * len(pairs)).bit_length())
    table: tuple[NDArray[np.uint64], NDArray[np.int64]] = (
        np.zeros(slots, np.uint64),
        np.full(slots, -1, np.int64),
    )
    every = np.uint64(0)
    kernels.move_pairs(pairs.keys(), ids << 32 | np.arange(len(ids)), every, every, *table)
    counts, times = np.zeros(units, np.int64), np.zeros(len(pairs), np.int64)
    words = 0
    with (
        target.ids_path.open("wb", buffering=0) as ids_file,
        target.lines_path.open("wb", buffering=0) as lines_file,
    ):
        for piece, first in text.pieces():
            joined: NDArray[np.int32] = np.empty(len(piece), np.int32)
            starts: NDArray[np.int64] = np.empty(np.count_nonzero(first), np.int64)
            written = kernels.join_pairs(piece, first, connector, *table, joined, starts, counts, times)
            write_all(ids_file, joined[:written])
            write_all(lines_file, starts + words)
            words += written
            tell(len(piece))
        write_all(lines_file, np.array([words], "<i8"))
    return counts, times


def rewrite(text: Text, target: Path, new_ids: NDArray[np.int32]) -> None:
    """Write a text's ids to ``target`` as ``new_ids`` [units] gives them; -1 stays."""
    with_unknown: NDArray[Any] = np.append(new_ids, -1).astype("<i4")
    with target.open("wb", buffering=0) as file:
        for piece, _ in text.pieces():
            write_all(file, with_unknown[piece])


def _signed(numbers: NDArray[np.uint64]) -> NDArray[np.int64]:
    return numbers.astype(np.int64)
