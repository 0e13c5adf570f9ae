"""The layers of a language model on a GPU, but for the recurrent ones: the interface of ``trainer.layers``.

Arrays are those of a ``LanguageDevice``. What a layer returns is its own until its next block; gradients of weights lie where
``gradients`` says, always. ``backward`` may write over what it is given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainer.backend import Array, Backend
from trainer.engines.language.gpu_device import LanguageDevice, count_blocks
from trainer.layers.dropout import DropConnect, TimeDropout, WordDropout
from trainer.layers.penalties import Penalties
from trainer.layers.time import TimeEmbedding, flatten

SCORE_BYTES = 1 << 30
ROWS_AT_ONCE = 256
"""That one thread block adds up."""


@dataclass(frozen=True)
class WordRows:
    """The gradient of an embedding: ``values[i]`` [E] belongs to row ``rows[i]``, unless that is -1. No row comes twice."""

    rows: Array
    values: Array


class GpuEmbedding(TimeEmbedding):
    """``TimeEmbedding``, whose gradient is ``WordRows``."""

    def __init__(self, W: Array, *, backend: Backend, device: LanguageDevice) -> None:
        super().__init__(W, backend=backend)
        self._W, self._device = W, device

    def forward(self, token_ids: Array) -> Array:
        self._token_ids = token_ids
        width = self._W.shape[1]
        xs = self._device.empty((*token_ids.shape, width))
        self._device.launch("gather_rows", token_ids.size, (self._W, token_ids, xs, np.int32(width)))
        return xs

    def backward(self, d_xs: Array) -> Any:
        count, width = self._token_ids.size, d_xs.shape[-1]
        rows, values = self._device.empty((count,), np.int32), self._device.empty((count, width))
        arguments = (self._token_ids, d_xs, rows, values, np.int32(count), np.int32(width))
        self._device.launch("sum_rows", count, arguments)
        return WordRows(rows, values)


class Drops:
    """What all kinds of dropout share: nothing is kept of a mask but what it was drawn from."""

    def __init__(self, share: float, *, place: int, device: LanguageDevice) -> None:
        """``place`` tells layers apart that draw in the same block."""
        self._share, self._place, self._device = share, place, device
        self._numbers: Array | None = None

    def begin(self, numbers: Array | None) -> bool:
        """Whether anything is dropped; ``numbers`` are the block's, None drops nothing."""
        self._numbers = numbers if self._share else None
        return self._numbers is not None

    def values(self, values: Array, out: Array, *, period: int) -> Array:
        """``out``: ``values`` dropped as the last ``begin`` said, those ``period`` apart together."""
        if self._numbers is not None:
            fours = values.size % 4 == 0 and period % 4 == 0
            fours = fours and all(self._device.address(each) % 16 == 0 for each in (values, out))
            sizes = (np.uint32(values.size), np.uint32(period), np.int32(fours))
            blocks = count_blocks(self._device, -(-values.size // 4))
            self._device.launch("drop_values", blocks, (values, out, *sizes, *self._drawing()))
        return out

    def words(self, xs: Array, token_ids: Array, out: Array) -> Array:
        """``out`` [T, B, E]: ``xs``, where the vectors of some words are dropped."""
        if self._numbers is not None:
            arguments = (xs, token_ids, out, np.int32(xs.shape[-1]), *self._drawing())
            self._device.launch("drop_words", token_ids.size, arguments)
        return out

    def _drawing(self) -> tuple[Any, ...]:
        threshold = min(math.ceil(self._share * 2**32), 2**32 - 1)
        return self._numbers, np.int32(self._place), np.uint32(threshold), np.float32(1 / (1 - self._share))


class GpuDropout(TimeDropout):
    """``TimeDropout``, whose ``generator`` is the array of a block's ``Numbers``."""

    def __init__(
        self, share: float, *, variational: bool, backend: Backend, place: int, device: LanguageDevice
    ) -> None:
        super().__init__(share, backend=backend, variational=variational)
        self._device, self._drops = device, Drops(share, place=place, device=device)

    def forward(self, xs: Array, generator: Any = None) -> Array:
        if not self._drops.begin(generator):
            return xs
        return self._drops.values(xs, self._device.empty(xs.shape), period=self._period(xs))

    def backward(self, d_out: Array) -> Array:
        return self._drops.values(d_out, d_out, period=self._period(d_out))

    def _period(self, xs: Array) -> int:
        return int(xs.size) // (len(xs) if self.variational else 1)


class GpuDropConnect(DropConnect):
    """``DropConnect``, whose ``generator`` is the array of a block's ``Numbers``."""

    def __init__(self, share: float, *, backend: Backend, place: int, device: LanguageDevice) -> None:
        super().__init__(share, backend=backend)
        self._device, self._drops = device, Drops(share, place=place, device=device)

    def forward(self, W: Array, generator: Any = None) -> Array:
        if not self._drops.begin(generator):
            return W
        return self._drops.values(W, self._device.empty(W.shape), period=W.size)

    def backward(self, d_out: Array) -> Array:
        return self._drops.values(d_out, d_out, period=d_out.size)


class GpuWordDropout(WordDropout):
    """``WordDropout``, whose ``generator`` is the array of a block's ``Numbers``."""

    def __init__(self, share: float, *, backend: Backend, place: int, device: LanguageDevice) -> None:
        super().__init__(share, backend=backend)
        self._device, self._drops = device, Drops(share, place=place, device=device)

    def forward(self, xs: Array, *, token_ids: Array, height: int, generator: Any = None) -> Array:
        del height
        self._token_ids = token_ids
        if not self._drops.begin(generator):
            return xs
        return self._drops.words(xs, token_ids, self._device.empty(xs.shape))

    def backward(self, d_out: Array) -> Array:
        return self._drops.words(d_out, self._token_ids, d_out)


class GpuPenalties(Penalties):
    """``Penalties``, added in place."""

    def __init__(self, activation: float, change: float, *, backend: Backend, device: LanguageDevice) -> None:
        super().__init__(activation, change, backend=backend)
        self._device = device

    def add_activation(self, d_hs: Array, hs: Array, *, scale: float) -> Array:
        if self.activation:
            factor = np.float32(2 * self.activation * scale / hs.shape[-1])
            arguments = (d_hs, hs, np.uint32(hs.size), factor)
            self._device.launch("add_penalty", count_blocks(self._device, hs.size), arguments)
        return d_hs

    def add_change(self, d_hs: Array, hs: Array, *, scale: float) -> Array:
        steps = len(hs)
        if self.change and steps > 1:
            factor = np.float32(2 * self.change * scale * steps / (steps - 1) / hs.shape[-1])
            sizes = (np.uint32(hs.size), np.uint32(hs.size // steps))
            self._device.launch(
                "add_change_penalty", count_blocks(self._device, hs.size), (d_hs, hs, *sizes, factor)
            )
        return d_hs


class GpuOutput:
    """``SoftmaxOutput``, but for the loss, which it gives for each word: [T * B] on the device, to be added up."""

    def __init__(
        self, W: Array, b: Array, *, tied: bool, device: LanguageDevice, gradients: Mapping[str, Array]
    ) -> None:
        """``W`` is [H, V], if ``tied`` a transposed view; ``gradients`` are those of ``W``, in its order, and ``b``."""
        self.W, self.b = W, b
        self._tied, self._device, self._gradients = tied, device, gradients

    def loss(self, hs: Array, targets: Array) -> Array:
        h, labels = flatten(hs), targets.reshape(-1)
        losses = self._device.empty((len(h),))
        for rows in self._blocks(len(h)):
            self._score(h[rows], labels[rows], losses[rows], factor=0.0)
        return losses

    def loss_and_gradients(
        self, hs: Array, targets: Array, *, d_loss: float
    ) -> tuple[Array, Array, Array, Array]:
        device, h, labels = self._device, flatten(hs), targets.reshape(-1)
        losses, d_h = device.empty((len(h),)), device.empty(h.shape)
        d_W, d_b = self._gradients["W"], self._gradients["b"]
        if self._tied:
            d_W = d_W.T
        for rows in self._blocks(len(h)):
            scores = self._score(h[rows], labels[rows], losses[rows], factor=d_loss)
            device.multiply(scores, self.W.T, d_h[rows])
            device.multiply(h[rows].T, scores, d_W, add=rows.start > 0)
            sum_columns(device, scores, d_b, add=rows.start > 0)
        return losses, d_h.reshape(hs.shape), d_W, d_b

    def _score(self, h: Array, labels: Array, losses: Array, *, factor: float) -> Array:
        """The gradients of the scores [N, V]; the scores themselves, without bias, for a ``factor`` of 0."""
        scores = self._device.empty((len(h), self.b.size))
        self._device.multiply(h, self.W, scores)
        numbers = (np.int32(self.b.size), np.float32(factor))
        self._device.launch("softmax_rows", len(h), (scores, self.b, labels, losses, *numbers))
        return scores

    def _blocks(self, rows: int) -> list[slice]:
        size = max(1, SCORE_BYTES // (4 * self.b.size))
        return [slice(start, min(start + size, rows)) for start in range(0, rows, size)]


def sum_columns(device: LanguageDevice, matrix: Array, out: Array, *, add: bool = False) -> None:
    """``out`` [N] becomes the sum of the rows of ``matrix`` [M, N], with ``add`` in addition to what it is."""
    rows, columns = matrix.shape
    parts = -(-rows // ROWS_AT_ONCE)
    if parts > 1:
        sums = device.empty((parts, columns))
        _sum_parts(device, matrix, sums, height=ROWS_AT_ONCE, add=False)
        matrix = sums
    _sum_parts(device, matrix, out, height=len(matrix), add=add)


def _sum_parts(device: LanguageDevice, matrix: Array, out: Array, *, height: int, add: bool) -> None:
    rows, columns = matrix.shape
    numbers = (np.int32(rows), np.int32(columns), np.int32(height), np.int32(add))
    blocks = -(-columns // 32) * -(-rows // height)
    device.launch("sum_columns", blocks, (matrix, out, *numbers))
