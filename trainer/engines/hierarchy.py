"""Hierarchical softmax for both models: a target's path down the Huffman tree in place of negatives.

The tree and its signs are those of ``layers.hierarchical_softmax``. All states that predict a target (one mean for CBOW,
every word around for skip-gram) meet all nodes of its path in one small product; updates follow target by target.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.backend import choose
from trainer.engines.compiling import compiled
from trainer.engines.emission import LANES, ROW_BYTES
from trainer.engines.lanes import dot_row, prefetch_row, sigmoid_row
from trainer.engines.memory import read_float, read_int32, read_int64, write_float, write_int64
from trainer.engines.products import score_rows
from trainer.engines.rows import multiply_rows
from trainer.layers.hierarchical_softmax import HuffmanTree

BATCH = 1 << 16


def tree_paths(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Every word's path: starts int64 [V + 1], and steps int32, ``2 * node + code``, from the leaf up to the root."""
    tree = HuffmanTree(counts, backend=choose("cpu"))
    starts, steps = [np.zeros(1, np.int64)], []
    for first in range(0, len(counts), BATCH):
        paths = tree.paths(np.arange(first, min(first + BATCH, len(counts))))
        starts.append(paths.present.sum(axis=1, dtype=np.int64))
        steps.append((2 * paths.nodes.astype(np.int32) + paths.codes)[paths.present])
    return np.cumsum(np.concatenate(starts)), np.concatenate(steps)


@compiled
def prefetch_path(work: Any, word: int) -> None:
    """Ask for the nodes of a word's path."""
    for k in range(read_int64(work.path_starts, word), read_int64(work.path_starts, word + 1)):
        prefetch_row(work.vectors, work.outputs + (read_int32(work.path_rows, k) >> 1) * work.row_bytes)


@compiled
def score_path(work: Any, states: int, rows: int, length: int) -> None:
    """``work.near[i, k]``: how sure state i is that the answer at node k is yes. `states` is the address of addresses."""
    spans = (length + LANES - 1) // LANES
    if rows == 1:  # one state has too little to share for a product
        for k in range(length):
            dot_row(work.vectors, read_int64(states, 0), read_int64(work.near_rows, k), work.near + 4 * k)
    else:
        score_rows(
            work, read_int64(states, 0), work.row_bytes, rows, work.near_rows, spans, work.near_score_rows
        )
    for i in range(rows):
        for span in range(spans):
            sigmoid_row(0, np.float32(1), 0, 0, work.near + (i * work.spans + span) * ROW_BYTES)


@compiled
def train_path_block(work: Any, count: int, first: int, rows: int, rate: np.float32, measured: bool) -> Any:
    """Train on targets ``first .. first + rows`` of the chunk, one after the other. Returns the loss where `measured`.

    CBOW: states in ``work.summed``, errors added to ``work.gathered``; skip-gram the other way round.
    """
    loss: Any = 0.0
    window, stride = work.window, work.spans * LANES
    for target in range(first, first + rows):
        word = read_int32(work.words, target)
        prefetch_path(work, read_int32(work.words, min(target + 2, count - 1)))
        start, stop = read_int64(work.path_starts, word), read_int64(work.path_starts, word + 1)
        length = stop - start
        for k in range(stride):
            node = work.zeros
            if k < length:
                node = work.outputs + (read_int32(work.path_rows, start + k) >> 1) * work.row_bytes
            write_int64(work.near_rows, k, node)
        low, high, states, errors = target, target + 1, work.summed_rows, work.gathered_rows
        if work.skipgram:
            low = max(read_int64(work.line_starts, target), target - window)
            high = min(read_int64(work.line_ends, target), target + window + 1)
            states, errors = work.gathered_rows, work.summed_rows
        score_path(work, states + 8 * low, high - low, length)
        for i in range(high - low):
            weight = np.float32(1)
            if work.skipgram:
                distance = abs(low + i - target)
                weight = np.float32(window + 1 - distance) / np.float32(window) if distance else np.float32(0)
            row = work.near + 4 * i * stride
            for k in range(length):
                answer = np.float32(1 - (read_int32(work.path_rows, start + k) & 1))  # code 0 says yes
                value = read_float(row, k)
                if measured:
                    loss -= weight * math.log(max(np.float32(1) - abs(answer - value), np.float32(1e-8)))
                write_float(row, k, rate * weight * (answer - value))
        multiply_rows(
            work.near, 4 * stride, 4, errors + 8 * low, high - low, work.near_rows, length, work.vectors
        )
        multiply_rows(
            work.near, 4, 4 * stride, work.near_rows, length, states + 8 * low, high - low, work.vectors
        )
    return loss
