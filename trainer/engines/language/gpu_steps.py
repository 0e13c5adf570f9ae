"""The time loops of recurrent layers step by step: a product, and a kernel for everything else. For what ``GpuCells`` has no room for."""

from __future__ import annotations

import numpy as np

from trainer.backend import Array
from trainer.engines.language.gpu_device import LanguageDevice, count_blocks

_NOTHING = np.uint64(0)  # a null pointer


class StepCells:
    """What ``cells`` computes, on arrays of a device: ``hs`` and ``cs`` are [T + 1, B, H], weights as ``trainer.layers`` has them."""

    def __init__(self, device: LanguageDevice) -> None:
        self._device = device

    def rnn_forward(self, hs: Array, sums: Array, w_h: Array) -> None:
        """``hs[t + 1] = tanh(sums[t] + hs[t] · w_h)``; ``sums`` [T, B, H] is used up."""
        for t in range(len(sums)):
            self._device.multiply(hs[t], w_h, sums[t], add=True)
            self._launch("rnn_step", hs[0], sums[t], hs[t + 1])

    def rnn_backward(self, d_hs: Array, hs: Array, w_h: Array, d_sums: Array, d_h: Array) -> None:
        """``d_sums`` [T, B, H] for ``d_hs`` [T, B, H]; ``d_h`` [B, H] is left with the gradient of the state before."""
        for t in reversed(range(len(d_hs))):
            after = d_h if t + 1 < len(d_hs) else _NOTHING
            self._launch("rnn_step_back", d_h, d_hs[t], after, hs[t + 1], d_sums[t])
            self._device.multiply(d_sums[t], w_h.T, d_h)

    def lstm_forward(self, hs: Array, cs: Array, tanh_cs: Array, gates: Array, w_h: Array) -> None:
        """``gates`` [T, B, 4H] come as sums of x and become forget, candidate, input and output; fills the other arrays."""
        for t in range(len(gates)):
            self._device.multiply(hs[t], w_h, gates[t], add=True)
            self._launch("lstm_step", hs[0], gates[t], cs[t], cs[t + 1], tanh_cs[t], hs[t + 1], wide=True)

    def lstm_backward(
        self,
        d_hs: Array,
        cs: Array,
        tanh_cs: Array,
        gates: Array,
        w_h: Array,
        d_sums: Array,
        d_h: Array,
        d_c: Array,
    ) -> None:
        """``d_sums`` [T, B, 4H] for ``d_hs`` [T, B, H]; ``d_h`` and ``d_c`` [B, H] are left with those of the state before."""
        for t in reversed(range(len(d_hs))):
            after = d_h if t + 1 < len(d_hs) else _NOTHING
            given = (d_hs[t], after, gates[t], cs[t], tanh_cs[t], d_sums[t], d_c)
            self._launch("lstm_step_back", d_h, *given, wide=True)
            self._device.multiply(d_sums[t], w_h.T, d_h)

    def gru_forward(self, hs: Array, gates: Array, h_sums: Array, w_h: Array, b_h: Array) -> None:
        """``gates`` [T, B, 3H] come as sums of x and become reset, update, candidate; ``h_sums`` [T, B, 3H] are those of h."""
        spread(self._device, b_h, h_sums)
        for t in range(len(gates)):
            self._device.multiply(hs[t], w_h, h_sums[t], add=True)
            self._launch("gru_step", hs[0], gates[t], h_sums[t], hs[t], hs[t + 1], wide=True)

    def gru_backward(
        self,
        d_hs: Array,
        hs: Array,
        gates: Array,
        h_sums: Array,
        w_h: Array,
        d_x_sums: Array,
        d_h_sums: Array,
        d_h: Array,
    ) -> None:
        """``d_x_sums`` and ``d_h_sums`` [T, B, 3H]; ``d_h`` [B, H] is left with the gradient of the state before."""
        for t in reversed(range(len(d_hs))):
            after = d_h if t + 1 < len(d_hs) else _NOTHING
            given = (d_hs[t], after, gates[t], h_sums[t], hs[t], d_x_sums[t], d_h_sums[t], d_h)
            self._launch("gru_step_back", d_h, *given, wide=True)
            self._device.multiply(d_h_sums[t], w_h.T, d_h, add=True)

    def _launch(self, kernel: str, like: Array, *arguments: Array, wide: bool = False) -> None:
        """One thread for each value of ``like`` [B, H]."""
        sizes = (np.uint32(like.size), np.uint32(like.shape[1]))[: 1 + wide]
        self._device.launch(kernel, count_blocks(self._device, like.size), (*arguments, *sizes))


def spread(device: LanguageDevice, bias: Array, out: Array) -> None:
    """Every row of ``out`` [..., N] becomes ``bias`` [N]."""
    sizes = (np.uint32(out.size), np.uint32(bias.size))
    device.launch("spread_bias", count_blocks(device, out.size), (bias, out, *sizes))
