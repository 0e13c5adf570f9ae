"""Search by an index: candidates from it, decided between as an exact search does. Scores are exact; a word may be missing."""

from __future__ import annotations

import functools
import itertools
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.joining import Joiner
from artifact.search import Nearest, Query, Search, answer_grouped, ask_joined, observe_sizes
from artifact.word_index import IndexFigures, Scanner, WordIndex

_WORTH_SPLITTING = 4 << 20
"""Codes to look at below which threads cost more than they save."""


class ApproximateSearch:
    """Answers as ``Search.nearest`` does, but looks at the candidates of ``index`` only; any thread may ask.

    Questions that arrive while one is computed are computed together, shared out among ``threads``.
    Raises InputError where the index cannot be opened.
    """

    def __init__(self, search: Search, index: WordIndex, *, threads: int = 1) -> None:
        self._search = search
        self._index = index
        self._scanner: Scanner = index.open()
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads - 1, "index") if threads > 1 else None
        # By way of a weak reference, as in Search.
        self._joiner = Joiner(functools.partial(_answer_all, weakref.ref(self)))

    @property
    def figures(self) -> IndexFigures:
        """How well the index finds what is near."""
        return self._index.figures

    def suits(self, top: int, *, excluded: int) -> bool:
        """Whether a question for ``top`` words, ``excluded`` not being wanted, is one for the index."""
        return self._index.suits(top, excluded=excluded)

    def nearest(
        self, queries: NDArray[np.floating[Any]], *, top: int, exclude: Sequence[Sequence[int]]
    ) -> Nearest:
        """The words nearest to each of ``queries`` [Q, D] that the index finds; see ``Search.nearest``."""
        return ask_joined(self._joiner, queries, top=top, exclude=exclude, limit=self._index.words)

    def observe_batches(self, observe: Callable[[int], object]) -> None:
        """Have ``observe`` told how many questions are computed together, each time."""
        observe_sizes(self._joiner, observe)

    def answer_all(self, queries: Sequence[Query]) -> list[Nearest]:
        """The answers to questions that arrived together."""
        counts = [
            self._index.count_candidates(query.top, excluded=max(map(len, query.exclude), default=0))
            for query in queries
        ]
        return answer_grouped(queries, counts, self._answer_alike)

    def _answer_alike(self, queries: Sequence[Query], count: int) -> Nearest:
        units = np.concatenate([query.units for query in queries])
        top = max(query.top for query in queries)
        exclude: list[Sequence[int]] = []
        for query in queries:
            exclude += query.exclude or [()] * len(query.units)
        work = len(units) * self._index.words * self._index.dim
        parts = min(self._threads, len(units), max(1, work // _WORTH_SPLITTING))
        edges = [len(units) * part // parts for part in range(parts + 1)]
        spans = [slice(*pair) for pair in itertools.pairwise(edges)]
        waiting = [
            self._pool.submit(self._find, units[span], exclude[span], count, top)
            for span in spans[1:]
            if self._pool
        ]
        first = self._find(units[spans[0]], exclude[spans[0]], count, top)
        found = [first, *(future.result() for future in waiting)]
        return np.concatenate([ids for ids, _ in found]), np.concatenate([cosines for _, cosines in found])

    def _find(
        self, units: NDArray[np.float64], exclude: Sequence[Sequence[int]], count: int, top: int
    ) -> Nearest:
        ids = self._scanner.scan(units.astype(np.float32), min(count, self._index.words))
        wanted = ids >= 0
        for row, left_out in enumerate(exclude):
            if left_out:
                wanted[row] &= ~np.isin(ids[row], left_out)
        rows, places = np.nonzero(wanted)
        return self._search.rank(units, rows, ids[rows, places], top)


def _answer_all(search: weakref.ref[ApproximateSearch], queries: Sequence[Query]) -> list[Nearest]:
    found = search()
    return [] if found is None else found.answer_all(queries)
