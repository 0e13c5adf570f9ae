"""EmbeddingDot: inner products of hidden vectors with chosen rows of a table."""

from __future__ import annotations

from trainer.backend import Array, Backend
from trainer.layers.gradients import RowGradient, sum_outer


class EmbeddingDot:
    """``scores[b, m] = h[b] · W[rows[b, m]]``: the few outputs that are asked for, not all V (the book, 4.2.4)."""

    def __init__(self, W: Array, *, backend: Backend) -> None:
        """``W`` is [V, D] and is kept by reference."""
        self.W = W
        self.backend = backend

    def forward(self, h: Array, rows: Array) -> Array:
        """Scores [B, M] for hidden vectors ``h`` [B, D] and ``rows`` [B, M]."""
        self._h, self._rows, self._chosen = h, rows, self.W[rows]
        return self.backend.xp.matmul(self._chosen, h[:, :, None])[:, :, 0]

    def backward(self, d_scores: Array) -> tuple[Array, RowGradient]:
        """``d_h`` [B, D] and the gradient of ``W`` for ``d_scores`` [B, M]; a row that came twice gets the sum."""
        d_h = self.backend.xp.matmul(d_scores[:, None, :], self._chosen)[:, 0, :]
        d_W = sum_outer(
            rows=self._rows,
            coefficients=d_scores,
            vectors=self._h,
            height=len(self.W),
            backend=self.backend,
        )
        return d_h, d_W
