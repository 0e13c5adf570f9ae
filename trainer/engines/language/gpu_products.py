"""Products of matrices whose rows begin anywhere: tensor cores want them 16 bytes apart, else cuBLAS takes kernels half as fast."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from trainer.backend import Array
from trainer.engines.language.gpu_device import LanguageDevice, count_blocks

FOUR = 4  # float32 values in 16 bytes
LEAST = 1 << 18
"""Values of a matrix that are worth a copy."""


class Multiply(Protocol):
    """``LanguageDevice.multiply``."""

    def __call__(self, a: Array, b: Array, out: Array, *, add: bool = False) -> None: ...


def multiply_aligned(
    device: LanguageDevice, multiply: Multiply, a: Array, b: Array, out: Array, *, add: bool = False
) -> None:
    """``multiply``, with copies of those matrices that are not aligned; a result that is added to stays where it is."""
    a, b = _align(device, a), _align(device, b)
    if add or _is_aligned(out):
        multiply(a, b, out, add=add)
        return
    room = _make_room(device, out)
    multiply(a, b, room)
    _copy(device, room, out)


def _align(device: LanguageDevice, matrix: Array) -> Array:
    if _is_aligned(matrix):
        return matrix
    room = _make_room(device, matrix)
    _copy(device, matrix, room)
    return room


def _is_aligned(matrix: Array) -> bool:
    """Whether rows, or columns of a transposed one, are multiples of 16 bytes apart; small ones count as if they were."""
    return bool(matrix.size < LEAST or max(matrix.strides) // matrix.itemsize % FOUR == 0)


def _make_room(device: LanguageDevice, like: Array) -> Array:
    """An aligned matrix of that shape, transposed if it is."""
    if like.strides[0] < like.strides[1]:
        return _make_room(device, like.T).T
    rows, columns = like.shape
    return device.empty((rows, -(-columns // FOUR) * FOUR))[:, :columns]


def _copy(device: LanguageDevice, source: Array, target: Array) -> None:
    if source.strides[0] < source.strides[1]:
        _copy(device, source.T, target.T)
        return
    widths = (each.strides[0] // each.itemsize for each in (source, target))
    sizes = (np.uint32(source.size), np.uint32(source.shape[1]), *map(np.uint32, widths))
    device.launch("copy_rows", count_blocks(device, source.size), (source, target, *sizes))
