"""The time loops of RNN, LSTM and GRU on a GPU: a block of T steps is one launch, forward or backward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from trainer.engines.language.gpu_cells_choice import choose_plan
from trainer.engines.language.gpu_cells_device import CellDevice, CupyCellDevice
from trainer.engines.language.gpu_cells_plan import GATES, MEETING_BYTES, CellPlan

Table = Any
"""A float32 array of the device, row-major and contiguous."""


@dataclass(frozen=True)
class PreparedCell:
    """A compiled kernel, and the arrays that its thread blocks share: its last three arguments."""

    plan: CellPlan
    kernel: Any
    room: tuple[Any, Any, Any]


class GpuCells:
    """The interface of ``cells``, on arrays of a device that the caller has made.

    Arrays are time-major; weights are plain matrices, as ``trainer.layers`` has them: nothing is packed or transposed.
    All calls only launch on CuPy's current stream: they neither allocate nor wait, and may be captured in a CUDA graph.
    For that they must have been prepared before: the first call for a size and number of lanes, or ``prepare``,
    compiles the kernel and allocates what its thread blocks pass to each other.

    The kernels need the whole device, since their thread blocks wait for each other: never run two at once on different
    streams. A kernel of another stream only delays them.
    """

    def __init__(self, device: CellDevice | None = None, *, precision: str = "float32") -> None:
        """``device``: None for the current CUDA device. ``precision``: see ``choose_plan``; sums are in float32.

        Raises InputError where there is no device.
        """
        self.device = device or CupyCellDevice()
        self.precision = precision if self.device.has_tensor_cores else "float32"
        self._prepared: dict[tuple[str, bool, int, int], PreparedCell] = {}

    def prepare(self, cell: str, *, size: int, lanes: int, backward: bool = True) -> None:
        """Compile ``cell`` ("rnn", "lstm" or "gru") for states [``lanes``, ``size``], and allocate.

        ``backward``: for training, not only for reading. Raises InputError where a kernel cannot be compiled or does not
        fit on the device.
        """
        for direction in (False, True)[: 1 + backward]:
            self._find(cell, direction, size, lanes)

    def adopt(self, plan: CellPlan) -> PreparedCell:
        """Compile ``plan`` and allocate for it; its cell, direction, size and lanes are computed by it from now on."""
        kernel = self.device.compile(plan)
        shapes = (plan.exchange_shape, plan.packed_shape, (plan.lane_groups, MEETING_BYTES // 4))
        exchange, packed, meetings = (self.device.zeros(shape) for shape in shapes)
        found = PreparedCell(plan, kernel, (exchange, packed, meetings))
        self._prepared[plan.cell, plan.backward, plan.size, plan.lanes] = found
        return found

    def rnn_forward(self, hs: Table, sums: Table, w_h: Table) -> None:
        """``hs[t + 1] = tanh(sums[t] + hs[t] · w_h)``; ``hs`` [T + 1, B, H], ``sums`` [T, B, H], ``w_h`` [H, H].

        ``sums`` come as x · w_x + b and stay as they are. Fills ``hs[1:]``.
        """
        state, steps = _size(sums)
        _check(state, (hs, steps + 1, 1), (sums, steps, 1))
        self._launch("rnn", False, state, steps, w_h, [hs, sums, w_h])

    def rnn_backward(self, d_hs: Table, hs: Table, w_h: Table, d_sums: Table, d_h: Table) -> None:
        """``d_sums`` [T, B, H] for ``d_hs`` [T, B, H]; ``d_h`` [B, H] is left with the gradient of the state before.

        What ``d_sums`` and ``d_h`` held does not matter.
        """
        state, steps = _size(d_hs)
        _check(state, (hs, steps + 1, 1), (d_hs, steps, 1), (d_sums, steps, 1), (d_h, 0, 1))
        self._launch("rnn", True, state, steps, w_h, [d_hs, hs, w_h, d_sums, d_h])

    def lstm_forward(self, hs: Table, cs: Table, tanh_cs: Table, gates: Table, w_h: Table) -> None:
        """``gates`` [T, B, 4H] come as x · w_x + b and become forget, candidate, input and output.

        Fills ``hs[1:]`` and ``cs[1:]``, both [T + 1, B, H], and ``tanh_cs`` [T, B, H]; ``w_h`` [H, 4H].
        """
        state, steps = _size(tanh_cs)
        _check(state, (hs, steps + 1, 1), (cs, steps + 1, 1), (tanh_cs, steps, 1), (gates, steps, 4))
        self._launch("lstm", False, state, steps, w_h, [hs, cs, tanh_cs, gates, w_h])

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
        state, steps = _size(d_hs)
        _check(state, (cs, steps + 1, 1), (tanh_cs, steps, 1), (gates, steps, 4), (d_sums, steps, 4))
        _check(state, (d_hs, steps, 1), (d_h, 0, 1), (d_c, 0, 1))
        self._launch("lstm", True, state, steps, w_h, [d_hs, cs, tanh_cs, gates, w_h, d_sums, d_h, d_c])

    def gru_forward(self, hs: Table, gates: Table, h_sums: Table, w_h: Table, b_h: Table) -> None:
        """``gates`` [T, B, 3H] come as x · w_x + b and become reset, update and candidate; fills ``h_sums`` [T, B, 3H].

        Fills ``hs[1:]`` [T + 1, B, H]; ``h_sums`` are those of h, with ``b_h`` [3H]; ``w_h`` [H, 3H].
        """
        state, steps = hs.shape[1:], len(gates)
        _check(state, (hs, steps + 1, 1), (gates, steps, 3), (h_sums, steps, 3))
        self._launch("gru", False, state, steps, w_h, [hs, gates, h_sums, w_h, b_h])

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
        state, steps = _size(d_hs)
        _check(state, (hs, steps + 1, 1), (gates, steps, 3), (h_sums, steps, 3), (d_hs, steps, 1))
        _check(state, (d_x_sums, steps, 3), (d_h_sums, steps, 3), (d_h, 0, 1))
        arguments = [d_hs, hs, gates, h_sums, w_h, d_x_sums, d_h_sums, d_h]
        self._launch("gru", True, state, steps, w_h, arguments)

    def _launch(
        self,
        cell: str,
        backward: bool,
        state: tuple[int, ...],
        steps: int,
        w_h: Table,
        arguments: list[Table],
    ) -> None:
        lanes, size = state
        if w_h.shape != (size, GATES[cell] * size) or not w_h.flags.c_contiguous:
            raise ValueError(f"w_h is {w_h.shape}, not contiguous ({size}, {GATES[cell] * size})")
        found = self._find(cell, backward, size, lanes)
        numbers = [np.int32(steps), np.int32(lanes)]
        self.device.launch(found.kernel, found.plan, [*arguments, *numbers, *found.room])

    def _find(self, cell: str, backward: bool, size: int, lanes: int) -> PreparedCell:
        found = self._prepared.get((cell, backward, size, lanes))
        if found is None:
            plan = choose_plan(
                cell,
                backward=backward,
                size=size,
                lanes=lanes,
                limits=self.device.limits,
                precision=self.precision,
            )
            found = self.adopt(plan)
        return found


def _size(states: Table) -> tuple[tuple[int, ...], int]:
    """[B, H] and T of an array [T, B, H]."""
    return states.shape[1:], len(states)


def _check(state: tuple[int, ...], *arrays: tuple[Table, int, int]) -> None:
    """Raises ValueError where an array is not [steps, B, blocks * H], [B, H] for 0 steps: a kernel would write elsewhere."""
    lanes, size = state
    for array, steps, blocks in arrays:
        shape = (steps, lanes, blocks * size) if steps else (lanes, size)
        if array.shape != shape or array.dtype != np.float32 or not array.flags.c_contiguous:
            raise ValueError(f"an array is {array.dtype} {array.shape}, not contiguous float32 {shape}")
