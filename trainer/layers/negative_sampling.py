"""NegativeSamplingLoss: tell the true word from K drawn ones."""

from __future__ import annotations

from trainer.backend import Array, Backend
from trainer.layers.embedding_dot import EmbeddingDot
from trainer.layers.gradients import RowGradient
from trainer.layers.sigmoid_with_loss import SigmoidWithLoss


class NegativeSamplingLoss:
    """``-log σ(h·w_target) - weight * Σ_k log σ(-h·w_k)`` (Mikolov et al. 2013, arXiv 1310.4546, eq. 4; the book, 4.2).

    ``negative_weight`` is 1 where each target has negatives of its own. Where K' negatives are shared by a
    block of targets in place of K own ones it is K / K', which leaves the expected loss as it was.
    A negative that is the target itself is left out, as in word2vec.
    """

    def __init__(self, W: Array, *, backend: Backend, negative_weight: float = 1.0) -> None:
        """``W`` [V, D] are the output vectors, kept by reference."""
        self.W = W
        self.negative_weight = negative_weight
        self.backend = backend
        self._dot = EmbeddingDot(W, backend=backend)
        self._sigmoid = SigmoidWithLoss(backend=backend)

    def forward(
        self, h: Array, *, targets: Array, negatives: Array | None, example_weights: Array | None = None
    ) -> Array:
        """Losses [B] in nats for ``h`` [B, D], ``targets`` [B], ``negatives`` [B, K] and ``example_weights`` [B]."""
        if negatives is None:
            raise ValueError("negative sampling needs negatives [B, K]")
        xp = self.backend.xp
        rows = xp.concatenate([targets[:, None], negatives], axis=1)
        labels = xp.zeros(rows.shape, h.dtype)
        labels[:, 0] = 1
        weights = (rows != targets[:, None]).astype(h.dtype) * h.dtype.type(self.negative_weight)
        weights[:, 0] = 1
        if example_weights is not None:
            weights *= example_weights[:, None]
        scores = self._dot.forward(h, rows)
        return self._sigmoid.forward(scores, labels, weights=weights).sum(axis=1)

    def backward(self) -> tuple[Array, RowGradient]:
        """``d_h`` [B, D] and the gradient of the output vectors, both of the summed losses."""
        return self._dot.backward(self._sigmoid.backward())
