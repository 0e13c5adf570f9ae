"""The update of a language model's weights on a GPU: a norm, a judgement, a change, each one kernel over all parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from trainer.backend import Array, Backend
from trainer.engines.language.gpu_device import EACH, LanguageDevice
from trainer.engines.language.gpu_layers import WordRows
from trainer.language_optimizers import Averaging, DenseAdam, Updater
from trainer.layers.gradients import Gradient
from trainer.optimizers import Optimizer

Parts = Sequence[tuple[str, Any]]


class GpuUpdater(Updater):
    """``Updater``, by kernels that leave it to the device whether anything changes."""

    def __init__(
        self,
        optimizer: Optimizer,
        *,
        backend: Backend,
        device: LanguageDevice,
        clip: float = 0.0,
        weight_decay: float = 0.0,
        pool: ThreadPoolExecutor | None = None,
        threads: int = 1,
    ) -> None:
        del pool, threads
        super().__init__(optimizer, backend=backend, clip=clip, weight_decay=weight_decay)
        self._device = device
        self._tables: dict[tuple[Any, ...], tuple[Array, Array, int]] = {}

    def update(self, parts: Sequence[Sequence[tuple[str, Gradient]]], *, learning_rate: float) -> float:
        raise NotImplementedError("a GPU updates in the same step that finds the gradients: GraphTrainer")

    @property
    def averaging(self) -> bool:
        """Whether each update goes into the averages of the weights."""
        return isinstance(self.optimizer, Averaging) and bool(self.optimizer.averages)

    def numbers(self, learning_rate: float, *, under_way: int) -> tuple[float, float, float]:
        """``rate``, ``keep`` and ``share`` of the update after those ``under_way``, as cuda/numbers.cuh says."""
        optimizer, rate = self.optimizer, learning_rate
        if isinstance(optimizer, DenseAdam):
            steps = optimizer.steps + under_way + 1
            rate *= (1 - optimizer.beta2**steps) ** 0.5 / (1 - optimizer.beta1**steps)
        share = optimizer.share(under_way=under_way) if isinstance(optimizer, Averaging) else 0.0
        return rate, 1 - learning_rate * self.weight_decay, share

    def count(self) -> None:
        """An update has been done."""
        self.optimizer.steps += 1
        if isinstance(self.optimizer, Averaging) and self.optimizer.averages:
            self.optimizer.averaged += 1

    def launch(self, parts: Parts, losses: Array, numbers: Array, outcome: Array) -> None:
        """Start the update by the sum of ``parts``, and the judgement of ``losses`` [N] that comes before it.

        The gradients of weights must lie at the same addresses each time; all are used up.
        """
        device = self._device
        dense = {name: gradient for name, gradient in parts if not isinstance(gradient, WordRows)}
        rows = [(name, gradient) for name, gradient in parts if isinstance(gradient, WordRows)]
        for name, gradient in rows:
            if name in dense:
                table = dense[name]
                width = np.int32(gradient.values.shape[1])
                arguments = (gradient.rows, gradient.values, _straight(table), width)
                device.launch("add_rows", len(gradient.rows), arguments)
        sparse = [(name, gradient) for name, gradient in rows if name not in dense]
        tables, pieces, count = self._list_tables(dense, gradients=True)
        squares = device.empty((count + sum(len(each.rows) for _, each in sparse),), np.float64)
        device.launch("square_pieces", count, (tables, pieces, squares))
        at = count
        for _, gradient in sparse:
            width = np.int32(gradient.values.shape[1])
            end = at + len(gradient.rows)
            device.launch("square_rows", end - at, (gradient.rows, gradient.values, squares[at:end], width))
            at = end
        judged = (losses, np.int32(len(losses)), squares, np.int32(at), np.float64(self.clip), outcome)
        device.launch("judge_block", 1, judged)
        fresh = self._fresh()
        tables, pieces, count = self._list_tables(dense, gradients=not self.weight_decay)
        device.launch("change_pieces", count, (tables, pieces, numbers, outcome, *fresh))
        for name, gradient in sparse:
            number = np.int32(list(self.optimizer.parameters).index(name))
            given = (tables, number, gradient.rows, gradient.values, np.int32(gradient.values.shape[1]))
            device.launch("change_rows", len(gradient.rows), (*given, numbers, outcome, *fresh))
        if self.averaging:
            tables, pieces, count = self._list_tables(dense, gradients=False)
            device.launch("average_pieces", count, (tables, pieces, numbers, outcome))

    def _fresh(self) -> tuple[np.float32, np.float32, np.float32]:
        adam = self.optimizer
        if not isinstance(adam, DenseAdam):
            return np.float32(0), np.float32(0), np.float32(0)
        one = np.float32(1)
        return one - np.float32(adam.beta1), one - np.float32(adam.beta2), np.float32(adam.epsilon)

    def _list_tables(self, dense: dict[str, Array], *, gradients: bool) -> tuple[Array, Array, int]:
        """``Table`` and ``Piece`` of cuda/updates.cuh on the device, and the number of pieces.

        All parameters are in the tables; with ``gradients`` there are pieces of those alone that have a dense one.
        """
        optimizer, address = self.optimizer, self._device.address
        averages = optimizer.averages if isinstance(optimizer, Averaging) else {}
        rows, sizes = [], []
        for name, weights in optimizer.parameters.items():
            moments = optimizer.moments(name) if isinstance(optimizer, DenseAdam) else ()
            row = [address(weights), address(_straight(dense[name])) if name in dense else 0, 0, 0, 0]
            row[2 : 2 + len(moments)] = [address(table) for table in moments]
            row[4] = address(averages[name]) if averages else 0
            rows.append((*row, int(weights.size)))
            sizes.append(int(weights.size) if name in dense or not gradients else 0)
        key = (*rows, *sizes)
        if key not in self._tables:
            chunk = EACH * self._device.threads
            pieces = [(i, k) for i, size in enumerate(sizes) for k in range(math.ceil(size / chunk))]
            found = (np.array(rows, np.int64), np.array(pieces, np.int32))
            tables, places = (self._device.zeros(array.shape, array.dtype) for array in found)
            for array, there in zip(found, (tables, places), strict=True):
                there[...] = self.backend.asarray(array)
            self._tables[key] = (tables, places, len(pieces))
        return self._tables[key]


def _straight(table: Array) -> Array:
    """A gradient in the memory order of its weights: the tied output layer's comes as a transposed view."""
    return table if table.flags.c_contiguous else table.T
