"""Words whose vector is the mean of their own row and those of their character n-grams.

Bojanowski et al. 2017, arXiv 1607.04606, section 3.2; fastText's model.cc for the update: the error of a word goes
undivided to each of its rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trainer.engines.compiling import compiled
from trainer.engines.lanes import prefetch_row, scale_row
from trainer.engines.memory import read_int32, read_int64


@compiled
def gather_means(work: Any, count: int) -> None:
    """The mean of the rows of each word of the chunk, into ``work.gathered``."""
    for i in range(count):
        word = read_int32(work.words, i)
        start, stop = read_int64(work.subword_starts, word), read_int64(work.subword_starts, word + 1)
        for k in range(start, stop):
            prefetch_row(work.vectors, work.inputs + read_int32(work.subword_rows, k) * work.row_bytes)
        share = np.float32(1) / np.float32(stop - start)
        there = read_int64(work.gathered_rows, i)
        scale_row(0, work.vectors, share, work.inputs + word * work.row_bytes, there)
        for k in range(start + 1, stop):
            row = work.inputs + read_int32(work.subword_rows, k) * work.row_bytes
            scale_row(1, work.vectors, share, row, there)


@compiled
def scatter_means(work: Any, count: int) -> None:
    """Add each word's change, in ``work.summed``, to all of its rows."""
    for i in range(count):
        word = read_int32(work.words, i)
        change = read_int64(work.summed_rows, i)
        for k in range(read_int64(work.subword_starts, word), read_int64(work.subword_starts, word + 1)):
            row = work.inputs + read_int32(work.subword_rows, k) * work.row_bytes
            scale_row(1, work.vectors, np.float32(1), change, row)
