"""Cuts the encoded text into windows, piece by piece: bounded memory, shuffled, the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

RUN_WORDS = 1024  # neighbouring words that stay together when the text is shuffled
MAX_RUNS = 2**20  # a longer text gets longer runs: the shuffled order takes at most 8 MB


class Text(Protocol):
    """What is needed of a corpus."""

    @property
    def token_ids(self) -> NDArray[np.int32]: ...  # [N], -1 for words outside the vocabulary

    @property
    def line_starts(self) -> NDArray[np.int64]: ...  # [L + 1]


@dataclass(frozen=True)
class Windows:
    """Words with the words around them.

    ``contexts`` [B, 2 * window] int32 and ``weights`` [B, 2 * window] float32, left neighbours first: a weight
    is 1 where there is a word and 0 where the line's edge or the shrink cuts the window (the id is then 0).
    ``targets`` [B] int32.
    """

    contexts: NDArray[np.int32]
    weights: NDArray[np.float32]
    targets: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.targets)

    def shuffled(self, generator: np.random.Generator) -> Windows:
        """The same windows in random order."""
        order = generator.permutation(len(self))
        return Windows(self.contexts[order], self.weights[order], self.targets[order])

    def batches(self, size: int) -> Iterator[Windows]:
        """Slices of ``size`` windows, the last one shorter."""
        for start in range(0, len(self), size):
            cut = slice(start, start + size)
            yield Windows(self.contexts[cut], self.weights[cut], self.targets[cut])


def keep_probabilities(counts: NDArray[np.int64], subsample: float) -> NDArray[np.float64]:
    """How likely each word is kept: ``min(1, sqrt(t / f) + t / f)``, f its share of the text and t ``subsample``.

    word2vec.c's form of Mikolov et al. 2013 (arXiv 1310.4546, eq. 5). ``subsample`` 0 keeps all.
    """
    if subsample <= 0:
        return np.ones(len(counts))
    ratio = subsample * counts.sum() / np.maximum(counts, 1)
    keep: NDArray[np.float64] = np.minimum(1.0, np.sqrt(ratio) + ratio)
    return keep


def cut_windows(
    *, token_ids: NDArray[np.int32], line_ids: NDArray[Any], window: int, shrink: NDArray[Any] | None = None
) -> Windows:
    """Windows of ``token_ids`` [n] that never cross a line; words alone in their line are left out.

    ``line_ids`` [n] are equal within a line and differ between neighbouring ones. ``shrink`` [n] from 1 to
    ``window`` narrows each word's window to that many words a side, None leaves it whole.
    """
    n = len(token_ids)
    offsets = [offset for offset in range(-window, window + 1) if offset != 0]
    contexts = np.zeros((n, len(offsets)), np.int32)
    weights = np.zeros((n, len(offsets)), np.float32)
    for column, offset in enumerate(offsets):
        distance = abs(offset)
        here = slice(distance, None) if offset < 0 else slice(None, max(n - distance, 0))
        there = slice(None, max(n - distance, 0)) if offset < 0 else slice(distance, None)
        inside = line_ids[here] == line_ids[there]
        if shrink is not None:
            inside &= shrink[here] >= distance
        contexts[here, column] = np.where(inside, token_ids[there], 0)
        weights[here, column] = inside
    kept = np.flatnonzero(weights.any(axis=1))
    return Windows(contexts[kept], weights[kept], token_ids[kept])


class WindowReader:
    """The text of one training as pieces of shuffled windows.

    The text is divided into runs of about ``RUN_WORDS`` words, cut at line starts unless a line is longer.
    Each epoch takes the runs in a new random order; a piece is ``piece_words / RUN_WORDS`` of them, and its
    windows are shuffled. Everything random in a piece depends on (seed, epoch, piece) alone, so a training
    can go on at any piece without any state but that position.
    """

    def __init__(
        self,
        text: Text,
        *,
        counts: NDArray[np.int64],
        window: int,
        subsample: float,
        seed: int,
        piece_words: int = 16 * RUN_WORDS,
        shrink: bool = True,
    ) -> None:
        """``shrink`` draws each window's width from 1 to ``window`` as word2vec does."""
        self.text = text
        self.window = window
        self.shrink = shrink
        self.seed = seed
        self._keep = None if subsample <= 0 else keep_probabilities(counts, subsample)
        self._words = len(text.token_ids)
        self._run_words = max(RUN_WORDS, -(-self._words // MAX_RUNS))
        self._runs = -(-self._words // self._run_words)
        self._runs_a_piece = max(1, piece_words // self._run_words)
        self.pieces = -(-self._runs // self._runs_a_piece)
        self._order: tuple[int, NDArray[np.int64]] | None = None

    def generator(self, epoch: int, piece: int) -> np.random.Generator:
        """The source of everything random in a piece."""
        return np.random.default_rng([self.seed, epoch, piece])

    def read(self, epoch: int, piece: int, generator: np.random.Generator) -> tuple[int, Windows]:
        """How many raw words the piece has, and its windows."""
        first = piece * self._runs_a_piece
        runs = self._order_of(epoch)[first : first + self._runs_a_piece]
        starts, ends = self._starts(runs), self._starts(runs + 1)
        parts = [self._run(int(start), int(end)) for start, end in zip(starts, ends, strict=True)]
        token_ids = np.concatenate([ids for ids, _ in parts])
        line_ids = np.cumsum(np.concatenate([is_start for _, is_start in parts]))
        words = len(token_ids)
        kept = token_ids >= 0
        if self._keep is not None:
            kept &= generator.random(words) < self._keep[token_ids]
        token_ids, line_ids = token_ids[kept], line_ids[kept]
        shrink = generator.integers(1, self.window + 1, len(token_ids)) if self.shrink else None
        windows = cut_windows(token_ids=token_ids, line_ids=line_ids, window=self.window, shrink=shrink)
        return words, windows.shuffled(generator)

    def _order_of(self, epoch: int) -> NDArray[np.int64]:
        if self._order is None or self._order[0] != epoch:
            self._order = (epoch, np.random.default_rng([self.seed, epoch]).permutation(self._runs))
        return self._order[1]

    def _starts(self, runs: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where runs start: at the last line start in the ``run_words`` words before the even cut, else at the cut."""
        cuts = np.minimum(runs * self._run_words, self._words)
        lines = np.searchsorted(self.text.line_starts, cuts, side="right") - 1
        starts: NDArray[np.int64] = self.text.line_starts[lines]
        return np.where(starts > cuts - self._run_words, starts, cuts)

    def _run(self, start: int, end: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        line_starts = self.text.line_starts
        first, last = np.searchsorted(line_starts, [start, end], side="left")
        is_start = np.zeros(end - start, np.bool_)
        is_start[line_starts[first:last] - start] = True
        is_start[:1] = True
        return np.asarray(self.text.token_ids[start:end]), is_start
