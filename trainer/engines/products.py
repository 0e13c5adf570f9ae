"""A block of words against many rows at once: scores, errors and updates as small matrix products.

Each target is set against the same K negatives, weighted n/K so that the expected loss is that of n own negatives
(pWord2Vec, Ji et al. 2016, arXiv 1604.04661). A block computes everything from the rows as they were and then
adds all its updates.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from trainer.engines.compiling import compiled
from trainer.engines.emission import LANES, ROW_BYTES
from trainer.engines.lanes import TILE_ROWS, prefetch_row, sigmoid_row
from trainer.engines.memory import read_float, read_int32, read_int64, write_int64
from trainer.engines.rows import multiply_lanes, multiply_rows, transpose_rows


@compiled
def prefetch_rows(work: Any, table: int, ids: int, start: int, stop: int) -> None:
    """Ask for the rows of ``ids[start:stop]``: a few at a time, among products.

    More requests than a core can have open hold up all that follows; few are served while it multiplies.
    """
    for i in range(start, stop):
        prefetch_row(work.vectors, table + read_int32(ids, i) * work.row_bytes)


@compiled
def score_rows(
    work: Any, states: int, apart: int, rows: int, items: int, groups: int, addresses: int
) -> None:
    """``scores[i, k] = state_i · item_k`` for `rows` states and `groups` sixteens of items.

    `states` is the address of the first of rows that lie `apart` bytes from each other, `items` of row addresses; the
    sixteens of the scores lie at `addresses` ``[groups, depth]``. Sixteen items are turned, so that a score is a lane.
    """
    for group in range(groups):
        transpose_rows(items + 8 * LANES * group, read_int64(work.turned_rows, 0), work.vectors)
        multiply_lanes(states, apart, addresses + 8 * work.depth * group, rows, work.turned_rows, work.dim)


@compiled
def score_negatives(work: Any, ids: int, states: int, first: int, step: int, rows: int, masked: bool) -> None:
    """Gradients ``factors[first + i step] * sigmoid`` of every `step`-th word's scores against the negatives at `ids`.

    `states` is the address of the first one's row. With `masked`, a negative that is the row's own word counts nothing (word2vec.c).
    """
    for k in range(work.negatives):
        write_int64(work.negative_rows, k, work.outputs + read_int32(ids, k) * work.row_bytes)
    score_rows(work, states, step * work.row_bytes, rows, work.negative_rows, work.groups, work.score_rows)
    for i in range(rows):
        here = first + i * step
        factor, word = read_float(work.factors, here), read_int32(work.words, here)
        for group in range(work.groups):
            row = work.scores + (i * work.groups + group) * ROW_BYTES
            if masked:
                sigmoid_row(1, factor, ids + 4 * LANES * group, word, row)
            else:
                sigmoid_row(0, factor, 0, 0, row)


@compiled
def add_negative_errors(work: Any, errors: int, rows: int) -> None:
    """``errors_i += sum_k scores[i, k] negative_k``; `errors` is the address of row addresses."""
    stride = work.groups * ROW_BYTES
    multiply_rows(work.scores, stride, 4, errors, rows, work.negative_rows, work.negatives, work.vectors)


@compiled
def update_negatives(work: Any, ids: int, states: int, rows: int) -> None:
    """``negative_k += sum_i scores[i, k] state_i``; `states` is the address of row addresses.

    Meanwhile it asks for the rows of the next block's negatives, which follow at `ids`.
    """
    stride = work.groups * ROW_BYTES
    for k in range(np.int64(0), work.negatives, np.int64(TILE_ROWS)):
        some, a = min(np.int64(TILE_ROWS), work.negatives - k), work.scores + 4 * k
        prefetch_rows(work, work.outputs, ids, work.negatives + k, work.negatives + k + some)
        multiply_rows(a, 4, stride, work.negative_rows + 8 * k, some, states, rows, work.vectors)


@compiled
def negatives_loss(work: Any, first: int, step: int, rows: int, rate: float) -> float:
    """``sum of -log(1 - sigmoid(score))`` of every `step`-th word, weighted as its gradients are over `rate`; nats."""
    loss = 0.0
    for i in range(rows):
        factor = np.float64(read_float(work.factors, first + i * step))
        row = work.scores + i * work.groups * ROW_BYTES
        for start in range(np.int64(0), work.negatives, np.int64(LANES)):
            product = 1.0
            for k in range(start, min(start + LANES, work.negatives)):
                product *= max(1.0 - read_float(row, k) / factor, 1e-8)
            loss += factor / rate * math.log(product)
    return loss
