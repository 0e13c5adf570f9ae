"""The output layer of a language model in one pass: scores, softmax, loss and all gradients, for a block of rows.

One array of scores is made, in panels (see ``panels``), and becomes the gradient where it stands. What the plain layers
write as three arrays of [T * B, V] are here: the scores; ``exp(score - largest)`` in their place; and the division by
its sum, which is left to the much smaller factors on either side.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.engines.language.compiled import compiled
from trainer.engines.language.functions import exp_negative
from trainer.engines.language.panels import (
    LANES,
    PANEL,
    move,
    multiply_panel,
    packed_width,
    panel_width,
    point,
)

_GROUP = 8  # rows that are made probabilities together: their scores stay in the second cache
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
        multiply_panel(width, rows, point(h, 0), h.strides[0], 4, panel, out, 4 * width, depth)
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
    lanes = np.empty((_GROUP, PANEL), np.float32)
    largest = np.empty(_GROUP, np.float32)
    chosen = np.empty(_GROUP, np.float32)
    for first in range(0, rows, _GROUP):
        count = min(_GROUP, rows - first)
        lanes.fill(-np.inf)
        start = 0
        while start < columns:
            width = panel_width(columns, start)
            for i in range(count):
                at = start * rows + (first + i) * width
                row, lane = scores[at : at + width], lanes[i]
                for j in range(width):
                    lane[j] = max(lane[j], row[j])
            start += width
        for i in range(count):
            top = lanes[i, 0]
            for j in range(PANEL):
                top = max(top, lanes[i, j])
            largest[i] = top
            chosen[i] = scores[_place(rows, columns, first + i, max(targets[first + i], 0))]
        lanes.fill(0)
        start = 0
        while start < columns:
            width = panel_width(columns, start)
            for i in range(count):
                at = start * rows + (first + i) * width
                row, lane, top = scores[at : at + width], lanes[i], largest[i]
                for j in range(width):
                    value = exp_negative(row[j] - top)
                    row[j] = value
                    lane[j] += value
            start += width
        for i in range(count):
            total = np.float32(0)
            for j in range(PANEL):
                total += lanes[i, j]
            target = targets[first + i]
            factors[first + i] = 0
            if target >= 0:
                loss += np.log(np.float64(total)) - (np.float64(chosen[i]) - np.float64(largest[i]))
                factors[first + i] = d_loss / total
                scores[_place(rows, columns, first + i, target)] -= total
    return loss


@compiled
def _place(rows: int, columns: int, row: int, column: int) -> Any:
    """Where an element stands in panels of ``rows`` rows."""
    start = column // PANEL * PANEL
    width = panel_width(columns, start)
    if width < PANEL:
        start = column // LANES * LANES
    return start * rows + row * width + column - start


@compiled
def add_straight(
    scores: NDArray[np.float32],
    rows: int,
    columns: int,
    scaled: NDArray[np.float32],
    d_W: NDArray[np.float32],
) -> None:
    """``d_W += scaled.T · scores``: ``scaled`` [N, H], ``d_W`` [H, V]."""
    depth = scaled.shape[1]
    item, out_row = scaled.strides[0], d_W.strides[0]
    start = 0
    while start < columns:
        width = panel_width(columns, start)
        panel = point(scores, start * rows)
        if start + width <= columns:
            out = move(point(d_W, 0), 4 * start)
            multiply_panel(width, depth, point(scaled, 0), 4, item, panel, out, out_row, rows)
        else:
            edge = np.zeros((depth, width), np.float32)
            out = point(edge, 0)
            multiply_panel(width, depth, point(scaled, 0), 4, item, panel, out, 4 * width, rows)
            for i in range(depth):
                for j in range(columns - start):
                    d_W[i, start + j] += edge[i, j]
        start += width


@compiled
def add_turned(
    scores: NDArray[np.float32],
    rows: int,
    columns: int,
    depth: int,
    packed_scaled: NDArray[np.float32],
    d_W: NDArray[np.float32],
) -> None:
    """``d_W += scores.T · scaled``: ``scaled`` [N, H] packed, ``d_W`` [V, H]."""
    out_row = d_W.strides[0]
    edge = np.empty((PANEL, LANES), np.float32)
    start = 0
    while start < columns:
        width = panel_width(columns, start)
        filled = min(width, columns - start)
        panel = point(scores, start * rows)
        to = 0
        while to < depth:
            to_width = panel_width(depth, to)
            right = point(packed_scaled, to * rows)
            if to + to_width <= depth:
                out = move(point(d_W, start), 4 * to)
                multiply_panel(to_width, filled, panel, 4, 4 * width, right, out, out_row, rows)
            else:
                edge.fill(0)
                out = point(edge, 0)
                multiply_panel(to_width, filled, panel, 4, 4 * width, right, out, 4 * LANES, rows)
                for i in range(filled):
                    for j in range(depth - to):
                        d_W[start + i, to + j] += edge[i, j]
            to += to_width
        start += width


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
    d_sums = np.zeros((rows, packed_width(depth)), np.float32)
    start = 0
    while start < columns:
        width = panel_width(columns, start)
        panel, out = point(scores, start * rows), point(d_bias, start)
        multiply_panel(width, 1, point(factors, 0), 4, 4, panel, out, 4 * width, rows)
        filled = min(width, columns - start)
        to = 0
        while to < depth:
            to_width = panel_width(depth, to)
            right = point(packed_turned, to * columns + start * to_width)
            out = move(point(d_sums, 0), 4 * to)
            multiply_panel(to_width, rows, panel, 4 * width, 4, right, out, d_sums.strides[0], filled)
            to += to_width
        start += width
    for i in range(rows):
        for j in range(depth):
            d_h[i, j] = d_sums[i, j] * factors[i]
