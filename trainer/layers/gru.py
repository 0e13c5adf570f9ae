"""GRU: one step of a gated recurrent unit; TimeGRU: a block of steps, with the state carried to the next block."""

from __future__ import annotations

from collections.abc import Mapping

from trainer.backend import Array, Backend
from trainer.layers.sigmoid_with_loss import sigmoid
from trainer.layers.time import TimeRecurrent, project


class GRU:
    """``r, z = σ(u + v)``, ``n = tanh(u + r * v)``, ``h = (1 - z) * n + z * h_prev``.

    Here ``u = x · w_x + b`` and ``v = h_prev · w_h + b_h``, each gate with its own third of them. Cho et al. 2014
    (arXiv 1406.1078) in the form of cuDNN and PyTorch, whose reset gate stands outside the product, so that the three
    products are one; the book (appendix C) has it inside.
    """

    def __init__(self, weights: Mapping[str, Array], *, backend: Backend) -> None:
        """``weights``: ``w_x`` [I, 3H], ``w_h`` [H, 3H], ``b`` and ``b_h`` [3H] in the order r, z, n, by reference."""
        self.weights = weights
        self.backend = backend

    def forward(self, x: Array, h_prev: Array) -> Array:
        """``h`` [B, H] for ``x`` [B, I] and ``h_prev`` [B, H]."""
        w = self.weights
        self._x, self._h_prev = x, h_prev
        self._h_sums = h_prev @ w["w_h"] + w["b_h"]
        self._gates = open_gates(x @ w["w_x"] + w["b"], self._h_sums, self.backend)
        return mix(self._gates, h_prev)

    def backward(self, d_h: Array) -> tuple[Array, Array, dict[str, Array]]:
        """``d_x`` [B, I], ``d_h_prev`` [B, H] and the gradients of the weights for ``d_h`` [B, H]."""
        d_x_sums, d_h_sums, d_h_prev = close_gates(
            d_h=d_h, gates=self._gates, h_sums=self._h_sums, h_prev=self._h_prev, backend=self.backend
        )
        d_weights = {
            "w_x": self._x.T @ d_x_sums,
            "w_h": self._h_prev.T @ d_h_sums,
            "b": d_x_sums.sum(axis=0),
            "b_h": d_h_sums.sum(axis=0),
        }
        d_h_prev += d_h_sums @ self.weights["w_h"].T
        return d_x_sums @ self.weights["w_x"].T, d_h_prev, d_weights


class TimeGRU(TimeRecurrent):
    """T steps of ``GRU``; the products with ``w_x`` and the weights' gradients are made once for all steps."""

    gates = 3
    states = 1

    def _run(self, xs: Array) -> None:
        self._gates = project(xs, self.weights["w_x"], self.weights["b"])
        self._h_sums = self.backend.xp.empty_like(self._gates)
        for t in range(len(xs)):
            self._h_sums[t] = self._hs[t] @ self._w_h + self.weights["b_h"]
            self._gates[t] = open_gates(self._gates[t], self._h_sums[t], self.backend)
            self._hs[t + 1] = mix(self._gates[t], self._hs[t])
        self.state = (self._hs[-1],)

    def _run_back(self, d_hs: Array) -> tuple[Array, Array]:
        xp = self.backend.xp
        d_x_sums, d_h_sums = xp.empty_like(self._gates), xp.empty_like(self._gates)
        d_h = xp.zeros_like(d_hs[0])
        for t in reversed(range(len(d_hs))):
            d_x_sums[t], d_h_sums[t], d_h = close_gates(
                d_h=d_hs[t] + d_h,
                gates=self._gates[t],
                h_sums=self._h_sums[t],
                h_prev=self._hs[t],
                backend=self.backend,
            )
            d_h += d_h_sums[t] @ self._w_h.T
        self.d_state = (d_h,)
        return d_x_sums, d_h_sums


def open_gates(x_sums: Array, h_sums: Array, backend: Backend) -> Array:
    """Reset, update and candidate [B, 3H] for what comes from x and what comes from h, both [B, 3H]."""
    H = x_sums.shape[-1] // 3
    gates = backend.xp.empty_like(x_sums)
    gates[:, : 2 * H] = sigmoid(x_sums[:, : 2 * H] + h_sums[:, : 2 * H], backend)
    gates[:, 2 * H :] = backend.xp.tanh(x_sums[:, 2 * H :] + gates[:, :H] * h_sums[:, 2 * H :])
    return gates


def mix(gates: Array, h_prev: Array) -> Array:
    """``(1 - z) * n + z * h_prev`` [B, H]."""
    H = h_prev.shape[-1]
    z, n = gates[:, H : 2 * H], gates[:, 2 * H :]
    return n + z * (h_prev - n)


def close_gates(
    *, d_h: Array, gates: Array, h_sums: Array, h_prev: Array, backend: Backend
) -> tuple[Array, Array, Array]:
    """The gradients of the sums from x and from h [B, 3H], and of ``h_prev`` [B, H] past the gates, for ``d_h``."""
    H = h_prev.shape[-1]
    r, z, n = gates[:, :H], gates[:, H : 2 * H], gates[:, 2 * H :]
    d_x_sums = backend.xp.empty_like(gates)
    d_n = d_h * (1 - z) * (1 - n * n)
    d_x_sums[:, :H] = d_n * h_sums[:, 2 * H :] * r * (1 - r)
    d_x_sums[:, H : 2 * H] = d_h * (h_prev - n) * z * (1 - z)
    d_x_sums[:, 2 * H :] = d_n
    d_h_sums = d_x_sums.copy()
    d_h_sums[:, 2 * H :] *= r
    return d_x_sums, d_h_sums, d_h * z
