"""LSTM: one step of a long short-term memory; TimeLSTM: a block of steps, with the state carried to the next block."""

from __future__ import annotations

from collections.abc import Mapping

from trainer.backend import Array, Backend
from trainer.layers.sigmoid_with_loss import sigmoid
from trainer.layers.time import TimeRecurrent, project


class LSTM:
    """``f, g, i, o = σ, tanh, σ, σ (x · w_x + h_prev · w_h + b); c = f * c_prev + g * i; h = o * tanh(c)``.

    Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000; the book, 6.2 and 6.3, whose order
    of the gates this is.
    """

    def __init__(self, weights: Mapping[str, Array], *, backend: Backend) -> None:
        """``weights``: ``w_x`` [I, 4H], ``w_h`` [H, 4H], ``b`` [4H], kept by reference."""
        self.weights = weights
        self.backend = backend

    def forward(self, x: Array, h_prev: Array, c_prev: Array) -> tuple[Array, Array]:
        """``h`` and ``c`` [B, H] for ``x`` [B, I] and the state before, both [B, H]."""
        w = self.weights
        self._x, self._h_prev, self._c_prev = x, h_prev, c_prev
        self._gates = open_gates(x @ w["w_x"] + h_prev @ w["w_h"] + w["b"], self.backend)
        f, g, i, o = split_gates(self._gates)
        c = f * c_prev + g * i
        self._tanh_c = self.backend.xp.tanh(c)
        return o * self._tanh_c, c

    def backward(self, d_h: Array, d_c: Array) -> tuple[Array, Array, Array, dict[str, Array]]:
        """``d_x``, ``d_h_prev``, ``d_c_prev`` and the gradients of the weights for ``d_h`` and ``d_c`` [B, H]."""
        d_sum, d_c_prev = close_gates(
            d_h=d_h,
            d_c=d_c,
            gates=self._gates,
            c_prev=self._c_prev,
            tanh_c=self._tanh_c,
            backend=self.backend,
        )
        d_weights = {"w_x": self._x.T @ d_sum, "w_h": self._h_prev.T @ d_sum, "b": d_sum.sum(axis=0)}
        return d_sum @ self.weights["w_x"].T, d_sum @ self.weights["w_h"].T, d_c_prev, d_weights


class TimeLSTM(TimeRecurrent):
    """T steps of ``LSTM``; the products with ``w_x`` and the weights' gradients are made once for all steps."""

    gates = 4
    states = 2

    def _run(self, xs: Array) -> None:
        xp = self.backend.xp
        self._gates = project(xs, self.weights["w_x"], self.weights["b"])
        self._cs, self._tanh_cs = xp.empty_like(self._hs), xp.empty_like(self._hs)
        self._cs[0] = self.state[1]
        for t in range(len(xs)):
            self._gates[t] = open_gates(self._gates[t] + self._hs[t] @ self._w_h, self.backend)
            f, g, i, o = split_gates(self._gates[t])
            self._cs[t + 1] = f * self._cs[t] + g * i
            self._tanh_cs[t + 1] = xp.tanh(self._cs[t + 1])
            self._hs[t + 1] = o * self._tanh_cs[t + 1]
        self.state = (self._hs[-1], self._cs[-1])

    def _run_back(self, d_hs: Array) -> tuple[Array, Array]:
        xp = self.backend.xp
        d_sums = xp.empty_like(self._gates)
        d_h, d_c = xp.zeros_like(d_hs[0]), xp.zeros_like(d_hs[0])
        for t in reversed(range(len(d_hs))):
            d_sums[t], d_c = close_gates(
                d_h=d_hs[t] + d_h,
                d_c=d_c,
                gates=self._gates[t],
                c_prev=self._cs[t],
                tanh_c=self._tanh_cs[t + 1],
                backend=self.backend,
            )
            d_h = d_sums[t] @ self._w_h.T
        self.d_state = (d_h, d_c)
        return d_sums, d_sums


def split_gates(gates: Array) -> tuple[Array, Array, Array, Array]:
    """Forget, candidate, input and output [B, H], views of ``gates`` [B, 4H]."""
    H = gates.shape[-1] // 4
    return gates[..., :H], gates[..., H : 2 * H], gates[..., 2 * H : 3 * H], gates[..., 3 * H :]


def open_gates(sums: Array, backend: Backend) -> Array:
    """The gates [B, 4H] for their sums [B, 4H]: tanh for the candidate, sigmoid for the others."""
    H = sums.shape[-1] // 4
    gates = sigmoid(sums, backend)
    gates[..., H : 2 * H] = backend.xp.tanh(sums[..., H : 2 * H])
    return gates


def close_gates(
    *, d_h: Array, d_c: Array, gates: Array, c_prev: Array, tanh_c: Array, backend: Backend
) -> tuple[Array, Array]:
    """The gradients of the gates' sums [B, 4H] and of ``c_prev`` [B, H] for ``d_h`` and ``d_c`` [B, H]."""
    f, g, i, o = split_gates(gates)
    d_c = d_c + d_h * o * (1 - tanh_c * tanh_c)
    d_sum = backend.xp.empty_like(gates)
    d_f, d_g, d_i, d_o = split_gates(d_sum)
    d_f[...] = d_c * c_prev * f * (1 - f)
    d_g[...] = d_c * i * (1 - g * g)
    d_i[...] = d_c * g * i * (1 - i)
    d_o[...] = d_h * tanh_c * o * (1 - o)
    return d_sum, d_c * f
