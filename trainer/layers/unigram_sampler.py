"""UnigramSampler: negative words drawn by their count to the power 3/4."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from artifact.errors import InputError
from trainer.backend import Array, Backend

_TOTAL = 2**50  # integer weights add up to about this, so that draws are exact: a double holds 2**53


class UnigramSampler:
    """Words in proportion to ``count ** power`` (Mikolov et al. 2013, arXiv 1310.4546, section 2.2; the book, 4.2.6).

    Draws are with replacement, as in word2vec. With ``exclude_target`` a draw is never the target beside it,
    as the book does on the CPU: the other words keep their proportions. Without it a target may come up
    among its own negatives, and the loss leaves such a pair out.
    """

    def __init__(
        self, counts: ArrayLike, *, backend: Backend, power: float = 0.75, exclude_target: bool = True
    ) -> None:
        """``counts`` [V] are how often each word occurs, or anything in proportion.

        Raises InputError where there is nothing to draw from.
        """
        positive = np.asarray(counts, np.float64)
        if len(positive) < 1 + exclude_target or not np.all(positive > 0):
            raise InputError(
                f"cannot draw negative words from {len(positive)}: "
                f"at least {1 + exclude_target} are needed, each with a count above 0"
            )
        weights = positive**power
        self.probabilities: NDArray[np.float64] = weights / weights.sum()
        self.exclude_target = exclude_target
        self.backend = backend
        shares = np.maximum(np.rint(self.probabilities * _TOTAL), 1).astype(np.int64)
        ends = np.cumsum(shares)
        self._total = int(ends[-1])
        self._shares, self._ends = backend.asarray(shares), backend.asarray(ends)

    def draw(self, targets: Array, k: int, generator: Any) -> Array:
        """Negatives [B, k] int32 for ``targets`` [B]; ``generator`` is the backend's own (``Backend.generator``)."""
        xp = self.backend.xp
        uniform = generator.random((len(targets), k))
        if not self.exclude_target:
            ticket = (uniform * self._total).astype(xp.int64)
        else:
            # Draw from the line of shares with the target's own piece cut out, then step over the cut.
            share = self._shares[targets][:, None]
            start = self._ends[targets][:, None] - share
            ticket = (uniform * (self._total - share)).astype(xp.int64)
            ticket += xp.where(ticket >= start, share, 0)
        return xp.searchsorted(self._ends, ticket, side="right").astype(xp.int32)
