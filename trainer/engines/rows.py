"""The row kernels over lists of rows, as the models use them.

Addresses are int64: `out`, `items`, `source` of int64 arrays of row addresses; `a`, `scale` of float32 arrays.
"""

from __future__ import annotations

import numpy as np

from trainer.engines.compiling import compiled
from trainer.engines.emission import LANES, ROW_BYTES
from trainer.engines.lanes import (
    DOTS,
    SCORE_ROWS,
    TILE_ROWS,
    TILE_VECTORS,
    dot_rows,
    multiply_tile,
    transpose_tile,
    window_panel,
)

WINDOW_RUN = 32


@compiled
def _multiply_panel(
    a: int, a_row: int, a_item: int, out: int, rows: int, items: int, count: int, at: int, width: int
) -> None:
    i = np.int64(0)
    while i < rows:
        here, there = a + i * a_row, out + 8 * i
        if i + TILE_ROWS > rows:
            if width == 4:
                multiply_tile(1, 1, 4, here, a_row, a_item, there, items, count, at)
            elif width == 3:
                multiply_tile(1, 1, 3, here, a_row, a_item, there, items, count, at)
            else:
                for v in range(width):
                    multiply_tile(1, 1, 1, here, a_row, a_item, there, items, count, at + v * ROW_BYTES)
            i += 1
            continue
        if width == 4:
            multiply_tile(1, TILE_ROWS, 4, here, a_row, a_item, there, items, count, at)
        elif width == 3:
            multiply_tile(1, TILE_ROWS, 3, here, a_row, a_item, there, items, count, at)
        elif width == 2:
            multiply_tile(1, TILE_ROWS, 2, here, a_row, a_item, there, items, count, at)
        else:
            multiply_tile(1, TILE_ROWS, 1, here, a_row, a_item, there, items, count, at)
        i += TILE_ROWS


@compiled
def multiply_rows(
    a: int, a_row: int, a_item: int, out: int, rows: int, items: int, count: int, vectors: int
) -> None:
    """``out[i] += sum_k a[i, k] items[k]`` for `rows` output rows of `vectors` and `count` items.

    ``a[i, k]`` lies at ``a + i * a_row + k * a_item`` (bytes).
    """
    done = np.int64(0)
    panels = (vectors + TILE_VECTORS - 1) // TILE_VECTORS
    for panel in range(panels):
        width = (vectors - done) // (panels - panel)
        _multiply_panel(a, a_row, a_item, out, rows, items, count, done * ROW_BYTES, width)
        done += width


@compiled
def multiply_lanes(a: int, a_row: int, out: int, rows: int, items: int, count: int) -> None:
    """``out[i] = sum_k a[i, k] items[k]`` for rows of one vector, and contiguous ``a[i]``.

    A tall tile keeps the multiply-adds busy.
    """
    i = np.int64(0)
    while i + SCORE_ROWS <= rows:
        multiply_tile(0, SCORE_ROWS, 1, a + i * a_row, a_row, 4, out + 8 * i, items, count, 0)
        i += SCORE_ROWS
    while i + 4 <= rows:
        multiply_tile(0, 4, 1, a + i * a_row, a_row, 4, out + 8 * i, items, count, 0)
        i += 4
    while i < rows:
        multiply_tile(0, 1, 1, a + i * a_row, a_row, 4, out + 8 * i, items, count, 0)
        i += 1


@compiled
def dot_with_rows(left: int, rows: int, count: int, out: int, vectors: int) -> None:
    """``out[k] = left · rows[k]`` for `count` rows; up to fifteen more lanes of out are written, up to eleven more rows read."""
    k = np.int64(0)
    while k < count:
        if DOTS > 4 and count - k > 4:
            dot_rows(DOTS, vectors, left, rows + 8 * k, out + 4 * k)
            k += DOTS
        else:
            dot_rows(4, vectors, left, rows + 8 * k, out + 4 * k)
            k += 4


@compiled
def transpose_rows(source: int, out: int, vectors: int) -> None:
    """Turn sixteen rows: ``out[j, i] = source[i][j]``, out ``[16 * vectors, 16]``."""
    for v in range(vectors):
        transpose_tile(source, v * ROW_BYTES, out + v * LANES * ROW_BYTES)


@compiled
def _window_span(
    keep: bool, window: int, source: int, out: int, scale: int, count: int, at: int, width: int
) -> None:
    if keep:
        if width == 4:
            window_panel(4, 1, window, source, out, scale, count, at)
        elif width == 3:
            window_panel(3, 1, window, source, out, scale, count, at)
        elif width == 2:
            window_panel(2, 1, window, source, out, scale, count, at)
        else:
            window_panel(1, 1, window, source, out, scale, count, at)
    elif width == 4:
        window_panel(4, 0, window, source, out, scale, count, at)
    elif width == 3:
        window_panel(3, 0, window, source, out, scale, count, at)
    elif width == 2:
        window_panel(2, 0, window, source, out, scale, count, at)
    else:
        window_panel(1, 0, window, source, out, scale, count, at)


@compiled
def sum_windows(keep: bool, window: int, source: int, out: int, scale: int, count: int, vectors: int) -> None:
    """``out[i] = scale[i] * sum_{0<|d|<=window} (window + 1 - |d|) source[i + d]``; with `keep` it is added to out.

    Reads ``source[-window] .. source[count + window + 1]``: a row of zeros stands where no word is. The sum of a
    triangle moves on by the difference of two boxes, and that difference by three rows, so the cost of a word
    does not depend on the window. Rounding grows with the distance run, hence a fresh start every 32 rows.
    """
    panels = (vectors + TILE_VECTORS - 1) // TILE_VECTORS
    for start in range(np.int64(0), count, WINDOW_RUN):
        size = min(WINDOW_RUN, count - start)
        done = np.int64(0)
        for panel in range(panels):
            width = (vectors - done) // (panels - panel)
            _window_span(
                keep,
                window,
                source + 8 * start,
                out + 8 * start,
                scale + 4 * start,
                size,
                done * ROW_BYTES,
                width,
            )
            done += width
