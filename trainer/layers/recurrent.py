"""RNN: one step of a plain recurrent network; TimeRNN: a block of steps, with the state carried to the next block."""

from __future__ import annotations

from collections.abc import Mapping

from trainer.backend import Array, Backend
from trainer.layers.time import TimeRecurrent, project


class RNN:
    """``h = tanh(x · w_x + h_prev · w_h + b)`` (Elman 1990; the book, 5.3.1)."""

    def __init__(self, weights: Mapping[str, Array], *, backend: Backend) -> None:
        """``weights``: ``w_x`` [I, H], ``w_h`` [H, H], ``b`` [H], kept by reference."""
        self.weights = weights
        self.backend = backend

    def forward(self, x: Array, h_prev: Array) -> Array:
        """``h`` [B, H] for ``x`` [B, I] and ``h_prev`` [B, H]."""
        w = self.weights
        self._x, self._h_prev = x, h_prev
        self._h = self.backend.xp.tanh(x @ w["w_x"] + h_prev @ w["w_h"] + w["b"])
        return self._h

    def backward(self, d_h: Array) -> tuple[Array, Array, dict[str, Array]]:
        """``d_x`` [B, I], ``d_h_prev`` [B, H] and the gradients of the weights for ``d_h`` [B, H]."""
        d_sum = d_h * (1 - self._h * self._h)
        d_weights = {"w_x": self._x.T @ d_sum, "w_h": self._h_prev.T @ d_sum, "b": d_sum.sum(axis=0)}
        return d_sum @ self.weights["w_x"].T, d_sum @ self.weights["w_h"].T, d_weights


class TimeRNN(TimeRecurrent):
    """T steps of ``RNN``; the products with ``w_x`` and the weights' gradients are made once for all steps."""

    gates = 1
    states = 1

    def _run(self, xs: Array) -> None:
        sums = project(xs, self.weights["w_x"], self.weights["b"])
        for t in range(len(xs)):
            self._hs[t + 1] = self.backend.xp.tanh(sums[t] + self._hs[t] @ self._w_h)
        self.state = (self._hs[-1],)

    def _run_back(self, d_hs: Array) -> tuple[Array, Array]:
        xp = self.backend.xp
        d_sums = xp.empty_like(d_hs)
        d_h = xp.zeros_like(d_hs[0])
        for t in reversed(range(len(d_hs))):
            h = self._hs[t + 1]
            d_sums[t] = (d_hs[t] + d_h) * (1 - h * h)
            d_h = d_sums[t] @ self._w_h.T
        self.d_state = (d_h,)
        return d_sums, d_sums
