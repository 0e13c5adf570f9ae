"""Skip-gram with negative sampling, a block of words at a time.

The word i predicts each word j around it with weight w_d = (window + 1 - |d|) / window, the expectation of word2vec's
randomly shrunk window; all pairs of i share the block's negatives, which then count ``sum_d w_d`` times.
The words around a block of 16 are 16 + 2 window rows, and their part is banded products of the same kind.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from trainer.engines.compiling import compiled
from trainer.engines.emission import LANES, ROW_BYTES
from trainer.engines.lanes import band_row, match_lanes
from trainer.engines.memory import read_float, read_int32, read_int64, write_float, write_int64
from trainer.engines.products import (
    add_negative_errors,
    negatives_loss,
    score_negatives,
    update_negatives,
)
from trainer.engines.rows import multiply_lanes, multiply_rows, transpose_rows
from trainer.engines.tables import BLOCK

BAND = 4  # rows whose bands are multiplied together


def near_lanes(window: int) -> int:
    """The lanes that the scores of a block of rows take, one for each word around and what the last band is wider."""
    return max(BLOCK + 2 * window, BLOCK - BAND + LANES * band_vectors(window))


def band_vectors(window: int) -> int:
    """The sixteens of lanes that `BAND` rows from a multiple of it on are scored with.

    Their windows reach `BAND` + 2 window lanes; up to `BAND` - 1 more let the updates, which go by `BAND` lanes from a
    multiple of it, find every score that they read written.
    """
    return -(-(BAND + 2 * window + 2 * window % BAND) // LANES)


@compiled
def score_bands(work: Any, states: int, rows: int) -> None:
    """``near[i, lane] = state_i · near_row_lane`` for the lanes around each row: only a band of the product is needed."""
    stride = work.spans * ROW_BYTES
    for span in range(work.spans):
        out = read_int64(work.near_turned_rows, 0) + span * ROW_BYTES
        transpose_rows(work.near_rows + 8 * LANES * span, out, stride, work.vectors)
    for i in range(np.int64(0), rows, np.int64(BAND)):
        some, out = min(np.int64(BAND), rows - i), work.near_score_rows + 8 * i
        for vector in range(work.band_vectors):
            at = 4 * i + vector * ROW_BYTES
            a = states + i * work.row_bytes
            multiply_lanes(a, work.row_bytes, out, some, work.near_turned_rows, work.dim, at)


@compiled
def weigh_near(work: Any, first: int, rows: int, rate: np.float32, measured: bool) -> Any:
    """Scores of the words around into gradients ``rate * w_d * (1 - sigmoid)``, 0 outside the window. Returns their loss."""
    window, stride = work.window, work.spans * LANES
    loss, share = 0.0, rate / np.float32(window)
    for i in range(rows):
        row, here, center = work.near + 4 * i * stride, first + i, i + window
        low = max(read_int64(work.line_starts, here), here - window) - first + window
        high = min(read_int64(work.line_ends, here), here + window + 1) - first + window
        start = i - i % BAND
        for vector in range(work.band_vectors):
            lane = start + vector * LANES
            band_row(share, center, window, low, high, lane, row + 4 * lane)
        if measured:
            for lane in range(low, high):
                weight = np.float32(window + 1 - abs(lane - center))
                if lane != center:
                    missed = np.float64(read_float(row, lane) / (share * weight))  # 1 - sigmoid
                    loss -= weight / window * math.log(max(1.0 - missed, 1e-8))
    return loss


@compiled
def spare_neighbours(work: Any, ids: int, count: int, first: int, rows: int) -> Any:
    """Take back from a negative's gradients the share of those pairs whose other word it is (word2vec.c leaves them out).

    Returns the loss that goes with it.
    """
    window, loss, hits = work.window, 0.0, np.int64(0)
    low, high = max(first - window, np.int64(0)), min(first + rows + window, count)
    for k in range(work.negatives):
        if k % LANES == 0:
            hits = np.int64(0)
            for j in range(low, high):
                hits |= match_lanes(ids + 4 * k, read_int32(work.words, j))
        if not (hits >> (k % LANES)) & 1:
            continue
        word = read_int32(ids, k)
        for i in range(rows):
            here, taken = first + i, np.float32(0)
            left = max(read_int64(work.line_starts, here), here - window)
            for j in range(left, min(read_int64(work.line_ends, here), here + window + 1)):
                if j != here and read_int32(work.words, j) == word:
                    taken += np.float32(window + 1 - abs(j - here))
            at = i * work.groups * LANES + k
            gradient, share = read_float(work.scores, at), taken / read_float(work.weights, here)
            sigmoid = np.float64(gradient / read_float(work.factors, here))
            loss -= taken / np.float64(window) * math.log(max(1.0 - sigmoid, 1e-8))
            write_float(work.scores, at, gradient * (np.float32(1) - share))
    return loss * work.negative_weight


@compiled
def train_skipgram_block(
    work: Any, ids: int, count: int, first: int, rows: int, rate: np.float32, measured: bool
) -> Any:
    """One block: input rows in ``work.gathered``, errors into ``work.summed``, output rows updated. Returns the loss.

    `ids` is the address of the negatives, `count` the words of the chunk. The loss (nats, summed over weighted pairs)
    is worked out only where `measured`.
    """
    window, stride = work.window, work.spans * LANES
    states, errors = work.gathered_rows + 8 * first, work.summed_rows + 8 * first
    for lane in range(stride):
        j = first - window + lane
        inside = 0 <= j < min(count, first + rows + window)
        row = work.outputs + read_int32(work.words, j) * work.row_bytes if inside else work.zeros
        write_int64(work.near_rows, lane, row)
    score_bands(work, read_int64(states, 0), rows)
    loss = weigh_near(work, first, rows, rate, measured)
    for i in range(rows):
        weight = read_float(work.weights, first + i) / np.float32(window)
        write_float(work.factors, first + i, -rate * work.negative_weight * weight)
    score_negatives(work, ids, read_int64(states, 0), first, rows, False)
    if measured:
        loss += negatives_loss(work, first, rows, rate)
    spared = spare_neighbours(work, ids, count, first, rows)
    if measured:
        loss -= spared
    for i in range(rows * work.row_bytes // 4):
        write_float(read_int64(errors, 0), i, np.float32(0))
    for i in range(
        np.int64(0), rows, np.int64(BAND)
    ):  # rows i .. i + BAND reach lanes i .. i + BAND + 2 window
        some = min(np.int64(BAND), rows - i)
        a, items = work.near + 4 * (i * stride + i), work.near_rows + 8 * i
        multiply_rows(a, 4 * stride, 4, errors + 8 * i, some, items, some + 2 * window, work.vectors)
    add_negative_errors(work, errors, rows)
    update_negatives(work, states, rows)
    for lane in range(np.int64(0), rows + 2 * window, np.int64(BAND)):
        some = min(np.int64(BAND), rows + 2 * window - lane)
        low, high = max(lane - 2 * window, np.int64(0)), min(lane + some, rows)
        a = work.near + 4 * (low * stride + lane)
        multiply_rows(
            a, 4, 4 * stride, work.near_rows + 8 * lane, some, states + 8 * low, high - low, work.vectors
        )
    return loss
