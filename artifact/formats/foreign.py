"""A foreign file being read: what it promises, and its words and vectors a block at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.embedding_writer import Precision
from artifact.formats.remarks import Remarks
from artifact.subwords import Ngrams

BLOCK_NUMBERS = 1 << 18
"""About how many numbers stand in a block."""


@dataclass(frozen=True)
class Rows:
    """A block of words as the file spells them, and their vectors [n, D] of any floating type."""

    words: Sequence[bytes]
    vectors: NDArray[Any]
    where: Callable[[int], str]
    """The place of a row of this block in its file, for people: "line 17", "row 16"."""
    counts: NDArray[np.int64] | None = None
    """How often each word occurred in training, [n]; None where the format does not say."""


@dataclass(frozen=True)
class NgramRows:
    """The vectors of all buckets of character n-grams, in bucket order, a block [n, D] at a time."""

    ngrams: Ngrams
    blocks: Callable[[], Iterator[NDArray[np.float32]]]


@dataclass
class Foreign:
    """An opened foreign file. Errors while reading are InputError and name the line, or the row and byte."""

    format: str
    """As ``--format`` names it."""
    dim: int
    blocks: Iterator[Rows]
    words: int | None = None
    """As many as the file says that it has; only ever a promise."""
    precision: Precision = "float32"
    """What holds its numbers without loss."""
    progress: Callable[[], tuple[int, int | None]] = lambda: (0, None)
    """Bytes taken from the disk so far, and of how many."""
    subwords: NgramRows | None = None
    remarks: Remarks = field(default_factory=Remarks)


@dataclass(frozen=True)
class Places:
    """Calls the rows of a block by number: "row 16", "word 3"."""

    what: str
    numbers: Sequence[int]

    def __call__(self, row: int) -> str:
        return f"{self.what} {self.numbers[row]:,}"


def rows_at_once(dim: int) -> int:
    """How many rows of ``dim`` numbers make a block."""
    return max(1, BLOCK_NUMBERS // dim)
