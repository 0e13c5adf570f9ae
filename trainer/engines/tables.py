"""The two tables of vectors and the buffers of a thread, laid out for the row kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.engines.emission import LANES

BLOCK = 16  # targets that share their negatives
CHUNK = 256  # words whose rows are gathered and scattered together, more for wide windows
ALIGNMENT = 64


def aligned_zeros(rows: int, dim: int) -> NDArray[np.float32]:
    """float32 zeros ``[rows, dim rounded up to 16]`` on a 64-byte boundary."""
    width = -(-dim // LANES) * LANES
    flat = np.zeros(rows * width + LANES, dtype=np.float32)
    start = (-flat.ctypes.data % ALIGNMENT) // 4
    return flat[start : start + rows * width].reshape(rows, width)


def first_inputs(words: int, dim: int, seed: int) -> NDArray[np.float32]:
    """Input vectors to begin with: uniform in ±1/(2 dim), as word2vec.c. float32 [words, padded dim]."""
    table = aligned_zeros(words, dim)
    rng = np.random.default_rng([seed, 0x696E7075])
    for start in range(0, words, 65536):
        part = table[start : start + 65536, :dim]
        part[:] = (rng.random(part.shape, dtype=np.float32) - np.float32(0.5)) / np.float32(dim)
    return table


def row_addresses(table: NDArray[np.float32]) -> NDArray[np.int64]:
    """The address of every row of ``[..., W]``, flattened."""
    rows = int(np.prod(table.shape[:-1]))
    return table.ctypes.data + np.arange(rows, dtype=np.int64) * table.strides[-2]


class Workspace:
    """One thread's buffers; W is the padded dim. ``*_rows`` hold addresses of rows.

    `record` holds every number that compiled code needs: the address of each buffer under its name, and `constants`.
    """

    def __init__(
        self,
        *,
        dim: int,
        negatives: int,
        window: int,
        near: int,
        chunk: int,
        constants: dict[str, int],
        rates: dict[str, float],
    ) -> None:
        """`near` is how many rows beside the negatives a state can meet: the words around it, or a path; `chunk` how many words it takes at once."""
        zeros = aligned_zeros(1, dim)
        width = zeros.shape[1]
        # Rows named at once: those around a block, or a path, and what a product may read beyond.
        around = BLOCK + near + LANES
        groups, spans, depth = -(-negatives // LANES), -(-near // LANES), max(BLOCK, 2 * window + 1)
        gathered, summed = aligned_zeros(chunk, dim), aligned_zeros(chunk, dim)
        turned, scores = aligned_zeros(width, LANES), aligned_zeros(depth, groups * LANES)
        near_scores = aligned_zeros(depth + 1, spans * LANES)[:depth]  # a product may write beyond the last
        words = np.zeros((2, chunk + LANES), np.int32)
        self.words = words[:, :chunk]  # ids of a chunk, and of the next
        self.ends = np.zeros((2, chunk), np.int64)  # ends of their lines
        self.buffers: dict[str, NDArray[Any]] = {
            "zeros": zeros,  # [1, W] "no word here"
            "gathered": gathered,  # [chunk, W]
            "summed": summed,  # [chunk, W]
            "scores": scores,  # [depth, K in sixteens] of negatives; then their gradients
            "near": near_scores,  # [depth, near in sixteens] of the words around or the path; then their gradients
            "positives": aligned_zeros(1, BLOCK),  # [BLOCK] of the targets
            "factors": np.zeros(chunk, np.float32),  # what each row is multiplied with
            "weights": np.zeros(chunk, np.float32),  # what the words around each add up to
            "line_starts": np.zeros(chunk, np.int64),  # where each word's line starts in the chunk
            "line_ends": np.zeros(chunk, np.int64),
            "gathered_rows": row_addresses(gathered),
            "summed_rows": row_addresses(summed),
            "turned": turned,  # [W, 16] sixteen rows, transposed
            "turned_rows": row_addresses(turned),
            "score_rows": lane_addresses(scores),  # [groups, depth]
            "near_score_rows": lane_addresses(near_scores),
            "negative_rows": np.full(groups * LANES, zeros.ctypes.data, np.int64),  # output rows
            "apart_states": np.zeros(BLOCK, np.int64),  # rows of words that stand apart and share negatives
            "apart_errors": np.zeros(BLOCK, np.int64),
            "near_rows": np.full(around, zeros.ctypes.data, np.int64),
            "input_rows": np.zeros(chunk, np.int64),  # rows of the tables
            "target_rows": np.zeros(chunk, np.int64),
            "around_rows": np.zeros(window + chunk + (chunk // 2 + 1) * (window + 2), np.int64),
            "words": words[0],
            "words_ahead": words[1],
            "ends": self.ends[0],
        }
        whole = {name: buffer.ctypes.data for name, buffer in self.buffers.items()}
        whole |= {"dim": dim, "row_bytes": 4 * width, "vectors": width // LANES, "window": window}
        whole |= {"negatives": negatives, "groups": groups, "spans": spans, "depth": depth, "around": around}
        whole |= constants
        kinds = [(name, np.int64) for name in whole] + [(name, np.float32) for name in rates]
        self.record = np.array([(*whole.values(), *rates.values())], dtype=kinds)[0]


def lane_addresses(table: NDArray[np.float32]) -> NDArray[np.int64]:
    """The addresses of the sixteens of every row of ``[rows, 16 groups]``: int64 ``[groups * rows]``."""
    groups = np.arange(table.shape[1] // LANES, dtype=np.int64)[:, None] * (4 * LANES)
    return (groups + row_addresses(table)).reshape(-1)
