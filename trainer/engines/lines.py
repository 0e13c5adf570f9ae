"""Moving the rows of a chunk: from the table into buffers, over windows, and back. Lines are kept apart by rows of zeros."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainer.engines.compiling import compiled
from trainer.engines.lanes import clear_row, prefetch_row, scale_row
from trainer.engines.memory import read_int32, read_int64, write_float, write_int64
from trainer.engines.rows import sum_windows

AHEAD = 12  # rows asked for before they are needed


@compiled
def gather_rows(work: Any, count: int) -> None:
    """Copy the input rows of the chunk's words, so that the chunk works on rows nobody else changes."""
    for i in range(count):
        write_int64(work.input_rows, i, work.inputs + read_int32(work.words, i) * work.row_bytes)
    for i in range(count):
        prefetch_row(work.vectors, read_int64(work.input_rows, min(i + AHEAD, count - 1)))
        scale_row(
            0, work.vectors, np.float32(1), read_int64(work.input_rows, i), read_int64(work.gathered_rows, i)
        )


@compiled
def lay_out_lines(work: Any, lines: int) -> None:
    """Put the gathered rows in text order with zeros around each line, and say where every word's line starts and ends.

    ``work.weights`` becomes ``sum_d w_d`` over the words around each, ``w_d = window + 1 - |d|``.
    """
    window, at, start = work.window, np.int64(0), np.int64(0)
    for _ in range(window):
        write_int64(work.around_rows, at, work.zeros)
        at += 1
    for line in range(lines):
        end = read_int64(work.ends, line)
        for i in range(start, end):
            left, right = min(i - start, window), min(end - 1 - i, window)
            weight = left * (2 * window + 1 - left) + right * (2 * window + 1 - right)
            write_float(work.weights, i, np.float32(weight) / np.float32(2))
            write_int64(work.line_starts, i, start)
            write_int64(work.line_ends, i, end)
            write_int64(work.around_rows, at, read_int64(work.gathered_rows, i))
            at += 1
        for _ in range(window + 2):
            write_int64(work.around_rows, at, work.zeros)
            at += 1
        start = end


@compiled
def sum_lines(work: Any, lines: int, out: int, keep: bool) -> None:
    """Window sums of the gathered rows, times ``factors``, into the rows that `out` names; added to them with `keep`."""
    at, start = work.window, np.int64(0)
    for line in range(lines):
        end = read_int64(work.ends, line)
        around, there, scale = work.around_rows + 8 * at, out + 8 * start, work.factors + 4 * start
        sum_windows(keep, work.window, around, there, scale, end - start, work.vectors)
        at += end - start + work.window + 2
        start = end


@compiled
def add_rows(work: Any, count: int, source: int, out: int) -> None:
    """``out_i += source_i`` for rows named by address."""
    for i in range(count):
        scale_row(1, work.vectors, np.float32(1), read_int64(source, i), read_int64(out, i))


@compiled
def clear_rows(work: Any, count: int, rows: int) -> None:
    """Set `count` rows to zero, the first at the address `rows`."""
    for i in range(count):
        clear_row(work.vectors, rows + i * work.row_bytes)
