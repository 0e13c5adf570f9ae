"""SigmoidWithLoss: the sigmoid and the cross-entropy of yes-or-no labels, in one stable layer."""

from __future__ import annotations

from trainer.backend import Array, Backend


def sigmoid(x: Array, backend: Backend) -> Array:
    """``1 / (1 + exp(-x))``; no overflow for any finite x."""
    xp = backend.xp
    e = xp.exp(-xp.abs(x))  # at most 1
    larger = 1 / (1 + e)
    return xp.where(x >= 0, larger, e * larger)


class SigmoidWithLoss:
    """``losses = -weights * log(sigmoid(x) if label else 1 - sigmoid(x))``, in nats (the book, 4.2.5).

    Written as ``max(x, 0) - x * label + log(1 + exp(-|x|))``, which neither overflows nor takes log(0).
    """

    def __init__(self, *, backend: Backend) -> None:
        self.backend = backend

    def forward(self, x: Array, labels: Array, *, weights: Array | None = None) -> Array:
        """Losses, each entry's own, for scores ``x``, ``labels`` (1 or 0) and ``weights`` (default 1) of one shape."""
        xp = self.backend.xp
        self._error = sigmoid(x, self.backend) - labels
        self._weights = weights
        losses = xp.maximum(x, 0) - x * labels + xp.log1p(xp.exp(-xp.abs(x)))
        return losses if weights is None else losses * weights

    def backward(self, d_losses: Array | float = 1.0) -> Array:
        """``d_x`` for ``d_losses`` (1 where the loss is the plain sum)."""
        d_x = self._error * d_losses
        return d_x if self._weights is None else d_x * self._weights
