"""Two models of what was said a moment ago, both with NumPy alone.

The cache of Kuhn and De Mori (1990) gives a word the share that it has among the last words, here with older ones counting
for less. The continuous cache of Grave, Joulin and Usunier (2017, arXiv 1612.04426, equation 3), here called the pointer,
weights each of the last words by how much the state before it resembles the state now.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class Cache:
    """The last ``words`` words; each word further back counts ``decay`` times as much as the one after it."""

    words: int = 500
    decay: float = 0.995

    def predict(self, recent: NDArray[np.int32], *, vocab_size: int) -> Floats:
        """p(w) [V] for ``recent`` [n], oldest first. Needs at least one word."""
        recent = recent[-self.words :]
        weights = self._weights(np.arange(len(recent))[::-1])
        counts = np.bincount(recent, weights=weights, minlength=vocab_size)
        result: Floats = (counts / weights.sum()).astype(np.float32)
        return result

    def fill(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """How full the cache is, 0 to 1, with each of ``counts`` words read."""
        filled = np.cumsum(self._weights(np.arange(self.words)))
        result: NDArray[np.float64] = np.concatenate([[0.0], filled / filled[-1]])[
            np.minimum(counts, self.words)
        ]
        return result

    def score(self, recent: NDArray[np.int32], token_ids: NDArray[np.int32]) -> NDArray[np.float64]:
        """p of each of ``token_ids`` [N], the first of which comes after ``recent``; 0 where nothing was read before."""
        stream = np.concatenate([recent, token_ids])
        by_age = self._weights(np.arange(self.words))
        result = np.empty(len(token_ids))
        for start in range(0, len(token_ids), _ROWS_AT_ONCE):
            stop = min(start + _ROWS_AT_ONCE, len(token_ids))
            before, ages = _band(len(recent), start, stop, self.words)
            weights = np.where(
                (ages >= 0) & (ages < self.words), by_age[np.clip(ages, 0, self.words - 1)], 0.0
            )
            same = stream[before] == token_ids[start:stop, np.newaxis]
            totals = weights.sum(axis=1)
            result[start:stop] = (weights * same).sum(axis=1) / np.where(totals > 0, totals, 1.0)
        return result

    def _weights(self, ages: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.power(self.decay, np.minimum(ages, self.words))


@dataclass(frozen=True)
class Pointer:
    """The last ``words`` words, each weighted by exp(``sharpness`` · (state now · state before that word))."""

    words: int = 500
    sharpness: float = 0.3

    def predict(self, recent: NDArray[np.int32], trail: Floats, h: Floats, *, vocab_size: int) -> Floats:
        """p(w) [V] for ``recent`` [n], the states ``trail`` [n, H] before each, and the state ``h`` [H] now."""
        recent, trail = recent[-self.words :], trail[-self.words :]
        scores = (trail @ h) * np.float32(self.sharpness)
        weights = np.exp(scores - scores.max())
        counts = np.bincount(recent, weights=weights, minlength=vocab_size)
        result: Floats = (counts / weights.sum()).astype(np.float32)
        return result

    def fill(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """How full the cache is, 0 to 1, with each of ``counts`` words read."""
        result: NDArray[np.float64] = np.minimum(counts, self.words) / self.words
        return result

    def score(
        self, recent: NDArray[np.int32], token_ids: NDArray[np.int32], trail: Floats
    ) -> NDArray[np.float64]:
        """p of each of ``token_ids`` [N] after ``recent`` [n]; ``trail`` [n+N, H]: the state before each of all of them."""
        stream = np.concatenate([recent, token_ids])
        result = np.empty(len(token_ids))
        for start in range(0, len(token_ids), _ROWS_AT_ONCE):
            stop = min(start + _ROWS_AT_ONCE, len(token_ids))
            before, ages = _band(len(recent), start, stop, self.words)
            if not ages.size:
                result[start:stop] = 0.0
                continue
            scores = trail[len(recent) + start : len(recent) + stop] @ trail[before].T
            scores *= np.float32(self.sharpness)
            scores[(ages < 0) | (ages >= self.words)] = -np.inf
            highest = scores.max(axis=1, keepdims=True)
            weights = np.exp(scores - np.where(np.isfinite(highest), highest, 0))
            same = stream[before] == token_ids[start:stop, np.newaxis]
            totals = weights.sum(axis=1, dtype=np.float64)
            result[start:stop] = (weights * same).sum(axis=1, dtype=np.float64) / np.where(
                totals > 0, totals, 1.0
            )
        return result


def _band(read: int, start: int, stop: int, words: int) -> tuple[slice, NDArray[np.int64]]:
    """The part of the stream that positions ``start`` to ``stop`` look back on, and how old [rows, part] each word there is.

    The word just before has age 0; what is not before has a negative age.
    """
    first, last = max(0, read + start - words), read + stop - 1
    positions = np.arange(read + start, read + stop)
    return slice(first, last), positions[:, np.newaxis] - 1 - np.arange(first, last)
