"""The time loops of RNN, LSTM and GRU, forward and backward: products by panels, everything between them fused.

Arrays are time-major. ``hs`` [T + 1, B, H] begins with the state before the block, and so does an LSTM's ``cs``.
``w_x``, ``w_h`` are the packed weights, ``w_h_turned`` the packed transpose. What the plain layers of
``trainer.layers`` compute, to rounding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainer.engines.language.compiled import compiled
from trainer.engines.language.functions import sigmoid, tanh
from trainer.engines.language.panels import multiply_add

_ONE = np.float32(1)


@compiled
def project(
    xs: NDArray[np.float32], w: NDArray[np.float32], b: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    """``out[t] = xs[t] · w + b``: ``xs`` [T, B, I], ``w`` packed, ``out`` [T, B, N]."""
    steps, lanes, columns = out.shape
    flat = out.reshape(steps * lanes, columns)
    for i in range(len(flat)):
        for j in range(columns):
            flat[i, j] = b[j]
    multiply_add(xs.reshape(steps * lanes, xs.shape[2]), w, flat)


@compiled
def rnn_forward(hs: NDArray[np.float32], sums: NDArray[np.float32], w_h: NDArray[np.float32]) -> None:
    """``hs[t + 1] = tanh(sums[t] + hs[t] · w_h)``; ``sums`` [T, B, H] is used up."""
    steps, lanes, size = sums.shape
    for t in range(steps):
        multiply_add(hs[t], w_h, sums[t])
        for i in range(lanes):
            here, there = sums[t, i], hs[t + 1, i]
            for j in range(size):
                there[j] = tanh(here[j])


@compiled
def rnn_backward(
    d_hs: NDArray[np.float32],
    hs: NDArray[np.float32],
    w_h_turned: NDArray[np.float32],
    d_sums: NDArray[np.float32],
    d_h: NDArray[np.float32],
) -> None:
    """``d_sums`` [T, B, H] for ``d_hs`` [T, B, H]; ``d_h`` [B, H] is left with the gradient of the state before."""
    steps, lanes, size = d_hs.shape
    d_h.fill(0)
    for t in range(steps - 1, -1, -1):
        for i in range(lanes):
            h, above, after, d = hs[t + 1, i], d_hs[t, i], d_h[i], d_sums[t, i]
            for j in range(size):
                d[j] = (above[j] + after[j]) * (_ONE - h[j] * h[j])
        multiply_add(d_sums[t], w_h_turned, d_h, 0)


@compiled
def lstm_forward(
    hs: NDArray[np.float32],
    cs: NDArray[np.float32],
    tanh_cs: NDArray[np.float32],
    gates: NDArray[np.float32],
    w_h: NDArray[np.float32],
) -> None:
    """``gates`` [T, B, 4H] come as sums of x and become forget, candidate, input and output; fills the other arrays."""
    steps, lanes, _ = gates.shape
    size = hs.shape[2]
    for t in range(steps):
        multiply_add(hs[t], w_h, gates[t])
        for i in range(lanes):
            f, g = gates[t, i, :size], gates[t, i, size : 2 * size]
            n, o = gates[t, i, 2 * size : 3 * size], gates[t, i, 3 * size :]
            before, c, tanh_c, h = cs[t, i], cs[t + 1, i], tanh_cs[t, i], hs[t + 1, i]
            for j in range(size):
                f[j] = sigmoid(f[j])
                g[j] = tanh(g[j])
                n[j] = sigmoid(n[j])
                o[j] = sigmoid(o[j])
            for j in range(size):
                c[j] = f[j] * before[j] + g[j] * n[j]
                tanh_c[j] = tanh(c[j])
                h[j] = o[j] * tanh_c[j]


@compiled
def lstm_backward(
    d_hs: NDArray[np.float32],
    cs: NDArray[np.float32],
    tanh_cs: NDArray[np.float32],
    gates: NDArray[np.float32],
    w_h_turned: NDArray[np.float32],
    d_sums: NDArray[np.float32],
    d_h: NDArray[np.float32],
    d_c: NDArray[np.float32],
) -> None:
    """``d_sums`` [T, B, 4H] for ``d_hs`` [T, B, H]; ``d_h`` and ``d_c`` [B, H] are left with those of the state before."""
    steps, lanes, size = d_hs.shape
    d_h.fill(0)
    d_c.fill(0)
    for t in range(steps - 1, -1, -1):
        for i in range(lanes):
            f, g = gates[t, i, :size], gates[t, i, size : 2 * size]
            n, o = gates[t, i, 2 * size : 3 * size], gates[t, i, 3 * size :]
            d_f, d_g = d_sums[t, i, :size], d_sums[t, i, size : 2 * size]
            d_n, d_o = d_sums[t, i, 2 * size : 3 * size], d_sums[t, i, 3 * size :]
            before, tanh_c, above, after_h, after_c = cs[t, i], tanh_cs[t, i], d_hs[t, i], d_h[i], d_c[i]
            for j in range(size):
                d = above[j] + after_h[j]
                e = after_c[j] + d * o[j] * (_ONE - tanh_c[j] * tanh_c[j])
                d_f[j] = e * before[j] * f[j] * (_ONE - f[j])
                d_g[j] = e * n[j] * (_ONE - g[j] * g[j])
                d_n[j] = e * g[j] * n[j] * (_ONE - n[j])
                d_o[j] = d * tanh_c[j] * o[j] * (_ONE - o[j])
                after_c[j] = e * f[j]
        multiply_add(d_sums[t], w_h_turned, d_h, 0)


@compiled
def gru_forward(
    hs: NDArray[np.float32],
    gates: NDArray[np.float32],
    h_sums: NDArray[np.float32],
    w_h: NDArray[np.float32],
    b_h: NDArray[np.float32],
) -> None:
    """``gates`` [T, B, 3H] come as sums of x and become reset, update, candidate; ``h_sums`` [T, B, 3H] are those of h."""
    steps, lanes, width = gates.shape
    size = hs.shape[2]
    for t in range(steps):
        for i in range(lanes):
            for j in range(width):
                h_sums[t, i, j] = b_h[j]
        multiply_add(hs[t], w_h, h_sums[t])
        for i in range(lanes):
            r, z, n = gates[t, i, :size], gates[t, i, size : 2 * size], gates[t, i, 2 * size :]
            r_h, z_h, n_h = h_sums[t, i, :size], h_sums[t, i, size : 2 * size], h_sums[t, i, 2 * size :]
            before, h = hs[t, i], hs[t + 1, i]
            for j in range(size):
                r[j] = sigmoid(r[j] + r_h[j])
                z[j] = sigmoid(z[j] + z_h[j])
            for j in range(size):
                n[j] = tanh(n[j] + r[j] * n_h[j])
                h[j] = n[j] + z[j] * (before[j] - n[j])


@compiled
def gru_backward(
    d_hs: NDArray[np.float32],
    hs: NDArray[np.float32],
    gates: NDArray[np.float32],
    h_sums: NDArray[np.float32],
    w_h_turned: NDArray[np.float32],
    d_x_sums: NDArray[np.float32],
    d_h_sums: NDArray[np.float32],
    d_h: NDArray[np.float32],
) -> None:
    """``d_x_sums`` and ``d_h_sums`` [T, B, 3H]; ``d_h`` [B, H] is left with the gradient of the state before."""
    steps, lanes, size = d_hs.shape
    d_h.fill(0)
    for t in range(steps - 1, -1, -1):
        for i in range(lanes):
            r, z, n = gates[t, i, :size], gates[t, i, size : 2 * size], gates[t, i, 2 * size :]
            n_h, before, above, after = h_sums[t, i, 2 * size :], hs[t, i], d_hs[t, i], d_h[i]
            x_r, x_z, x_n = d_x_sums[t, i, :size], d_x_sums[t, i, size : 2 * size], d_x_sums[t, i, 2 * size :]
            h_r, h_z, h_n = d_h_sums[t, i, :size], d_h_sums[t, i, size : 2 * size], d_h_sums[t, i, 2 * size :]
            for j in range(size):
                d = above[j] + after[j]
                d_n = d * (_ONE - z[j]) * (_ONE - n[j] * n[j])
                d_r = d_n * n_h[j] * r[j] * (_ONE - r[j])
                d_z = d * (before[j] - n[j]) * z[j] * (_ONE - z[j])
                x_r[j] = d_r
                x_z[j] = d_z
                x_n[j] = d_n
                h_r[j] = d_r
                h_z[j] = d_z
                h_n[j] = d_n * r[j]
                after[j] = d * z[j]
        multiply_add(d_h_sums[t], w_h_turned, d_h)


@compiled
def project_back(
    d_sums: NDArray[np.float32], w_turned: NDArray[np.float32], d_xs: NDArray[np.float32]
) -> None:
    """``d_xs[t] = d_sums[t] · w.T``: ``d_sums`` [T, B, N], ``w_turned`` the packed transpose of w, ``d_xs`` [T, B, I]."""
    steps, lanes, inputs = d_xs.shape
    flat = d_sums.reshape(steps * lanes, d_sums.shape[2])
    multiply_add(flat, w_turned, d_xs.reshape(steps * lanes, inputs), 0)
