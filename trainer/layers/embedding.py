"""Embedding: rows of a table, one for each id; and EmbeddingBag: weighted sums of rows."""

from __future__ import annotations

from trainer.backend import Array, Backend
from trainer.layers.gradients import RowGradient, sum_outer


class Embedding:
    """``out[i] = W[token_ids[i]]``: the product of a one-hot matrix and W without the product (the book, 4.1)."""

    def __init__(self, W: Array, *, backend: Backend) -> None:
        """``W`` is [V, D] and is kept by reference."""
        self.W = W
        self.backend = backend

    def forward(self, token_ids: Array) -> Array:
        """Rows [..., D] for ids [...]."""
        self._token_ids = token_ids
        return self.W[token_ids]

    def backward(self, d_out: Array) -> RowGradient:
        """The gradient of ``W`` for ``d_out`` [..., D]: an id that came twice gets the sum."""
        rows = self._token_ids.reshape(-1, 1)
        return sum_outer(
            rows=rows,
            coefficients=self.backend.xp.ones(rows.shape, self.W.dtype),
            vectors=d_out.reshape(-1, self.W.shape[1]),
            height=len(self.W),
            backend=self.backend,
        )


class EmbeddingBag:
    """``out[b] = sum over c of weights[b, c] * W[token_ids[b, c]]``: the context of CBOW, the subwords of a word.

    A weight of 0 marks an absent entry: its id may be any valid one, and its row gets no gradient.
    """

    def __init__(self, W: Array, *, backend: Backend) -> None:
        """``W`` is [V, D] and is kept by reference."""
        self.W = W
        self.backend = backend

    def forward(self, token_ids: Array, weights: Array) -> Array:
        """Sums [B, D] for ids [B, C] and weights [B, C]."""
        self._token_ids, self._weights = token_ids, weights
        return self.backend.xp.matmul(weights[:, None, :], self.W[token_ids])[:, 0, :]

    def backward(self, d_out: Array, *, weights: Array | None = None) -> RowGradient:
        """The gradient of ``W`` for ``d_out`` [B, D].

        ``weights`` [B, C] replaces those of the forward pass where an update that is not the exact gradient
        is wanted (word2vec's undivided one).
        """
        return sum_outer(
            rows=self._token_ids,
            coefficients=self._weights if weights is None else weights,
            vectors=d_out,
            height=len(self.W),
            backend=self.backend,
        )
