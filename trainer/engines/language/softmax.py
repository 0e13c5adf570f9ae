"""The output layer of a language model in one pass: scores, softmax, loss and all gradients, for a block of rows.

One array of scores is made, in panels (see ``panels``), and becomes the gradient where it stands. What the plain layers
write as three arrays of [T * B, V] are here: the scores; ``exp(score - largest)`` in their place; and the division by
its sum, which is left to the much smaller factors on either side.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.engines.emission import LANES
from trainer.engines.language.compiled import compiled
from trainer.engines.language.functions import exp_negative
from trainer.engines.language.panels import (
    PANEL,
    multiply_panel,
    packed_width,
    panel_width,
)
from trainer.engines.language.tiles import move, point

_GROUP = 8  # rows that are made probabilities together: their scores stay in the second cache
_DEEP = 512  # columns of the scores that are multiplied together: what they meet stays in the second cache
_ABSENT = np.float32(-1e30)  # the score of a column that only fills up the last panel


@compiled
def make_scores(
    h: NDArray[np.float32],
    packed: NDArray[np.float32],
    bias: NDArray[np.float32],
    scores: NDArray[np.float32],
) -> None:
    """``scores = h · W + bias`` in panels, for ``h`` [N, H], W [H, V] packed and ``bias`` [V]."""
    rows, depth = h.shape
    columns = len(bias)
    start = 0
    while start < columns:
        width = panel_width(columns, start)
        filled = min(width, columns - start)
        for i in range(rows):
            row = scores[start * rows + i * width : start * rows + (i + 1) * width]
            for j in range(filled):
                row[j] = bias[start + j]
            for j in range(filled, width):
                row[j] = _ABSENT
        panel, out = point(packed, start * depth), point(scores, start * rows)
        multiply_panel(width, rows, point(h, 0), h.strides[0], 4, 0, panel, out, 4 * width, depth, 1, 1)
        start += width


@compiled
def exponentiate(
    scores: NDArray[np.float32],
    rows: int,
    columns: int,
    targets: NDArray[np.int32],
    d_loss: float,
    factors: NDArray[np.float32],
) -> float:
    """The summed loss of ``rows`` rows; ``factors[i] * scores[i]`` is afterwards the gradient of ``d_loss`` times it.

    ``scores`` are panels of ``columns`` columns. A negative target has no loss, and a factor of 0.
    """
    loss = 0.0
    # A group's rows of one panel are one run of memory. Wide panels and narrow ones have maxima and sums of their own.
    shape = (2, _GROUP * PANEL)
    maxima, sums, tops = np.empty(shape, np.float32), np.empty(shape, np.float32), np.empty(shape, np.float32)
    largest = np.empty(_GROUP, np.float32)
    chosen = np.empty(_GROUP, np.float32)
    for first in range(0, rows, _GROUP):
        count = min(_GROUP, rows - first)
        maxima.fill(-np.inf)
        sums.fill(0)
        start = 0
        while start < columns:
            width = panel_width(columns, start)
            _raise(_take(scores, rows, start, width, first, count), maxima[int(width < PANEL)])
            start += width
        for i in range(count):
            largest[i] = max(_largest(maxima[0], i, PANEL), _largest(maxima[1], i, LANES))
            tops[0, i * PANEL : (i + 1) * PANEL] = largest[i]
            tops[1, i * LANES : (i + 1) * LANES] = largest[i]
            chosen[i] = scores[_place(rows, columns, first + i, max(targets[first + i], 0))]
        start = 0
        while start < columns:
            width = panel_width(columns, start)
            kind = int(width < PANEL)
            _exponentiate_run(_take(scores, rows, start, width, first, count), tops[kind], sums[kind])
            start += width
        for i in range(count):
            total = np.float32(0)
            for j in range(PANEL):
                total += sums[0, i * PANEL + j]
            for j in range(LANES):
                total += sums[1, i * LANES + j]
            target = targets[first + i]
            factors[first + i] = 0
            if target >= 0:
                loss += np.log(np.float64(total)) - (np.float64(chosen[i]) - np.float64(largest[i]))
                factors[first + i] = d_loss / total
                scores[_place(rows, columns, first + i, target)] -= total
    return loss


@compiled
def _take(scores: NDArray[np.float32], rows: int, start: int, width: int, first: int, count: int) -> Any:
    """``count`` rows, from ``first``, of the panel that begins at column ``start``."""
    return scores[start * rows + first * width : start * rows + (first + count) * width]


@compiled
def _raise(run: NDArray[np.float32], maxima: NDArray[np.float32]) -> None:
    for k in range(len(run)):
        maxima[k] = max(maxima[k], run[k])


@compiled
def _largest(maxima: NDArray[np.float32], row: int, width: int) -> Any:
    top = maxima[row * width]
    for j in range(width):
        top = max(top, maxima[row * width + j])
    return top


@compiled
def _exponentiate_run(run: NDArray[np.float32], tops: NDArray[np.float32], sums: NDArray[np.float32]) -> None:
    for k in range(len(run)):
        value = exp_negative(run[k] - tops[k])
        run[k] = value
        sums[k] += value


@compiled
def _place(rows: int, columns: int, row: int, column: int) -> Any:
    """Where an element stands in panels of ``rows`` rows."""
    start = column // PANEL * PANEL
    width = panel_width(columns, start)
    if width < PANEL:
        start = column // LANES * LANES
    return start * rows + row * width + column - start


@compiled
def close_scores(
    scores: NDArray[np.float32],
    factors: NDArray[np.float32],
    packed_turned: NDArray[np.float32],
    d_h: NDArray[np.float32],
    d_bias: NDArray[np.float32],
) -> None:
    """``d_h = G · W.T`` and ``d_bias += Σ G``, where row i of G is ``factors[i] * scores[i]``.

    ``scores`` are panels of as many rows as ``d_h`` [N, H] has, ``packed_turned`` is W [H, V] transposed, packed, and
    ``d_bias`` [packed_width(V)].
    """
    rows, depth = d_h.shape
    columns = len(packed_turned) // packed_width(depth)
    d_sums = np.empty((rows, packed_width(depth)), np.float32)
    start = 0
    while start < columns:
        width = panel_width(columns, start)
        pieces = max(1, min(columns - start, _DEEP) // PANEL) if width == PANEL else 1
        filled = min(width, columns - start)
        to = 0
        while to < depth:
            to_width = panel_width(depth, to)
            panel, right = point(scores, start * rows), point(packed_turned, to * columns + start * to_width)
            out, out_row = move(point(d_sums, 0), 4 * to), d_sums.strides[0]
            multiply_panel(
                to_width,
                rows,
                panel,
                4 * width,
                4,
                4 * width * rows,
                right,
                out,
                out_row,
                filled,
                pieces,
                start,
            )
            to += to_width
        for _ in range(pieces):
            panel, out = point(scores, start * rows), point(d_bias, start)
            multiply_panel(width, 1, point(factors, 0), 4, 4, 0, panel, out, 4 * width, rows, 1, 1)
            start += width
    for i in range(rows):
        for j in range(depth):
            d_h[i, j] = d_sums[i, j] * factors[i]
