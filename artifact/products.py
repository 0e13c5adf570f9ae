"""Products of a few rows with a matrix of weights, as one step of a few texts needs them.

A product of two matrices first copies all weights into another order, which costs more than a few rows' arithmetic. Products
that are small enough are spared that, so the weights are taken a tile at a time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_BY_ROW = 3
_MOST_ROWS = 24
_TILE = 64
_SMALL = 1_000_000
"""Multiply-adds up to which OpenBLAS multiplies matrices where they lie, on processors with AVX-512."""


def multiply(x: Floats, w: Floats, *, out: Floats | None = None, cold: bool = False) -> Floats:
    """x · w [B, N] for ``x`` [B, K] and ``w`` [K, N], in ``out`` or else in an array of its own.

    ``cold``: w was not used a moment ago, and so is likely to lie in memory and not in the processor's cache.
    """
    rows = len(x)
    result = np.empty((rows, w.shape[1]), dtype=np.float32) if out is None else out
    if 1 < rows <= _BY_ROW and rows * w.size > _SMALL:
        for row, row_out in zip(x, result, strict=True):
            np.matmul(row, w, out=row_out)
        return result
    if not _is_tiled(x, w):
        return np.matmul(x, w, out=result)
    if cold:
        # Tiles jump through memory; read once in its order, it comes in a third of the time.
        w.max()
    tiles, rest = divmod(w.shape[1], _TILE)
    if tiles:
        np.matmul(x, _tile_columns(w, tiles), out=_tile_columns(result, tiles))
    if rest:
        np.matmul(x, w[:, -rest:], out=result[:, -rest:])
    return result


def multiply_transposed(x: Floats, w: Floats, *, out: Floats) -> None:
    """Write x · wᵀ [B, N] to ``out`` for ``x`` [B, K] and ``w`` [N, K]."""
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


def _tile_columns(matrix: Floats, tiles: int) -> Floats:
    """A view [tiles, rows, _TILE] of the first columns."""
    columns = matrix[:, : tiles * _TILE]
    return columns.reshape(len(matrix), tiles, _TILE).transpose(1, 0, 2)
