"""Layers over a block of T time steps. Arrays are time-major, [T, B, ...]: a step is one contiguous piece."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from trainer.backend import Array, Backend
from trainer.layers.embedding import Embedding
from trainer.layers.gradients import Gradient


class TimeEmbedding:
    """The rows of a table for a block of ids (the book, 5.4.2.1)."""

    def __init__(self, W: Array, *, backend: Backend) -> None:
        """``W`` is [V, E], kept by reference."""
        self._embedding = Embedding(W, backend=backend)

    def forward(self, token_ids: Array) -> Array:
        """``xs`` [T, B, E] for ids [T, B]."""
        return self._embedding.forward(token_ids)

    def backward(self, d_xs: Array) -> Gradient:
        """The gradient of the table for ``d_xs`` [T, B, E]."""
        return self._embedding.backward(d_xs)


class TimeAffine:
    """``xs · W + b`` at each step, as one product (the book, 5.4.2.2)."""

    def __init__(self, W: Array, b: Array, *, backend: Backend) -> None:
        """``W`` is [I, O], ``b`` [O], kept by reference."""
        self.W, self.b = W, b
        self.backend = backend

    def forward(self, xs: Array) -> Array:
        """[T, B, O] for ``xs`` [T, B, I]."""
        self._xs = xs
        return project(xs, self.W, self.b)

    def backward(self, d_out: Array) -> tuple[Array, Array, Array]:
        """``d_xs`` [T, B, I], ``d_W`` and ``d_b`` for ``d_out`` [T, B, O]."""
        d_flat = flatten(d_out)
        d_xs = (d_flat @ self.W.T).reshape(self._xs.shape)
        return d_xs, flatten(self._xs).T @ d_flat, d_flat.sum(axis=0)


class TimeRecurrent(ABC):
    """A recurrent layer over a block of T steps that goes on where the block before ended.

    Truncated backpropagation through time (Williams and Peng 1990; the book, 5.2.3 and 5.3): the state is carried
    forward from block to block, the gradient stops at the block's start. ``d_state`` keeps what would have gone on.
    """

    gates: ClassVar[int]
    """Blocks of H columns in the weights."""
    states: ClassVar[int]
    """Arrays [B, H] that a state is made of: h, and what else the cell remembers."""

    state: tuple[Array, ...]
    d_state: tuple[Array, ...]

    def __init__(self, weights: Mapping[str, Array], *, backend: Backend) -> None:
        """``weights``: ``w_x`` [I, gates * H], ``w_h`` [H, gates * H], ``b`` [gates * H], kept by reference."""
        self.weights = weights
        self.backend = backend
        self.state = ()

    def reset(self, batch: int) -> None:
        """Forget what was read: a state of zeros for ``batch`` lanes."""
        w_h = self.weights["w_h"]
        shape = (batch, w_h.shape[0])
        self.state = tuple(self.backend.xp.zeros(shape, w_h.dtype) for _ in range(self.states))

    def forward(self, xs: Array, *, w_h: Array | None = None) -> Array:
        """``hs`` [T, B, H] for ``xs`` [T, B, I]; ``w_h`` takes the place of the recurrent weights (DropConnect)."""
        if not self.state or len(self.state[0]) != xs.shape[1]:
            self.reset(xs.shape[1])
        self._xs = xs
        self._w_h = self.weights["w_h"] if w_h is None else w_h
        # [T + 1, B, H]: the state before the block comes first, so that h_prev is a slice.
        self._hs = self.backend.xp.empty((len(xs) + 1, *self.state[0].shape), xs.dtype)
        self._hs[0] = self.state[0]
        self._run(xs)
        return self._hs[1:]

    def backward(self, d_hs: Array) -> tuple[Array, dict[str, Array]]:
        """``d_xs`` [T, B, I] and the gradients of the weights, by name, for ``d_hs`` [T, B, H].

        The gradient of ``w_h`` is that of the weights that took its place, where such were given.
        """
        d_x_sums, d_h_sums = self._run_back(d_hs)
        d_x_flat, d_h_flat = flatten(d_x_sums), flatten(d_h_sums)
        d_xs = (d_x_flat @ self.weights["w_x"].T).reshape(self._xs.shape)
        d_weights = {
            "w_x": flatten(self._xs).T @ d_x_flat,
            "w_h": flatten(self._hs[:-1]).T @ d_h_flat,
            "b": d_x_flat.sum(axis=0),
        }
        if "b_h" in self.weights:
            d_weights["b_h"] = d_h_flat.sum(axis=0)
        return d_xs, d_weights

    @abstractmethod
    def _run(self, xs: Array) -> None:
        """Fill ``_hs`` from its second row on and leave ``state``."""

    @abstractmethod
    def _run_back(self, d_hs: Array) -> tuple[Array, Array]:
        """The gradients [T, B, gates * H] of the sums from ``xs`` and from ``h``; leaves ``d_state``."""


def flatten(xs: Array) -> Array:
    """[T, B, D] as [T * B, D]."""
    return xs.reshape(-1, xs.shape[-1])


def project(xs: Array, W: Array, b: Array) -> Array:
    """``xs · W + b`` [T, B, O] for ``xs`` [T, B, I], ``W`` [I, O] and ``b`` [O]."""
    out = flatten(xs) @ W
    out += b
    return out.reshape(*xs.shape[:-1], W.shape[1])
