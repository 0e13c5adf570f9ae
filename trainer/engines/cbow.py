"""CBOW with negative sampling, a block of targets at a time.

h_t = sum_d w_d x_{t+d} / sum_d w_d with w_d = (window + 1 - |d|) / window: the expectation of word2vec's randomly
shrunk window (Mikolov et al. 2013, arXiv 1301.3781 and 1310.4546). The error e_t goes back to each word of the window
as ``context_rate * w_d * e_t``: undivided with 1, as in word2vec.c; the true gradient is about 1 / (window + 1).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from trainer.engines.compiling import compiled
from trainer.engines.lanes import dot_row, scale_row, sigmoid_row
from trainer.engines.lines import sum_lines
from trainer.engines.memory import read_float, read_int32, read_int64, write_float, write_int64
from trainer.engines.products import (
    add_negative_errors,
    negatives_loss,
    prefetch_rows,
    score_negatives,
    update_negatives,
)
from trainer.engines.tables import BLOCK


@compiled
def average_windows(work: Any, lines: int, count: int) -> None:
    """The hidden vectors of a chunk, into ``work.summed``."""
    for i in range(count):
        write_float(work.factors, i, np.float32(1) / read_float(work.weights, i))
    sum_lines(work, lines, work.summed_rows, False)


@compiled
def return_errors(work: Any, lines: int, count: int) -> None:
    """Add the window sums of the errors in ``work.gathered`` to the input rows; with subwords, leave them in ``work.summed``."""
    for i in range(count):
        write_float(work.factors, i, work.context_rate / np.float32(work.window))
    if work.subword_starts:
        sum_lines(work, lines, work.summed_rows, False)
    else:
        sum_lines(work, lines, work.input_rows, True)


@compiled
def train_cbow_block(
    work: Any, ids: int, count: int, first: int, rows: int, rate: np.float32, measured: bool
) -> float:
    """One block: hidden vectors in ``work.summed``, errors into ``work.gathered``, output rows updated. Returns the loss.

    `ids` is the address of the negatives, `count` the words of the chunk. The loss (nats, summed) is worked out only where `measured`.
    """
    states, errors, targets = work.summed_rows + 8 * first, work.gathered_rows + 8 * first, work.target_rows
    for i in range(rows):
        target = work.outputs + read_int32(work.words, first + i) * work.row_bytes
        write_int64(targets, i, target)
        ahead = first + BLOCK + i
        prefetch_rows(work, work.outputs, work.words, ahead, min(ahead + 1, count))
        dot_row(work.vectors, target, read_int64(states, i), work.positives + 4 * i)
        write_float(work.positives, i, -read_float(work.positives, i))
        write_float(work.factors, first + i, -rate * work.negative_weight)
    sigmoid_row(0, rate, 0, 0, work.positives)  # rate * (1 - sigmoid(score))
    score_negatives(work, ids, read_int64(states, 0), first, np.int64(1), rows, True)
    loss = 0.0
    if measured:
        loss = negatives_loss(work, first, np.int64(1), rows, rate)
        for i in range(rows):
            loss -= math.log(max(1.0 - read_float(work.positives, i) / np.float64(rate), 1e-8))
    for i in range(rows):
        scale_row(
            0, work.vectors, read_float(work.positives, i), read_int64(targets, i), read_int64(errors, i)
        )
    add_negative_errors(work, errors, rows)
    update_negatives(work, ids, states, rows)
    for i in range(rows):
        scale_row(
            1, work.vectors, read_float(work.positives, i), read_int64(states, i), read_int64(targets, i)
        )
        prefetch_rows(work, work.inputs, work.words_ahead, first + i, first + i + 1)
    return loss
