"""The layers that a fast model is made of: the interface of ``trainer.layers``, the kernels of this package.

Arrays that a layer returns are its own and are written over by its next block, but for its state. Gradients of matrices are
products that are not multiplied out yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.backend import Backend
from trainer.engines.language import cells, softmax
from trainer.engines.language.gradients import ProductGradient, sum_products
from trainer.engines.language.packing import Packed
from trainer.engines.language.panels import packed_width
from trainer.engines.language.workspace import Workspace
from trainer.layers.time import TimeRecurrent, flatten

Table = NDArray[np.float32]
SCORE_BYTES = 32 << 20


class FastRecurrent(TimeRecurrent):
    """What the three recurrent layers share: the products with ``w_x``, and the gradients of the weights."""

    def __init__(
        self, weights: Mapping[str, Table], *, backend: Backend, packed: Mapping[str, Packed]
    ) -> None:
        """``packed`` are ``w_x`` and ``w_h``, refreshed by their owner."""
        super().__init__(weights, backend=backend)
        self.packed = packed
        self.room = Workspace()

    def forward(self, xs: Table, *, w_h: Table | None = None) -> Table:
        steps, lanes, _ = xs.shape
        if not self.state or len(self.state[0]) != lanes:
            self.reset(lanes)
        own = w_h is None or w_h is self.weights["w_h"]
        self._packed_h = self.packed["w_h"] if own else self._pack_other(w_h)
        self._xs = np.ascontiguousarray(xs)
        size = self.weights["w_h"].shape[0]
        hs = self._hs = self.room.take("hs", steps + 1, lanes, size)
        hs[0] = self.state[0]
        self._run(self._xs)
        return hs[1:]

    def backward(self, d_hs: Table) -> tuple[Table, dict[str, Any]]:
        d_x_sums, d_h_sums = self._run_back(np.ascontiguousarray(d_hs))
        steps, lanes, inputs = self._xs.shape
        d_xs = self.room.take("d_xs", steps, lanes, inputs)
        cells.project_back(d_x_sums, self.packed["w_x"].turned, d_xs)
        d_weights: dict[str, Any] = {"b": flatten(d_x_sums).sum(axis=0)}
        x_sums = h_sums = self.room.pack("d_x_sums_packed", flatten(d_x_sums))
        if d_h_sums is not d_x_sums:
            d_weights["b_h"] = flatten(d_h_sums).sum(axis=0)
            h_sums = self.room.pack("d_h_sums_packed", flatten(d_h_sums))
        for name, table, sums in (("w_x", self._xs, x_sums), ("w_h", self._hs[:-1], h_sums)):
            packed = self.room.pack(f"{name}_inputs", flatten(table))
            d_weights[name] = ProductGradient(packed, sums, steps * lanes, self.weights[name].shape)
        return d_xs, d_weights

    def _project(self, xs: Table) -> Table:
        sums = self.room.take("sums", *xs.shape[:2], len(self.weights["b"]))
        cells.project(xs, self.packed["w_x"].straight, self.weights["b"], sums)
        return sums

    def _pack_other(self, w_h: Any) -> Packed:
        packed = Packed(w_h)
        packed.refresh()
        return packed


class FastRNN(FastRecurrent):
    """``TimeRNN``."""

    gates = 1
    states = 1

    def _run(self, xs: Table) -> None:
        cells.rnn_forward(self._hs, self._project(xs), self._packed_h.straight)
        self.state = (self._hs[-1].copy(),)

    def _run_back(self, d_hs: Table) -> tuple[Table, Table]:
        d_sums = self.room.take("d_sums", *d_hs.shape)
        d_h = np.empty(d_hs.shape[1:], np.float32)
        cells.rnn_backward(d_hs, self._hs, self._packed_h.turned, d_sums, d_h)
        self.d_state = (d_h,)
        return d_sums, d_sums


class FastLSTM(FastRecurrent):
    """``TimeLSTM``."""

    gates = 4
    states = 2

    def _run(self, xs: Table) -> None:
        self._gates = self._project(xs)
        self._cs = self.room.take("cs", *self._hs.shape)
        self._cs[0] = self.state[1]
        self._tanh_cs = self.room.take("tanh_cs", len(xs), *self._hs.shape[1:])
        cells.lstm_forward(self._hs, self._cs, self._tanh_cs, self._gates, self._packed_h.straight)
        self.state = (self._hs[-1].copy(), self._cs[-1].copy())

    def _run_back(self, d_hs: Table) -> tuple[Table, Table]:
        d_sums = self.room.take("d_sums", *self._gates.shape)
        d_h, d_c = np.empty((2, *d_hs.shape[1:]), np.float32)
        turned = self._packed_h.turned
        cells.lstm_backward(d_hs, self._cs, self._tanh_cs, self._gates, turned, d_sums, d_h, d_c)
        self.d_state = (d_h, d_c)
        return d_sums, d_sums


class FastGRU(FastRecurrent):
    """``TimeGRU``."""

    gates = 3
    states = 1

    def _run(self, xs: Table) -> None:
        self._gates = self._project(xs)
        self._h_sums = self.room.take("h_sums", *self._gates.shape)
        w_h = self._packed_h.straight
        cells.gru_forward(self._hs, self._gates, self._h_sums, w_h, self.weights["b_h"])
        self.state = (self._hs[-1].copy(),)

    def _run_back(self, d_hs: Table) -> tuple[Table, Table]:
        d_x_sums = self.room.take("d_x_sums", *self._gates.shape)
        d_h_sums = self.room.take("d_h_sums", *self._gates.shape)
        d_h = np.empty(d_hs.shape[1:], np.float32)
        turned = self._packed_h.turned
        cells.gru_backward(d_hs, self._hs, self._gates, self._h_sums, turned, d_x_sums, d_h_sums, d_h)
        self.d_state = (d_h,)
        return d_x_sums, d_h_sums


class FastOutput:
    """``SoftmaxOutput``."""

    def __init__(self, W: Table, b: Table, *, backend: Backend, packed: Packed) -> None:
        """``W`` [H, V] may be a transposed view; ``packed`` is refreshed by its owner."""
        del backend
        self.W, self.b = W, b
        self.packed = packed
        self.room = Workspace()

    def loss(self, hs: Table, targets: NDArray[np.int32]) -> float:
        h, labels = np.ascontiguousarray(flatten(hs)), targets.ravel()
        scores, factors = self._take(len(h))
        loss = 0.0
        for rows in self._blocks(len(h), len(factors)):
            softmax.make_scores(h[rows], self.packed.straight, self.b, scores)
            loss += softmax.exponentiate(scores, len(h[rows]), len(self.b), labels[rows], 0.0, factors)
        return loss

    def loss_and_gradients(
        self, hs: Table, targets: NDArray[np.int32], *, d_loss: float
    ) -> tuple[float, Table, Any, Table]:
        h, labels = np.ascontiguousarray(flatten(hs)), targets.ravel()
        depth, columns = self.W.shape
        scores, factors = self._take(len(h))
        turned = self.W.strides[0] < self.W.strides[1]
        d_h = self.room.take("d_h", *h.shape)
        d_b = self.room.take("d_b", int(packed_width(columns)))
        d_b.fill(0)
        blocks = self._blocks(len(h), len(factors))
        loss, d_W = 0.0, None
        for rows in blocks:
            count = len(h[rows])
            softmax.make_scores(h[rows], self.packed.straight, self.b, scores)
            loss += softmax.exponentiate(scores, count, columns, labels[rows], d_loss, factors)
            scaled = self.room.pack("scaled", h[rows] * factors[:count, None])
            product = ProductGradient(scaled, scores, count, (depth, columns))
            if len(blocks) > 1:  # the next one needs the room of these scores
                d_W = self.room.take("d_W", *(product.shape[::-1] if turned else product.shape))
                sum_products([product.T if turned else product], d_W, keep=rows.start > 0)
            softmax.close_scores(scores, factors, self.packed.turned, d_h[rows], d_b)
        if d_W is None:
            return loss, d_h.reshape(hs.shape), product, d_b[:columns]
        return loss, d_h.reshape(hs.shape), d_W.T if turned else d_W, d_b[:columns]

    def _blocks(self, rows: int, size: int) -> list[slice]:
        return [slice(start, min(start + size, rows)) for start in range(0, rows, size)]

    def _take(self, rows: int) -> tuple[Table, Table]:
        """Room for scores, and for as many rows' factors as fit there at a time."""
        width = int(packed_width(len(self.b)))
        block = min(rows, max(1, SCORE_BYTES // (4 * width)))
        return self.room.take("scores", block * width), self.room.take("factors", block)
