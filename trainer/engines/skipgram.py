"""Skip-gram with negative sampling, a block of words at a time.

The word i predicts each word j around it with weight w_d = (window + 1 - |d|) / window, the expectation of word2vec's
randomly shrunk window; all pairs of i share their negatives, which then count ``sum_d w_d`` times.
The words around a block of 16 are 16 + 2 window rows, and their part is banded products of the same kind.
Words that share negatives stand apart in the chunk: neighbours, which are about the same things, would push the same
few noise words the same way at once.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from trainer.engines.compiling import compiled
from trainer.engines.emission import LANES
from trainer.engines.lanes import band_row, match_lanes
from trainer.engines.lines import clear_rows
from trainer.engines.memory import read_float, read_int32, read_int64, write_float, write_int64
from trainer.engines.products import (
    add_negative_errors,
    negatives_loss,
    prefetch_rows,
    score_negatives,
    update_negatives,
)
from trainer.engines.rows import dot_with_rows, multiply_rows
from trainer.engines.tables import BLOCK

BAND = 4  # rows whose windows are multiplied together


def near_lanes(window: int) -> int:
    """The lanes that a row's scores take: one for each word of its window, then zeros for the others of its band."""
    return 2 * window + BAND


@compiled
def weigh_near(work: Any, first: int, rows: int, rate: np.float32, measured: bool) -> Any:
    """Scores of the words around into gradients ``rate * w_d * (1 - sigmoid)``, 0 outside the window. Returns their loss."""
    window, stride = work.window, work.spans * LANES
    loss, share = 0.0, rate / np.float32(window)
    for i in range(rows):
        row, here = work.near + 4 * i * stride, first + i
        start = here - window
        low = max(read_int64(work.line_starts, here) - start, np.int64(0))
        high = min(read_int64(work.line_ends, here) - start, 2 * window + 1)
        for lane in range(np.int64(0), stride, np.int64(LANES)):
            band_row(share, window, window, low, high, lane, row + 4 * lane)
        if measured:
            for lane in range(low, high):
                weight = np.float32(window + 1 - abs(lane - window))
                if lane != window:
                    missed = np.float64(read_float(row, lane) / (share * weight))  # 1 - sigmoid
                    loss -= weight / window * math.log(max(1.0 - missed, 1e-8))
    return loss


@compiled
def spare_neighbours(work: Any, ids: int, first: int, step: int, rows: int) -> Any:
    """Take back from a negative's gradients the share of those pairs whose other word it is (word2vec.c leaves them out).

    Returns the loss that goes with it.
    """
    window, loss = work.window, 0.0
    for i in range(rows):
        here = first + i * step
        low = max(read_int64(work.line_starts, here), here - window)
        high = min(read_int64(work.line_ends, here), here + window + 1)
        for group in range(work.groups):
            k = LANES * group
            hits = match_lanes(ids + 4 * k, work.words, low, high)
            while hits and k < work.negatives:
                if hits & 1:
                    at = i * work.groups * LANES + k
                    loss += spare_pairs(work, read_int32(ids, k), here, low, high, at)
                hits, k = hits >> 1, k + 1
    return loss * work.negative_weight


@compiled
def spare_pairs(work: Any, word: int, here: int, low: int, high: int, at: int) -> float:
    """Take back from the gradient `at` the share of the pairs of word `here` whose other word is `word`. Returns their loss."""
    taken = np.float32(0)
    for j in range(low, high):
        if j != here and read_int32(work.words, j) == word:
            taken += np.float32(work.window + 1 - abs(j - here))
    gradient, share = read_float(work.scores, at), taken / read_float(work.weights, here)
    sigmoid = np.float64(gradient / read_float(work.factors, here))
    write_float(work.scores, at, gradient * (np.float32(1) - share))
    return -taken / np.float64(work.window) * math.log(max(1.0 - sigmoid, 1e-8))


@compiled
def train_near(work: Any, count: int, first: int, rows: int, rate: np.float32, measured: bool) -> Any:
    """A block against the words around it: input rows in ``work.gathered``, errors into ``work.summed``, output rows updated.

    `count` is the words of the chunk. Returns the loss (nats, summed over weighted pairs), worked out only where `measured`.
    """
    window, stride = work.window, work.spans * LANES
    states, errors = work.gathered_rows + 8 * first, work.summed_rows + 8 * first
    for k in range(work.around):
        j = first - window + k
        inside = 0 <= j < min(count, first + rows + window)
        row = work.outputs + read_int32(work.words, j) * work.row_bytes if inside else work.zeros
        write_int64(work.near_rows, k, row)
    for i in range(rows):
        around, out = work.near_rows + 8 * i, work.near + 4 * i * stride
        j = first + i + BLOCK + window
        prefetch_rows(work, work.outputs, work.words, j, min(j + 1, count))
        dot_with_rows(read_int64(states, i), around, 2 * window + 1, out, work.vectors)
    loss = weigh_near(work, first, rows, rate, measured)
    clear_rows(work, rows, read_int64(errors, 0))
    slant = 4 * (stride - 1)  # from a word in one row's window to the same word in the next one's
    for i in range(np.int64(0), rows, np.int64(BAND)):  # rows i .. i + BAND reach i .. i + BAND + 2 window
        some, a = min(np.int64(BAND), rows - i), work.near + 4 * i * stride
        items = work.near_rows + 8 * i
        multiply_rows(a, slant, 4, errors + 8 * i, some, items, some + 2 * window, work.vectors)
    for k in range(np.int64(0), rows + 2 * window, np.int64(BAND)):
        j = first + k
        prefetch_rows(work, work.inputs, work.words_ahead, j, min(j + BAND, count, first + BLOCK))
        low, high = max(k - 2 * window, np.int64(0)), min(k + BAND, rows)
        a, out = work.near + 4 * k + low * slant, work.near_rows + 8 * k
        multiply_rows(a, 4, slant, out, BAND, states + 8 * low, high - low, work.vectors)
    return loss


@compiled
def train_negatives(work: Any, ids: int, count: int, first: int, rate: np.float32, measured: bool) -> Any:
    """Word `first` of the chunk's `count` and every one that stands a sixteenth of them further on, against the negatives at `ids`.

    Reads and returns as ``train_near`` does, and adds to the errors that it left.
    """
    step = (count + BLOCK - 1) // BLOCK
    rows, share = (count - first + step - 1) // step, -rate * work.negative_weight / np.float32(work.window)
    for i in range(rows):
        here = first + i * step
        write_int64(work.apart_states, i, read_int64(work.gathered_rows, here))
        write_int64(work.apart_errors, i, read_int64(work.summed_rows, here))
        write_float(work.factors, here, share * read_float(work.weights, here))
    score_negatives(work, ids, read_int64(work.apart_states, 0), first, step, rows, False)
    loss = negatives_loss(work, first, step, rows, rate) if measured else 0.0
    spared = spare_neighbours(work, ids, first, step, rows)
    add_negative_errors(work, work.apart_errors, rows)
    update_negatives(work, ids, work.apart_states, rows)
    return loss - spared if measured else loss
