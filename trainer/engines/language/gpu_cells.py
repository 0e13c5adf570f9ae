"""The time loops of RNN, LSTM and GRU on a GPU: a block of T steps is one launch, forward or backward."""

from __future__ import annotations

from typing import Any

Table = Any
"""A float32 array of the device, row-major and contiguous."""


class GpuCells:
    """The interface of ``cells``, on arrays of a device that the caller has made.

    Arrays are time-major; weights are plain matrices, as ``trainer.layers`` has them: nothing is packed or transposed.
    All calls only launch on CuPy's current stream: they neither allocate nor wait, and may be captured in a CUDA graph.
    For that they must have been prepared before: the first call for a size and number of lanes, or ``prepare``,
    compiles the kernel and allocates what its thread blocks pass to each other.

    The kernels need the whole device, since their thread blocks wait for each other: never run two at once on different
    streams. A kernel of another stream only delays them.
    """

    def prepare(self, cell: str, *, size: int, lanes: int, backward: bool = True) -> None:
        """Compile ``cell`` ("rnn", "lstm" or "gru") for states [``lanes``, ``size``], and allocate.

        Raises InputError where the compiler fails or the device has too little memory.
        """
        raise NotImplementedError

    def rnn_forward(self, hs: Table, sums: Table, w_h: Table) -> None:
        """``hs[t + 1] = tanh(sums[t] + hs[t] · w_h)``; ``hs`` [T + 1, B, H], ``sums`` [T, B, H], ``w_h`` [H, H].

        ``sums`` come as x · w_x + b and stay as they are. Fills ``hs[1:]``.
        """
        raise NotImplementedError

    def rnn_backward(self, d_hs: Table, hs: Table, w_h: Table, d_sums: Table, d_h: Table) -> None:
        """``d_sums`` [T, B, H] for ``d_hs`` [T, B, H]; ``d_h`` [B, H] is left with the gradient of the state before.

        What ``d_sums`` and ``d_h`` held does not matter.
        """
        raise NotImplementedError

    def lstm_forward(self, hs: Table, cs: Table, tanh_cs: Table, gates: Table, w_h: Table) -> None:
        """``gates`` [T, B, 4H] come as x · w_x + b and become forget, candidate, input and output.

        Fills ``hs[1:]`` and ``cs[1:]``, both [T + 1, B, H], and ``tanh_cs`` [T, B, H]; ``w_h`` [H, 4H].
        """
        raise NotImplementedError

    def lstm_backward(
        self,
        d_hs: Table,
        cs: Table,
        tanh_cs: Table,
        gates: Table,
        w_h: Table,
        d_sums: Table,
        d_h: Table,
        d_c: Table,
    ) -> None:
        """``d_sums`` [T, B, 4H] for ``d_hs`` [T, B, H]; ``d_h`` and ``d_c`` [B, H] are left with those of the state before.

        ``d_sums`` may be ``gates``. What ``d_sums``, ``d_h`` and ``d_c`` held does not matter.
        """
        raise NotImplementedError

    def gru_forward(self, hs: Table, gates: Table, h_sums: Table, w_h: Table, b_h: Table) -> None:
        """``gates`` [T, B, 3H] come as x · w_x + b and become reset, update and candidate; fills ``h_sums`` [T, B, 3H].

        Fills ``hs[1:]`` [T + 1, B, H]; ``h_sums`` are those of h, with ``b_h`` [3H]; ``w_h`` [H, 3H].
        """
        raise NotImplementedError

    def gru_backward(
        self,
        d_hs: Table,
        hs: Table,
        gates: Table,
        h_sums: Table,
        w_h: Table,
        d_x_sums: Table,
        d_h_sums: Table,
        d_h: Table,
    ) -> None:
        """``d_x_sums`` and ``d_h_sums`` [T, B, 3H]; ``d_h`` [B, H] is left with the gradient of the state before.

        What the last three held does not matter.
        """
        raise NotImplementedError
