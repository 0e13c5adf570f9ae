"""Dropout in its three places: activations, the words of an embedding, and recurrent weights (DropConnect).

All keep a share 1 - p and divide by it, so that nothing has to change when the model is used.
"""

from __future__ import annotations

from typing import Any

from trainer.backend import Array, Backend


def draw_mask(shape: tuple[int, ...], share: float, *, dtype: Any, generator: Any, backend: Backend) -> Array:
    """Zeros with probability ``share`` and ``1 / (1 - share)`` otherwise."""
    kept = generator.random(shape, dtype=backend.xp.float32) >= share
    return kept.astype(dtype) * backend.xp.asarray(1 / (1 - share), dtype)


class TimeDropout:
    """Dropout (Srivastava et al. 2014; the book, 6.5.2) over a block of steps.

    With ``variational``, a lane has one mask for all steps of a block (Gal and Ghahramani 2016, arXiv 1512.05287).
    """

    def __init__(self, share: float, *, backend: Backend, variational: bool = False) -> None:
        """``share`` is the probability that a value is dropped, below 1."""
        self.share = share
        self.variational = variational
        self.backend = backend

    def forward(self, xs: Array, generator: Any = None) -> Array:
        """[T, B, D] for ``xs`` [T, B, D]; ``generator`` None leaves all as it is."""
        self._mask = None
        if generator is None or not self.share:
            return xs
        shape = (1, *xs.shape[1:]) if self.variational else xs.shape
        self._mask = draw_mask(shape, self.share, dtype=xs.dtype, generator=generator, backend=self.backend)
        return xs * self._mask

    def backward(self, d_out: Array) -> Array:
        """``d_xs`` for ``d_out``, both [T, B, D]."""
        return d_out if self._mask is None else d_out * self._mask


class WordDropout:
    """Drops words from the vocabulary for one block: all their occurrences become zero (Gal and Ghahramani 2016, 4.2)."""

    def __init__(self, share: float, *, backend: Backend) -> None:
        """``share`` is the probability that a word is dropped, below 1."""
        self.share = share
        self.backend = backend

    def forward(self, xs: Array, *, token_ids: Array, height: int, generator: Any = None) -> Array:
        """[T, B, E] for ``xs`` [T, B, E], the vectors of ``token_ids`` [T, B] from a table of ``height`` words."""
        self._mask = None
        if generator is None or not self.share:
            return xs
        words = draw_mask((height,), self.share, dtype=xs.dtype, generator=generator, backend=self.backend)
        self._mask = words[token_ids][..., None]
        return xs * self._mask

    def backward(self, d_out: Array) -> Array:
        """``d_xs`` for ``d_out``, both [T, B, E]."""
        return d_out if self._mask is None else d_out * self._mask


class DropConnect:
    """Drops single weights, the same ones for all steps of a block (Wan et al. 2013).

    On ``w_h`` it is the weight-dropped LSTM's (Merity et al. 2017, arXiv 1708.02182, section 2).
    """

    def __init__(self, share: float, *, backend: Backend) -> None:
        """``share`` is the probability that a weight is dropped, below 1."""
        self.share = share
        self.backend = backend

    def forward(self, W: Array, generator: Any = None) -> Array:
        """``W`` with some weights dropped, a new array; ``W`` itself where there is no ``generator``."""
        self._mask = None
        if generator is None or not self.share:
            return W
        self._mask = draw_mask(W.shape, self.share, dtype=W.dtype, generator=generator, backend=self.backend)
        return W * self._mask

    def backward(self, d_out: Array) -> Array:
        """The gradient of ``W`` for that of the weights that took its place."""
        return d_out if self._mask is None else d_out * self._mask
