"""Training on a piece of the text: chunk by chunk, block by block. What a thread runs without the interpreter's lock."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainer.engines.cbow import average_windows, return_errors, train_cbow_block
from trainer.engines.compiling import compiled
from trainer.engines.hierarchy import train_path_block
from trainer.engines.lines import add_rows, clear_rows, gather_rows, lay_out_lines
from trainer.engines.memory import read_float
from trainer.engines.sampling import fill_chunk, mix, piece_key
from trainer.engines.skipgram import train_near, train_negatives
from trainer.engines.subwords import gather_means, scatter_means
from trainer.engines.tables import BLOCK

LOSS_EVERY = 16  # blocks of which one is measured


@compiled
def train_windows(work: Any, count: Any, blocks: Any, rate: np.float32) -> float:
    """Skip-gram's true pairs of one chunk. Returns the loss of the blocks that are measured."""
    loss = 0.0
    for first in range(np.int64(0), count, np.int64(BLOCK)):
        rows, measured = min(np.int64(BLOCK), count - first), blocks % LOSS_EVERY == 0
        loss += train_near(work, count, first, rows, rate, measured)
        blocks += 1
    return loss


@compiled
def train_chunk(
    work: Any, count: Any, lines: int, cursor: Any, blocks: Any, rate: np.float32
) -> tuple[int, float, float]:
    """One chunk, its words in ``work.words``; negatives are read from `cursor` on. Returns (cursor, examples, loss)."""
    if work.subword_starts:
        gather_means(work, count)
    else:
        gather_rows(work, count)
    lay_out_lines(work, lines)
    if not work.skipgram:
        average_windows(work, lines, count)
    if work.path_starts:  # its errors add up
        clear_rows(work, count, work.summed if work.skipgram else work.gathered)
    examples, loss = 0.0, 0.0
    if work.skipgram and not work.path_starts:
        loss += train_windows(work, count, blocks, rate)
    for first in range(np.int64(0), count, np.int64(BLOCK)):
        rows = min(np.int64(BLOCK), count - first)
        measured = blocks % LOSS_EVERY == 0
        if work.path_starts:
            part = train_path_block(work, count, first, rows, rate, measured)
        else:
            if cursor >= work.negative_room:
                cursor = np.int64(0)
            ids = work.negative_ids + 4 * cursor
            if work.skipgram:
                part = train_negatives(work, ids, count, first // BLOCK, rate, measured)
            else:
                part = train_cbow_block(work, ids, count, first, rows, rate, measured)
            cursor += work.negatives
        if measured:
            loss += part
            for i in range(first, first + rows):
                examples += read_float(work.weights, i) / work.window if work.skipgram else 1.0
        blocks += 1
    if not work.skipgram:
        return_errors(work, lines, count)
    elif not work.subword_starts:
        add_rows(work, count, work.summed_rows, work.input_rows)
    if work.subword_starts:
        scatter_means(work, count)
    return cursor, examples, loss


@compiled
def train_span(
    work: Any,
    words: Any,
    ends: Any,
    token_ids: Any,
    line_starts: Any,
    keep: Any,
    seed: int,
    piece: int,
    start: int,
    stop: int,
    first_rate: float,
    last_rate: float,
) -> tuple[float, float]:
    """Train on raw words ``start:stop``, the rate falling from `first_rate` to `last_rate`. Returns (examples, loss).

    One block in ``LOSS_EVERY`` is measured, the same ones whatever they hold, so the mean loss is unbiased.
    """
    key = piece_key(seed, piece)
    cursor = np.int64(mix(key) % np.uint64(max(work.negative_room, 1)))
    line = np.int64(np.searchsorted(line_starts, start, side="right")) - 1
    at, position, blocks = start, start, np.int64(0)
    examples, loss = 0.0, 0.0
    more, more_lines, position, line = fill_chunk(
        token_ids, line_starts, keep, position, stop, line, key, words[1], ends[1]
    )
    while more:
        rate = np.float32(first_rate + (last_rate - first_rate) * (at - start) / (stop - start))
        count, lines, at = more, more_lines, position
        words[0, :count] = words[1, :count]
        ends[0, :lines] = ends[1, :lines]
        more, more_lines, position, line = fill_chunk(
            token_ids, line_starts, keep, position, stop, line, key, words[1], ends[1]
        )
        cursor, more_examples, more_loss = train_chunk(work, count, lines, cursor, blocks, rate)
        examples += more_examples
        loss += more_loss
        blocks += (count + BLOCK - 1) // BLOCK
    return examples, loss
