"""The recurrent layers of a language model on a GPU: the products around the time loops, and the state."""

from __future__ import annotations

from collections.abc import Mapping

from trainer.backend import Array, Backend
from trainer.engines.language.gpu_device import Cells, LanguageDevice
from trainer.engines.language.gpu_layers import sum_columns
from trainer.engines.language.gpu_steps import spread
from trainer.layers.time import TimeRecurrent, flatten


class GpuRecurrent(TimeRecurrent):
    """What the three recurrent layers share: the products with ``w_x``, and the gradients of the weights.

    The state lies in arrays that stay the same, and are written to, until the number of lanes changes.
    """

    cell: str

    def __init__(
        self,
        weights: Mapping[str, Array],
        *,
        backend: Backend,
        device: LanguageDevice,
        gradients: Mapping[str, Array],
    ) -> None:
        self._state: tuple[Array, ...] = ()
        self._device, self._gradients = device, gradients
        self._cells: dict[bool, Cells] = {}
        super().__init__(weights, backend=backend)

    @property
    def state(self) -> tuple[Array, ...]:
        return self._state

    @state.setter
    def state(self, values: tuple[Array, ...]) -> None:
        if values:
            self._make_state(len(values[0]))
        for array, value in zip(self._state, values, strict=True):
            array[...] = value

    def reset(self, batch: int) -> None:
        self._make_state(batch)
        for array in self._state:
            self._device.clear(array)

    def forward(self, xs: Array, *, w_h: Array | None = None) -> Array:
        device, lanes = self._device, xs.shape[1]
        if not self._state or len(self._state[0]) != lanes:
            self.reset(lanes)
        self._xs = xs
        self._w_h = self.weights["w_h"] if w_h is None else w_h
        hs = self._hs = device.empty((len(xs) + 1, *self._state[0].shape))
        device.copy(self._state[0], hs[0])
        self._run(xs)
        device.copy(hs[-1], self._state[0])
        return hs[1:]

    def backward(self, d_hs: Array) -> tuple[Array, dict[str, Array]]:
        device, found = self._device, self._gradients
        d_x_sums, d_h_sums = self._run_back(d_hs)
        d_x_flat, d_h_flat = flatten(d_x_sums), flatten(d_h_sums)
        d_xs = device.empty(self._xs.shape)
        device.multiply(d_x_flat, self.weights["w_x"].T, flatten(d_xs))
        device.multiply(flatten(self._xs).T, d_x_flat, found["w_x"])
        device.multiply(flatten(self._hs[:-1]).T, d_h_flat, found["w_h"])
        sum_columns(device, d_x_flat, found["b"])
        if "b_h" in found:
            sum_columns(device, d_h_flat, found["b_h"])
        return d_xs, dict(found)

    def _make_state(self, lanes: int) -> None:
        shape = (lanes, len(self.weights["w_h"]))
        if not self._state or self._state[0].shape != shape:
            self._state = tuple(self._device.zeros(shape) for _ in range(self.states))
            self._cells.clear()

    def _project(self, xs: Array) -> Array:
        sums = self._device.empty((*xs.shape[:2], self.weights["b"].size))
        spread(self._device, self.weights["b"], sums)
        self._device.multiply(flatten(xs), self.weights["w_x"], flatten(sums), add=True)
        return sums

    def _loops(self, *, backward: bool = False) -> Cells:
        if backward not in self._cells:
            lanes, size = self._state[0].shape
            self._cells[backward] = self._device.cells(self.cell, size=size, lanes=lanes, backward=backward)
        return self._cells[backward]


class GpuRNN(GpuRecurrent):
    """``TimeRNN``."""

    cell, gates, states = "rnn", 1, 1

    def _run(self, xs: Array) -> None:
        self._loops().rnn_forward(self._hs, self._project(xs), self._w_h)

    def _run_back(self, d_hs: Array) -> tuple[Array, Array]:
        d_sums, d_h = self._device.empty(d_hs.shape), self._device.empty(d_hs.shape[1:])
        self._loops(backward=True).rnn_backward(d_hs, self._hs, self._w_h, d_sums, d_h)
        self.d_state = (d_h,)
        return d_sums, d_sums


class GpuLSTM(GpuRecurrent):
    """``TimeLSTM``."""

    cell, gates, states = "lstm", 4, 2

    def _run(self, xs: Array) -> None:
        device = self._device
        self._gates = self._project(xs)
        self._cs = device.empty(self._hs.shape)
        self._tanh_cs = device.empty((len(xs), *self._hs.shape[1:]))
        device.copy(self._state[1], self._cs[0])
        self._loops().lstm_forward(self._hs, self._cs, self._tanh_cs, self._gates, self._w_h)
        device.copy(self._cs[-1], self._state[1])

    def _run_back(self, d_hs: Array) -> tuple[Array, Array]:
        d_sums = self._device.empty(self._gates.shape)
        d_h, d_c = (self._device.empty(d_hs.shape[1:]) for _ in range(2))
        given = (d_hs, self._cs, self._tanh_cs, self._gates, self._w_h)
        self._loops(backward=True).lstm_backward(*given, d_sums, d_h, d_c)
        self.d_state = (d_h, d_c)
        return d_sums, d_sums


class GpuGRU(GpuRecurrent):
    """``TimeGRU``."""

    cell, gates, states = "gru", 3, 1

    def _run(self, xs: Array) -> None:
        self._gates = self._project(xs)
        self._h_sums = self._device.empty(self._gates.shape)
        self._loops().gru_forward(self._hs, self._gates, self._h_sums, self._w_h, self.weights["b_h"])

    def _run_back(self, d_hs: Array) -> tuple[Array, Array]:
        d_x_sums, d_h_sums = (self._device.empty(self._gates.shape) for _ in range(2))
        d_h = self._device.empty(d_hs.shape[1:])
        given = (d_hs, self._hs, self._gates, self._h_sums, self._w_h)
        self._loops(backward=True).gru_backward(*given, d_x_sums, d_h_sums, d_h)
        self.d_state = (d_h,)
        return d_x_sums, d_h_sums
