"""Products of a few rows with a matrix of weights, as one step of a few texts needs them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_BY_ROW = 3
_IN_TILES = 24
_TILE = 64
_SMALL = 1_000_000
"""Multiply-adds up to which OpenBLAS multiplies matrices where they lie, on processors with AVX-512."""


def multiply(x: Floats, w: Floats, *, cold: bool = False) -> Floats:
    """x · w [B, N] for ``x`` [B, K] and ``w`` [K, N], in an array of its own.

    A product of two matrices first copies all of ``w`` into another order, which costs more than a few rows' arithmetic.
    ``cold``: w was not used a moment ago, and so is likely to lie in memory and not in the processor's cache.
    """
    rows, inner = x.shape
    if not 1 < rows <= _IN_TILES or rows * w.size <= _SMALL:
        return x @ w
    result = np.empty((rows, w.shape[1]), dtype=np.float32)
    if rows <= _BY_ROW:
        for row, out in zip(x, result, strict=True):
            np.matmul(row, w, out=out)
        return result
    if rows * inner * _TILE > _SMALL:
        return np.matmul(x, w, out=result)
    if cold:
        # Tiles jump through memory; read once in its order, it comes in a third of the time.
        w.max()
    tiles, rest = divmod(w.shape[1], _TILE)
    if tiles:
        np.matmul(x, _tile(w, tiles), out=_tile(result, tiles))
    if rest:
        np.matmul(x, w[:, -rest:], out=result[:, -rest:])
    return result


def _tile(matrix: Floats, tiles: int) -> Floats:
    """A view [tiles, rows, _TILE] of the first columns."""
    columns = matrix[:, : tiles * _TILE]
    return columns.reshape(len(matrix), tiles, _TILE).transpose(1, 0, 2)
