"""TimeSoftmaxWithLoss: the cross-entropy of the next word over the whole vocabulary; SoftmaxOutput: with the product."""

from __future__ import annotations

from typing import Any, Protocol

from trainer.backend import Array, Backend
from trainer.layers.time import TimeAffine, flatten

IGNORED = -1
"""The label of a place that has no word to predict: it has no loss and no gradient."""


class TimeSoftmaxWithLoss:
    """``-log softmax(scores)[target]`` summed over a block, with the largest score taken off first (the book, 5.4.2.3)."""

    def __init__(self, *, backend: Backend) -> None:
        self.backend = backend

    def forward(self, scores: Array, targets: Array) -> Array:
        """The summed loss in nats, a scalar, for ``scores`` [T, B, V] and ``targets`` [T, B], ``IGNORED`` left out."""
        xp = self.backend.xp
        flat, labels = flatten(scores), targets.ravel()
        self._shape = scores.shape
        self._kept = labels != IGNORED
        self._labels = xp.where(self._kept, labels, 0)
        self._rows = xp.arange(len(labels))
        shifted = flat - flat.max(axis=1, keepdims=True)
        chosen = shifted[self._rows, self._labels]
        xp.exp(shifted, out=shifted)
        total = shifted.sum(axis=1)
        losses = xp.log(total) - chosen
        shifted /= total[:, None]
        self._probabilities = shifted
        return xp.sum(losses * self._kept, dtype=xp.float64)

    def backward(self, d_loss: float = 1.0) -> Array:
        """``d_scores`` [T, B, V]. Takes the place of the probabilities, so it can be called once."""
        d_scores = self._probabilities
        d_scores[self._rows, self._labels] -= 1
        d_scores *= (self._kept * d_loss).astype(d_scores.dtype)[:, None]
        return d_scores.reshape(self._shape)


class Output(Protocol):
    """From hidden vectors to the loss of the next word."""

    def loss(self, hs: Array, targets: Array) -> Any:
        """The summed loss in nats for ``hs`` [T, B, H] and ``targets`` [T, B]."""

    def loss_and_gradients(
        self, hs: Array, targets: Array, *, d_loss: float
    ) -> tuple[Any, Array, Array, Array]:
        """The summed loss, ``d_hs``, ``d_W`` (shaped as W) and ``d_b``, the gradients of ``d_loss`` times the loss."""


class SoftmaxOutput:
    """TimeAffine and TimeSoftmaxWithLoss."""

    def __init__(self, W: Array, b: Array, *, backend: Backend) -> None:
        """``W`` is [H, V] and may be a transposed view, ``b`` [V]; kept by reference."""
        self._affine = TimeAffine(W, b, backend=backend)
        self._softmax = TimeSoftmaxWithLoss(backend=backend)

    def loss(self, hs: Array, targets: Array) -> Any:
        return self._softmax.forward(self._affine.forward(hs), targets)

    def loss_and_gradients(
        self, hs: Array, targets: Array, *, d_loss: float
    ) -> tuple[Any, Array, Array, Array]:
        loss = self.loss(hs, targets)
        return loss, *self._affine.backward(self._softmax.backward(d_loss))
