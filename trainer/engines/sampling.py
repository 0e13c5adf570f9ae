"""What is random in training: which words are kept, and which words are negatives.

Randomness is counted, not drawn: every number is a hash of (seed, piece, position), so that training can stop
and go on at any piece, in any order of threads, and still sees the same words and negatives.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.engines.compiling import compiled
from trainer.engines.tables import CHUNK

CHUNK_BYTES = 1 << 24  # of a chunk's rows at most
REPEATS = 8  # of the commonest row in a chunk
PIECE = 8192  # raw words that are handed out to a thread at once
_STEP = np.uint64(0x9E3779B97F4A7C15)


@compiled
def mix(value: np.uint64) -> np.uint64:
    """Scatter the bits of a 64-bit counter (the finisher of splitmix64, Steele et al. 2014)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@compiled
def piece_key(seed: int, piece: int) -> Any:
    return mix(mix(np.uint64(seed) + _STEP) + np.uint64(piece) * _STEP)


def keep_thresholds(counts: NDArray[np.int64], subsample: float) -> NDArray[np.uint32]:
    """Subsampling: a word is kept when a random 32-bit number is at most its threshold. uint32 [V].

    word2vec.c's rule: probability ``sqrt(t / f) + t / f`` for a word of relative frequency f (Mikolov et al. 2013,
    section 2.3, has only the root); `subsample` 0 keeps every word.
    """
    keep = np.ones(len(counts))
    if subsample > 0:
        ratio = subsample * counts.sum() / np.maximum(counts, 1)
        keep = np.minimum(np.sqrt(ratio) + ratio, 1.0)
    return np.minimum(np.floor(keep * 2.0**32), 2.0**32 - 1).astype(np.uint32)


def negative_table(
    counts: NDArray[np.int64], *, seed: int, size: int | None = None, power: float = 0.75
) -> NDArray[np.int32]:
    """A shuffled table of word ids whose shares are those of ``counts ** power``, to be read in order. int32 [size].

    Reading on is a draw without a random look-up. Shares are exact to one entry, at a random offset, so a word too
    rare for an entry of its own still has its chance over seeds.
    """
    size = size or max(min(max(64 * len(counts), 1 << 16), 1 << 22), 4 * len(counts))
    rng = np.random.default_rng([seed, 0x6E656761])
    share = np.cumsum(counts.astype(np.float64) ** power)
    edges = np.floor(share / share[-1] * size + rng.random()).astype(np.int64)
    edges[-1] = size
    table = np.repeat(np.arange(len(counts), dtype=np.int32), np.diff(np.minimum(edges, size), prepend=0))
    rng.shuffle(table)
    return table


def choose_chunk(
    counts: NDArray[np.int64],
    keep: NDArray[np.uint32],
    *,
    window: int,
    dim: int,
    usual: int = CHUNK,
    starts: NDArray[np.int64] | None = None,
    rows: NDArray[np.int32] | None = None,
) -> int:
    """How many words to gather and scatter together.

    The `usual` number, or more where the window is so wide that cutting lines would cost much of it.
    A row that comes up often in a chunk gets all its updates at once, each blind to the others; too many of them make
    training diverge. The commonest row (`starts` and `rows` as of subwords) shall come up about eight times.
    """
    share: NDArray[Any] = counts * (keep / 2.0**32)
    share /= max(share.sum(), 1e-9)
    if starts is not None and rows is not None:
        share = np.bincount(rows, weights=np.repeat(share, np.diff(starts)))
    least = max(16, 2 * window + 2)
    most = min(max(usual, 16 * window), max(least, CHUNK_BYTES // (4 * dim)))
    return int(np.clip(REPEATS / share.max(), least, most))


@compiled
def fill_chunk(
    token_ids: Any,
    line_starts: Any,
    keep: Any,
    position: Any,
    stop: int,
    line: Any,
    key: Any,
    words: Any,
    ends: Any,
) -> tuple[Any, Any, Any, Any]:
    """Read on from `position` until `words` is full or `stop` is reached; drop what subsampling drops.

    `words` (int32) gets the kept ids, `ends` (int64) the end of each line among them; lines left with one word
    have no context and are dropped. Long lines are cut where the chunk ends.
    Returns (words, lines, position, line).
    """
    count, lines, room = np.int64(0), np.int64(0), np.int64(len(words))
    while position < stop and count + 1 < room:
        line_end = min(line_starts[np.uint64(line + 1)], stop)
        start = count
        while position < line_end and count < room:
            token_id = token_ids[np.uint64(position)]
            if token_id >= 0:
                draw = np.uint32(mix(key + np.uint64(position) * _STEP) >> np.uint64(32))
                words[np.uint64(count)] = token_id
                count += np.int64(draw <= keep[np.uint64(token_id)])
            position += 1
        if position == line_starts[np.uint64(line + 1)]:
            line += 1
        if count - start < 2:
            count = start
        else:
            ends[np.uint64(lines)] = count
            lines += 1
    return count, lines, position, line
