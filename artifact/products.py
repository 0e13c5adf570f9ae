"""Products of a few rows with a matrix of weights, as one step of a few texts needs them.

A product of two matrices first copies all weights into another order, which costs more than a few rows' arithmetic. Products
that are small enough are spared that, so the weights are taken a tile at a time.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_BY_ROW = 3
_MOST_ROWS = 24
_TILE = 64
_SMALL = 1_000_000
"""Multiply-adds up to which OpenBLAS multiplies matrices where they lie, on processors with AVX-512."""


class Tiled:
    """A matrix ``w`` [K, N] that is not multiplied by often enough to stay in the processor's cache.

    Once a few rows were multiplied by it, it is kept a second time, a tile of columns after another. Such products then read
    memory in its order, which takes less than half the time.
    """

    def __init__(self, w: Floats) -> None:
        self._w = w

    def multiply(self, x: Floats) -> Floats:
        """x · w [B, N] for ``x`` [B, K], in an array of its own."""
        if not _is_tiled(x, self._w):
            return multiply(x, self._w)
        result = np.empty((len(x), self._w.shape[1]), dtype=np.float32)
        _multiply_tiles(x, self._tiles, self._w, out=result)
        return result

    @cached_property
    def _tiles(self) -> Floats:
        return np.ascontiguousarray(_tile_columns(self._w))


def multiply(x: Floats, w: Floats, *, out: Floats | None = None) -> Floats:
    """x · w [B, N] for ``x`` [B, K] and ``w`` [K, N], in ``out`` or else in an array of its own."""
    rows = len(x)
    result = np.empty((rows, w.shape[1]), dtype=np.float32) if out is None else out
    if 1 < rows <= _BY_ROW and rows * w.size > _SMALL:
        for row, row_out in zip(x, result, strict=True):
            np.matmul(row, w, out=row_out)
        return result
    if not _is_tiled(x, w):
        return np.matmul(x, w, out=result)
    _multiply_tiles(x, _tile_columns(w), w, out=result)
    return result


def multiply_transposed(x: Floats, w: Floats, *, out: Floats) -> None:
    """Write x · wᵀ [B, N] to ``out`` for ``x`` [B, K] and ``w`` [N, K]."""
    if len(x) == 1:
        # Reads w, where it is too large for the caches, in three quarters of a product's time.
        np.einsum("k,nk->n", x[0], w, out=out[0])
        return
    if not _is_tiled(x, w):
        np.matmul(x, w.T, out=out)
        return
    columns = np.ascontiguousarray(x.T)
    result = np.empty((len(w), len(x)), dtype=np.float32)
    tiles, rest = divmod(len(w), _TILE)
    if tiles:
        np.matmul(_tile_rows(w, tiles), columns, out=_tile_rows(result, tiles))
    if rest:
        np.matmul(w[-rest:], columns, out=result[-rest:])
    out[...] = result.T


def _is_tiled(x: Floats, w: Floats) -> bool:
    """Whether ``x`` has few rows, but too many for their product with ``w`` to be small."""
    rows = len(x)
    return 1 < rows <= _MOST_ROWS and _TILE * x.size <= _SMALL < rows * w.size


def _tile_rows(matrix: Floats, tiles: int) -> Floats:
    """A view [tiles, _TILE, columns] of the first rows."""
    return matrix[: tiles * _TILE].reshape(tiles, _TILE, matrix.shape[1])


def _tile_columns(matrix: Floats) -> Floats:
    """A view [tiles, rows, _TILE] of the first columns."""
    tiles = matrix.shape[1] // _TILE
    columns = matrix[:, : tiles * _TILE]
    return columns.reshape(len(matrix), tiles, _TILE).transpose(1, 0, 2)


def _multiply_tiles(x: Floats, tiles: Floats, w: Floats, *, out: Floats) -> None:
    """Write x · ``w`` to ``out``, given the ``tiles`` of w, which leave out its last columns."""
    if len(tiles):
        np.matmul(x, tiles, out=_tile_columns(out))
    if rest := w.shape[1] % _TILE:
        np.matmul(x, w[:, -rest:], out=out[:, -rest:])
