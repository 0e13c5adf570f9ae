"""The nearest rows of every row on cores: blocks of scores, each of which serves its rows and its columns."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from artifact.search import rounding_of_scores
from trainer.engines.neighbour_kernels import ANY_SCORE, decide_rows, guess_thresholds, take_block
from trainer.engines.selection import Selected

BLOCK = 512
"""Rows and columns of a block: its scores are a mebibyte, which a core's own cache holds."""
_LEAST_ROOM = 64
_PART = 65_536
_SAMPLE = 1_024
"""Rows that first thresholds are guessed from, where there are many more."""


class _Search:
    """One table of neighbours in the making. Threads compute blocks by themselves, and take turns to keep their scores."""

    def __init__(self, vectors: NDArray[Any], norms: NDArray[np.float32], count: int) -> None:
        V, D = vectors.shape
        self.count = count
        self.table = vectors.astype(np.float32, copy=False)
        self.units = np.empty((V, D), np.float32)
        self.lengths = np.empty(V)
        for start in range(0, V, _PART):
            rows = slice(start, start + _PART)
            wide = vectors[rows].astype(np.float64)
            lengths = np.sqrt(np.einsum("vd,vd->v", wide, wide))
            self.lengths[rows] = lengths
            self.units[rows] = wide / np.where(lengths > 0, lengths, 1)[:, np.newaxis]
        self.live = norms > 0
        self.thresholds = np.where(self.live, ANY_SCORE, np.float32(np.inf)).astype(np.float32)
        room = count + max(count, _LEAST_ROOM)
        self.scores, self.ids = np.empty((V, room), np.float32), np.empty((V, room), np.int32)
        self.counts = np.zeros(V, np.int32)
        self.slack = np.float32(2 * rounding_of_scores(D))  # either score may be off
        self.tiles = -(-V // BLOCK)
        self.locks = [threading.Lock() for _ in range(self.tiles)]
        self.own = threading.local()
        self.stopped = False

    def choose_sample(self) -> tuple[NDArray[np.float32], int] | None:
        """Some rows, and which of the scores with them is in all likelihood below the last that is wanted; None for few.

        Of the ``count`` nearest rows about s = count * _SAMPLE / V are among the sample. More than s + 6 √s + 5 of them are there
        for one row in millions, which then finds too few and is left to others.
        """
        live = np.flatnonzero(self.live)
        share = self.count * _SAMPLE / max(len(live), 1)
        nth = int(share + 6 * share**0.5 + 6)  # the row itself may be in the sample
        if len(live) < 8 * _SAMPLE or nth > _SAMPLE // 8:
            return None
        chosen = np.random.default_rng(0).choice(live, _SAMPLE, replace=False)
        return self.units[chosen], nth

    def guess(self, tile: int, sample: NDArray[np.float32], nth: int) -> None:
        """The thresholds of a tile of rows."""
        rows = slice(tile * BLOCK, (tile + 1) * BLOCK)
        guess_thresholds(self.units[rows] @ sample.T, nth, self.slack, self.thresholds[rows])

    def take_tile(self, tile: int) -> int:
        """All products of a tile of rows with itself and those after it; returns how many scores those are."""
        if not hasattr(self.own, "scores"):
            self.own.scores = np.empty(BLOCK * BLOCK, np.float32)
            self.own.scratch = np.empty(self.scores.shape[1], np.float32)
        mine = self.units[tile * BLOCK : (tile + 1) * BLOCK]
        done = 0
        for other in range(tile, self.tiles):
            if self.stopped:
                break
            theirs = self.units[other * BLOCK : (other + 1) * BLOCK]
            block = self.own.scores[: len(mine) * len(theirs)].reshape(len(mine), len(theirs))
            np.matmul(mine, theirs.T, out=block)
            # Always the earlier one first, so that no two wait for each other.
            with self.locks[tile], self.locks[other] if other > tile else nullcontext():
                take_block(
                    block,
                    tile * BLOCK,
                    other * BLOCK,
                    self.live,
                    self.count,
                    self.slack,
                    self.thresholds,
                    self.scores,
                    self.ids,
                    self.counts,
                    self.own.scratch,
                )
            done += block.size
        return done

    def decide(self, start: int, ids: NDArray[np.int32], cosines: NDArray[np.float32]) -> None:
        """Fill in a part of the result, from row ``start``."""
        decide_rows(
            start,
            min(start + BLOCK, len(ids)),
            self.count,
            self.slack,
            self.table,
            self.units,
            self.lengths,
            self.thresholds,
            self.scores,
            self.ids,
            self.counts,
            ids,
            cosines,
        )


def select_neighbours(
    vectors: NDArray[Any],
    norms: NDArray[np.float32],
    count: int,
    *,
    progress: Callable[[int, int], object],
    threads: int,
) -> Selected:
    """The ``count`` nearest of the other rows of ``vectors`` [V, D], whose ``norms`` are [V], decided in float64.

    ``progress`` hears of the rows that are done, as far as that can be said: of the share of the products, in rows. Beside
    the result [V, N] it takes twice as much memory, and that of the vectors in float32.
    """
    V = len(vectors)
    search = _Search(vectors, norms, count)
    total = sum(min(BLOCK, V - start) * (V - start) for start in range(0, V, BLOCK))
    ids, cosines = np.full((V, count), -1, np.int32), np.zeros((V, count), np.float32)
    progress(0, V)
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads, "neighbours") as pool:
        try:
            if (chosen := search.choose_sample()) is not None:
                list(pool.map(lambda tile: search.guess(tile, *chosen), range(search.tiles)))
            done = 0
            for future in as_completed([pool.submit(search.take_tile, tile) for tile in range(search.tiles)]):
                done += future.result()
                progress(min(V - 1, V * done // total), V)
            list(pool.map(lambda start: search.decide(start, ids, cosines), range(0, V, BLOCK)))
        finally:
            search.stopped = True
            pool.shutdown(wait=True, cancel_futures=True)
    starved = search.live & (search.counts < min(count, int(search.live.sum()) - 1))
    left = np.flatnonzero(starved)
    progress(V - len(left), V)
    return Selected(ids, cosines, left)
