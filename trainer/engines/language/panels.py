"""Matrix products on one core, near its multiply-add peak also for the few rows of one time step.

A library's product copies its right factor into panels at each call, which for the twenty rows of a batch costs more
than the product itself. Here the right factor is packed once for all steps that use it.

Packed, a matrix [K, N] is cut into panels of ``PANEL`` columns, each stored as [K, PANEL]. The columns that are left
become panels of ``LANES`` columns, the last of them filled up with zeros.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from trainer.engines.emission import LANES, POINTER
from trainer.engines.language.compiled import compiled
from trainer.engines.language.tiles import (
    NARROW_ROWS,
    TILE_ROWS,
    TILE_VECTORS,
    move,
    multiply_tile,
    point,
    turn_tile,
)

PANEL = TILE_VECTORS * LANES
DEPTH = 704  # rows of a panel that are multiplied at a time: the rows of a tile beside them stay in the first cache


def _multiply_panel(
    width: int,
    rows: int,
    a: Any,
    a_row: int,
    a_item: int,
    a_piece: int,
    panel: Any,
    out: Any,
    out_row: int,
    count: int,
    pieces: int,
    keep: int,
) -> None:
    """``out += a · panel`` for a panel of ``width`` columns, or ``out = a · panel`` where ``keep`` is 0.

    ``a``, ``panel`` and ``out`` are pointers, ``a_row``, ``a_item``, ``a_piece`` and ``out_row`` distances in bytes. ``a`` comes
    in ``pieces`` of ``count`` columns, ``a_piece`` from one to the next; the panel's rows follow each other through all of them.
    """
    first = 0
    while first < rows:
        at, to = move(a, first * a_row), move(out, first * out_row)
        if width == PANEL:
            tiles = -(-(rows - first) // TILE_ROWS)
            height = (rows - first) // tiles  # as high as those that follow, or nearly so
            multiply_tile(
                TILE_VECTORS, height, at, a_row, a_item, a_piece, panel, to, out_row, count, pieces, keep
            )
        else:
            height = NARROW_ROWS if rows - first >= NARROW_ROWS else 1
            multiply_tile(1, height, at, a_row, a_item, a_piece, panel, to, out_row, count, pieces, keep)
        first += height


# One signature: the sizes and distances that callers have are of several integer types.
_SIZE = types.int64
_FACTORS = (POINTER, _SIZE, _SIZE, _SIZE, POINTER)
multiply_panel = compiled(
    _multiply_panel, types.void(_SIZE, _SIZE, *_FACTORS, POINTER, _SIZE, _SIZE, _SIZE, _SIZE)
)


@compiled
def packed_width(columns: int) -> int:
    """The number of columns with their filling."""
    return -(-columns // LANES) * LANES


@compiled
def panel_width(columns: int, start: int) -> int:
    """The width of the panel that begins at column ``start`` of ``columns``."""
    return PANEL if start + PANEL <= columns else LANES


@compiled
def panel_count(columns: int) -> int:
    """The number of panels of ``columns`` columns."""
    return columns // PANEL + -(-(columns % PANEL) // LANES)


@compiled
def panel_start(columns: int, panel: int) -> int:
    """The column that the panel of that number begins with."""
    wide = columns // PANEL
    return min(panel, wide) * PANEL + max(panel - wide, 0) * LANES


@compiled
def pack(matrix: NDArray[np.float32], packed: NDArray[np.float32], first: int, last: int) -> None:
    """Write columns ``first`` to ``last`` of ``matrix`` [K, N], of any layout, to ``packed`` [K * packed_width(N)].

    ``first`` is a multiple of ``PANEL``, and so is ``last`` unless it is N: threads can share the work.
    """
    depth, columns = matrix.shape
    is_turned = matrix.strides[0] < matrix.strides[1]
    lines = matrix.T  # its rows are what is contiguous where the matrix is a transposed view
    for begin in range(0, depth, LANES):  # few rows at a time, so that memory is read in order
        end = min(begin + LANES, depth)
        start = first
        while start < last:
            width = panel_width(columns, start)
            filled = min(width, columns - start)
            panel = packed[start * depth : (start + width) * depth].reshape(depth, width)
            done = 0
            if is_turned and end - begin == LANES:
                while done + LANES <= filled:
                    source = move(point(lines, start + done), 4 * begin)
                    turn_tile(source, lines.strides[0], move(point(panel, begin), 4 * done), 4 * width)
                    done += LANES
            for k in range(begin, end):
                for j in range(done, filled):
                    panel[k, j] = matrix[k, start + j]
                for j in range(filled, width):
                    panel[k, j] = 0
            start += width


@compiled
def multiply_add(
    a: NDArray[np.float32], packed: NDArray[np.float32], out: NDArray[np.float32], keep: int = 1
) -> None:
    """``out += a · B``: ``a`` [M, K] of any layout, B [K, N] as ``pack`` left it, ``out`` [M, N] with whole rows.

    ``out = a · B`` where ``keep`` is 0.
    """
    rows, depth = a.shape
    columns = out.shape[1]
    a_row, a_item, out_row = a.strides[0], a.strides[1], out.strides[0]
    whole = columns // LANES * LANES
    edge = np.zeros((rows, LANES if whole < columns else 0), np.float32)
    kept = keep
    parts = -(-depth // DEPTH)
    for part in range(parts):
        first, last = depth * part // parts, depth * (part + 1) // parts
        count = last - first
        left = move(point(a, 0), first * a_item)
        start = 0
        while start < columns:
            width = panel_width(columns, start)
            panel = point(packed, start * depth + first * width)
            if start + width <= columns:
                to = move(point(out, 0), 4 * start)
                multiply_panel(width, rows, left, a_row, a_item, 0, panel, to, out_row, count, 1, keep)
            else:  # the filling has no place in out
                to = point(edge, 0)
                multiply_panel(width, rows, left, a_row, a_item, 0, panel, to, 4 * LANES, count, 1, 1)
            start += width
        keep = 1
    for i in range(rows):
        for j in range(columns - whole):
            out[i, whole + j] = edge[i, j] + (out[i, whole + j] if kept else 0)


@compiled
def multiply_turned(
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    rows: int,
    out: NDArray[np.float32],
    first: int,
    last: int,
    keep: int,
) -> None:
    """``out = A.T · B``, or ``+=`` with ``keep``: A [rows, M] and B [rows, N] as ``pack`` left them, ``out`` [M, N] with whole rows.

    Of the longer side of ``out``, the panels ``first`` to ``last``.
    """
    height, columns = out.shape
    tall = height > columns
    down, across = panel_count(height), panel_count(columns)
    edge = np.empty((PANEL, LANES), np.float32)
    for outer in range(first, last):
        for inner in range(across if tall else down):  # the shorter side, which stays in the second cache
            top = panel_start(height, outer if tall else inner)
            start = panel_start(columns, inner if tall else outer)
            lines, width = panel_width(height, top), panel_width(columns, start)
            filled = min(lines, height - top)
            left, right = point(a, top * rows), point(b, start * rows)
            if start + width <= columns:
                to = move(point(out, top), 4 * start)
                multiply_panel(width, filled, left, 4, 4 * lines, 0, right, to, out.strides[0], rows, 1, keep)
            else:  # the filling has no place in out
                to = point(edge, 0)
                multiply_panel(width, filled, left, 4, 4 * lines, 0, right, to, 4 * LANES, rows, 1, 0)
                for i in range(filled):
                    for j in range(columns - start):
                        out[top + i, start + j] = edge[i, j] + (out[top + i, start + j] if keep else 0)
