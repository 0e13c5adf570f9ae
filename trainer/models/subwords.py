"""Words whose vector is a sum of several rows: their own and those of their character n-grams."""

from __future__ import annotations

from dataclasses import dataclass

from trainer.backend import Array


@dataclass(frozen=True)
class SubwordRows:
    """Word i is ``Σ_s weights[i, s] * W[rows[i, s]]`` (Bojanowski et al. 2017, arXiv 1607.04606, eq. 2).

    ``rows`` and ``weights`` are [V, S]; a weight of 0 pads words with fewer rows than S.
    """

    rows: Array
    weights: Array

    def expand(self, token_ids: Array, weights: Array) -> tuple[Array, Array]:
        """Weighted words [B, C] as weighted rows, both [B, C * S]."""
        rows = self.rows[token_ids]
        shares = self.weights[token_ids] * weights[:, :, None]
        return rows.reshape(len(rows), -1), shares.reshape(len(rows), -1)
