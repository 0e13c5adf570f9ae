"""The nearest words of every word, computed exactly: blocked products on a GPU or on all cores, decided in float64."""

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
from trainer.engines import gpu_neighbours
from trainer.engines.gpu_neighbours import NeighbourDevice
from trainer.engines.selection import Selected
from trainer.recipes import available_threads

DEFAULT_COUNT = 50
"""How many neighbours a word has unless told otherwise."""
MOST_FLOPS = 2e12
"""Multiplications and additions that are done unasked: seconds on two cores. At 100 dimensions, 100,000 words."""
MOST_GPU_FLOPS = 1e14
"""The same on a GPU. At 100 dimensions, 700,000 words."""
_WORTH_A_GPU = 5e10
"""Multiplications and additions that cores do before a GPU has started."""
_WORTH_COMPILING = 2e9
"""The same that a search, which needs no compiling, does in less than a second. At 100 dimensions, 3,000 words."""
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
    device: str = "cpu"

    def to_json(self) -> dict[str, Any]:
        """What the manifest's ``metrics`` say of it."""
        return {
            "neighbours": {
                "count": self.table.count,
                "seconds": round(self.seconds, 3),
                "gflops": round(self.gflops, 1),
                "device": self.device,
            }
        }

    def describe(self) -> str:
        """The same for a person."""
        return (
            f"the {self.table.count} nearest words of each of {self.table.words:,}, exactly, in "
            f"{format_seconds(self.seconds)} on the {self.device} ({self.gflops:,.0f} GFLOP/s)"
        )


def choose_count(asked: int | None, *, words: int, dim: int, on_gpu: bool = False) -> int:
    """How many neighbours to compute where ``asked`` are asked for; None: as many as take seconds. 0 is none."""
    if asked is None:
        most = MOST_GPU_FLOPS if on_gpu else MOST_FLOPS
        asked = DEFAULT_COUNT if count_flops(words, dim) <= most else 0
    if asked < 0:
        raise InputError(f"--neighbours must be at least 0, not {asked}")
    return min(asked, words - 1)


def count_flops(words: int, dim: int) -> float:
    """Multiplications and additions in the products of all words with all."""
    return 2.0 * words * words * dim


def find_gpu(device: str, *, words: int, dim: int) -> NeighbourDevice | None:
    """The GPU, where ``device`` (auto, cpu or gpu) allows it; for ``auto``, where there is one and it is worth starting.

    Raises InputError for ``gpu`` where there is none.
    """
    if device == "cpu" or (device == "auto" and count_flops(words, dim) < _WORTH_A_GPU):
        return None
    from trainer.engines.cupy_neighbours import CupyNeighbours

    try:
        return CupyNeighbours()
    except InputError:
        if device == "gpu":
            raise
        return None


def add_neighbours(
    draft: Draft,
    asked: int | None,
    *,
    progress: Report,
    threads: int | None = None,
    device: str = "cpu",
) -> Computed | None:
    """Add to ``draft``, whose weights are written, the ``asked`` nearest words of every word.

    None asks for them where that takes seconds, 0 for none; then None is returned. See ``choose_count`` and ``find_gpu``.
    """
    if asked == 0:
        return None
    weights = map_tensors(draft.file("weights"))
    vectors, norms = weights["vectors"], weights["norms"]
    words, dim = vectors.shape
    gpu = find_gpu(device, words=words, dim=dim)
    count = choose_count(asked, words=words, dim=dim, on_gpu=gpu is not None)
    if not count:
        return None
    try:
        computed = compute_neighbours(vectors, norms, count, progress=progress, threads=threads, gpu=gpu)
    except InputError:
        if device == "gpu":
            raise
        # It does not fit there.
        if not (count := choose_count(asked, words=words, dim=dim)):
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
    gpu: NeighbourDevice | None = None,
) -> Computed:
    """The ``count`` nearest words of every row of ``vectors`` [V, D], whose ``norms`` are [V]: those that a search finds.

    On ``gpu``, or without one on ``threads`` cores. Raises InputError where the GPU is too small for it.
    """
    V, D = vectors.shape
    started = time.perf_counter()
    threads = threads or available_threads()
    if gpu is not None:
        found = gpu_neighbours.select_neighbours(vectors, norms, count, gpu, progress=progress)
    elif count_flops(V, D) < _WORTH_COMPILING:
        found = Selected.nothing(V, count)
    else:
        from trainer.engines.cpu_neighbours import select_neighbours

        found = select_neighbours(vectors, norms, count, progress=progress, threads=threads)
    ids, scores = found.ids, found.cosines
    if len(found.crowded):
        _search(Search(vectors, norms), found.crowded, ids, scores, progress=progress, threads=threads)
    seconds = time.perf_counter() - started
    gflops = count_flops(V, D) / max(seconds, 1e-9) / 1e9
    return Computed(NeighbourTable(ids, scores), seconds, gflops, "cpu" if gpu is None else "gpu")


def _search(
    search: Search,
    rows: NDArray[np.intp],
    ids: NDArray[np.int32],
    scores: NDArray[np.float32],
    *,
    progress: Report,
    threads: int,
) -> None:
    """Fill in the ``rows`` of ``ids`` and ``scores`` [V, N]."""
    V, count = ids.shape

    def fill(start: int) -> int:
        some = rows[start : start + _WORDS_AT_ONCE]
        ids[some], scores[some] = search.neighbours(some, count)
        return len(some)

    done = V - len(rows)
    progress(done, V)
    # Each thread has rows of its own, and selects while others multiply: better than threads within one product.
    with (
        threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(threads, "neighbours") as pool,
    ):
        try:
            futures = [pool.submit(fill, start) for start in range(0, len(rows), _WORDS_AT_ONCE)]
            for future in as_completed(futures):
                done += future.result()
                progress(done, V)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
