"""The nearest words of every word, computed exactly: blocked products on all cores, decided in float64."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from artifact.draft import Draft, write_neighbours
from artifact.errors import InputError
from artifact.neighbours import NeighbourTable
from artifact.search import Search
from artifact.weights import map_tensors
from trainer.console import format_seconds
from trainer.recipes import available_threads

DEFAULT_COUNT = 50
"""How many neighbours a word has unless told otherwise."""
MOST_FLOPS = 1e12
"""Multiplications and additions that are done unasked: seconds on two cores. At 100 dimensions, 70,000 words."""
_WORDS_AT_ONCE = 256

Report = Callable[[int, int], object]
"""Hears of how many words the neighbours are found, and of how many in all."""


@dataclass(frozen=True)
class Computed:
    """A table of neighbours, and what it took."""

    table: NeighbourTable
    seconds: float
    gflops: float
    """Thousand million multiplications and additions a second, of the products alone, over all of the time."""

    def to_json(self) -> dict[str, Any]:
        """What the manifest's ``metrics`` say of it."""
        return {
            "neighbours": {
                "count": self.table.count,
                "seconds": round(self.seconds, 3),
                "gflops": round(self.gflops, 1),
            }
        }

    def describe(self) -> str:
        """The same for a person."""
        return (
            f"the {self.table.count} nearest words of each of {self.table.words:,}, exactly, in "
            f"{format_seconds(self.seconds)} ({self.gflops:,.0f} GFLOP/s)"
        )


def choose_count(asked: int | None, *, words: int, dim: int) -> int:
    """How many neighbours to compute where ``asked`` are asked for; None: as many as take seconds. 0 is none."""
    if asked is None:
        asked = DEFAULT_COUNT if count_flops(words, dim) <= MOST_FLOPS else 0
    if asked < 0:
        raise InputError(f"--neighbours must be at least 0, not {asked}")
    return min(asked, words - 1)


def count_flops(words: int, dim: int) -> float:
    """Multiplications and additions in the products of all words with all."""
    return 2.0 * words * words * dim


def add_neighbours(
    draft: Draft, asked: int | None, *, progress: Report, threads: int | None = None
) -> Computed | None:
    """Add to ``draft``, whose weights are written, the ``asked`` nearest words of every word.

    None asks for them where that takes seconds, 0 for none; then None is returned. See ``choose_count``.
    """
    weights = map_tensors(draft.file("weights"))
    vectors, norms = weights["vectors"], weights["norms"]
    count = choose_count(asked, words=len(vectors), dim=vectors.shape[1])
    if not count:
        return None
    computed = compute_neighbours(vectors, norms, count, progress=progress, threads=threads)
    write_neighbours(draft, computed.table)
    return computed


def compute_neighbours(
    vectors: NDArray[Any],
    norms: NDArray[np.float32],
    count: int,
    *,
    progress: Report,
    threads: int | None = None,
) -> Computed:
    """The ``count`` nearest words of every row of ``vectors`` [V, D], whose ``norms`` are [V]: those that a search finds."""
    V, D = vectors.shape
    started = time.perf_counter()
    search = Search(vectors, norms)
    ids = np.empty((V, count), dtype=np.int32)
    scores = np.empty((V, count), dtype=np.float32)

    def fill(start: int) -> int:
        some = np.arange(start, min(start + _WORDS_AT_ONCE, V))
        ids[some], scores[some] = search.neighbours(some, count)
        return len(some)

    progress(0, V)
    # Each thread has rows of its own, and selects while others multiply: better than threads within one product.
    with (
        threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(threads or available_threads(), "neighbours") as pool,
    ):
        try:
            futures = [pool.submit(fill, start) for start in range(0, V, _WORDS_AT_ONCE)]
            done = 0
            for future in as_completed(futures):
                done += future.result()
                progress(done, V)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    seconds = time.perf_counter() - started
    return Computed(NeighbourTable(ids, scores), seconds, count_flops(V, D) / max(seconds, 1e-9) / 1e9)
