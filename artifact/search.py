"""Exact search: which rows of a matrix have the largest cosine with a query.

float32 products over blocks of rows leave a few candidates for each query: all whose score is within the rounding error of
the best. float64 then decides between those. So an answer depends on the vectors and on the query alone, not on how blocks,
threads or the questions of others that were computed together with it happened to round; and it is the one that float64
would have given throughout.
"""

from __future__ import annotations

import functools
import itertools
import weakref
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.candidates import Candidates, Found
from artifact.joining import Joiner

NO_DIRECTION = 1e-6
"""Sums of unit vectors that are shorter cancel out: what is left of them is rounding."""
_SCORES_AT_ONCE = 1 << 18
"""Scores in a block, a mebibyte: what a core's own cache holds."""
_LEAST_ROWS, _MOST_ROWS = 2_048, 16_384
_WIDENED_AT_ONCE = 1 << 20
"""Numbers in a block that is widened to float32, four mebibytes: larger ones are slower, and each worker process keeps some."""
_QUERIES_AT_ONCE = 64
_RANKED_AT_ONCE = 16_384
_WORTH_SPLITTING = 4 << 20
"""Products of two numbers below which threads cost more than they save."""


@dataclass(frozen=True, slots=True)
class Query:
    """Some queries that belong together: ``units`` [Q, D] of length 1, and what is wanted of them."""

    units: NDArray[np.float64]
    top: int
    exclude: Sequence[Sequence[int]]
    """Ids to leave out: a list for each query, or none at all."""
    limit: int
    """How many rows, from the first, are looked at."""


Nearest = tuple[NDArray[np.int32], NDArray[np.float32]]
"""Ids and cosines [Q, top], best first, ties in id order; -1 and 0 where there are no more."""


class Search:
    """Searches ``vectors`` [V, D] (float16 or float32, may be mapped) with their ``norms`` [V]; any thread may ask.

    Questions that arrive while one is computed are computed together, in one product. ``threads`` share a large one: more
    than one helps only where the BLAS library itself uses one.
    """

    def __init__(self, vectors: NDArray[Any], norms: NDArray[np.float32], *, threads: int = 1) -> None:
        self._vectors = vectors
        self._norms = norms
        self._zero_ids = np.flatnonzero(norms == 0)
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads - 1, "search") if threads > 1 else None
        self._slack = np.float32(rounding_of_scores(vectors.shape[1]))
        # By way of a weak reference: in a cycle with its joiner it would keep files mapped until the garbage is collected.
        self._joiner = Joiner(functools.partial(_answer_all, weakref.ref(self)))

    def nearest(
        self, queries: NDArray[np.floating[Any]], *, top: int, exclude: Sequence[Sequence[int]], limit: int
    ) -> Nearest:
        """The rows nearest to each of ``queries`` [Q, D], of any length; see ``Query``."""
        return ask_joined(self._joiner, queries, top=top, exclude=exclude, limit=limit)

    def observe_batches(self, observe: Callable[[int], object]) -> None:
        """Have ``observe`` told how many questions are computed together, each time."""
        observe_sizes(self._joiner, observe)

    def neighbours(self, row_ids: NDArray[np.intp], top: int) -> Nearest:
        """The other rows nearest to each of these rows: what ``nearest`` finds, but computed by this thread alone.

        A row of zeros has none.
        """
        vectors = self._vectors[row_ids]
        # Rounded once to float32, as the query of ``Embedding.similar`` is.
        units = to_units(to_units(vectors).astype(np.float32))
        left_out = _LeftOut.of(np.arange(len(row_ids)), row_ids)
        V = len(self._vectors)
        found = self._collect(units.astype(np.float32), min(top, V), left_out, 0, V)
        ids, cosines = self._rank(units, [found], top)
        still = self._norms[row_ids] == 0
        ids[still], cosines[still] = -1, 0
        return ids, cosines

    def answer_all(self, queries: Sequence[Query]) -> list[Nearest]:
        """The answers to questions that arrived together."""
        return answer_grouped(queries, [query.limit for query in queries], self._answer_alike)

    def _answer_alike(self, queries: Sequence[Query], limit: int) -> Nearest:
        units = np.concatenate([query.units for query in queries])
        narrow = units.astype(np.float32)
        top = max(query.top for query in queries)
        keep = min(top, limit)
        starts = np.cumsum([0, *(len(query.units) for query in queries)]).tolist()
        pairs = [
            (start + place, token_id)
            for start, query in zip(starts, queries, strict=False)
            for place, token_ids in enumerate(query.exclude)
            for token_id in token_ids
        ]
        left_out = _LeftOut.of(*np.array(pairs, dtype=np.intp).reshape(-1, 2).T)
        edges = self._split(limit, limit * narrow.size)
        spans = list(itertools.pairwise(edges))
        waiting = [
            self._pool.submit(self._collect, narrow, keep, left_out, *span)
            for span in spans[1:]
            if self._pool
        ]
        found = [self._collect(narrow, keep, left_out, *spans[0]), *(future.result() for future in waiting)]
        return self._rank(units, found, top)

    def _split(self, limit: int, work: int) -> list[int]:
        """Where the rows of the threads begin and end."""
        threads = min(self._threads, max(1, work // _WORTH_SPLITTING))
        return [limit * thread // threads for thread in range(threads + 1)]

    def _collect(
        self, units: NDArray[np.float32], keep: int, left_out: _LeftOut, start: int, stop: int
    ) -> Found:
        """What may be among the ``keep`` best rows of each query, of the rows from ``start`` to ``stop``."""
        Q = len(units)
        step = min(max(_SCORES_AT_ONCE // Q, _LEAST_ROWS), _MOST_ROWS)
        if self._vectors.dtype != np.float32:
            step = min(step, max(1, _WIDENED_AT_ONCE // self._vectors.shape[1]))
        candidates = Candidates(Q, keep, slack=2 * self._slack)
        buffer = np.empty(Q * step, dtype=np.float32)
        columns = np.ascontiguousarray(units.T)
        for first in range(start, stop, step):
            end = min(first + step, stop)
            # float32 rows go to the product as they lie in the map; float16 ones are widened a block at a time.
            block = self._vectors[first:end].astype(np.float32, copy=False)
            norms, still = self._find_norms(first, end)
            # Rows by queries: for few queries BLAS is up to four times as fast as the other way round.
            scores = buffer[: Q * (end - first)].reshape(end - first, Q)
            if units.shape[1] < Q:  # fewer divisions, and the block is small enough to copy
                np.matmul(block / norms[:, np.newaxis], columns, out=scores)
            else:
                np.matmul(block, columns, out=scores)
                scores /= norms[:, np.newaxis]
            scores[still] = -np.inf
            left_out.strike(scores, first, end)
            candidates.add(scores, first)
        return candidates.finish()

    def _find_norms(self, first: int, end: int) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
        """The norms of the rows from ``first`` to ``end``, and which of these rows are zeros; theirs is given as 1."""
        norms = self._norms[first:end]
        low, high = np.searchsorted(self._zero_ids, (first, end))
        still = self._zero_ids[low:high] - first
        return (np.where(norms > 0, norms, np.float32(1)) if len(still) else norms), still

    def _rank(self, units: NDArray[np.float64], found: Sequence[Found], top: int) -> Nearest:
        rows = np.concatenate([part.rows for part in found])
        ids = np.concatenate([part.ids for part in found])
        return self._decide(units, rows, ids, top)

    def rank(
        self, units: NDArray[np.float64], rows: NDArray[np.intp], ids: NDArray[np.int64], top: int
    ) -> Nearest:
        """The ``top`` best of the candidates: pairs of a query's row in ``units`` [Q, D] and an id, each once."""
        moving = self._norms[ids] > 0
        return self._decide(units, rows[moving], ids[moving], top)

    def _decide(
        self,
        units: NDArray[np.float64],
        rows: NDArray[np.integer[Any]],
        ids: NDArray[np.integer[Any]],
        top: int,
    ) -> Nearest:
        """The best of the candidates, decided in float64."""
        cosines = np.empty(len(rows), dtype=np.float32)
        for start in range(0, len(rows), _RANKED_AT_ONCE):
            chunk = slice(start, start + _RANKED_AT_ONCE)
            vectors = self._vectors[ids[chunk]].astype(np.float64)
            lengths = np.sqrt(np.einsum("cd,cd->c", vectors, vectors))
            dots = np.einsum("cd,cd->c", vectors, units[rows[chunk]])
            # Rounded to float32, vectors that differ in length alone tie.
            cosines[chunk] = np.clip(dots / lengths, -1.0, 1.0)
        order = np.lexsort((ids, -cosines, rows))
        rows = rows[order]
        places = np.arange(len(rows)) - np.searchsorted(rows, np.arange(len(units)))[rows]
        chosen = places < top
        best = np.full((len(units), top), -1, dtype=np.int32)
        best_cosines = np.zeros((len(units), top), dtype=np.float32)
        best[rows[chosen], places[chosen]] = ids[order][chosen]
        best_cosines[rows[chosen], places[chosen]] = cosines[order][chosen]
        return best, best_cosines


def ask_joined(
    joiner: Joiner[Query, Nearest],
    queries: NDArray[np.floating[Any]],
    *,
    top: int,
    exclude: Sequence[Sequence[int]],
    limit: int,
) -> Nearest:
    """What ``joiner`` answers to ``queries`` [Q, D], of any length, asked in parts that leave others their turn."""
    units = to_units(queries)
    found = [
        joiner.ask(
            Query(
                units[start : start + _QUERIES_AT_ONCE], top, exclude[start : start + _QUERIES_AT_ONCE], limit
            )
        )
        for start in range(0, len(units), _QUERIES_AT_ONCE)
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        return np.empty((0, top), np.int32), np.empty((0, top), np.float32)
    return np.concatenate([ids for ids, _ in found]), np.concatenate([cosines for _, cosines in found])


def observe_sizes(joiner: Joiner[Query, Nearest], observe: Callable[[int], object]) -> None:
    """Have ``observe`` told how many questions ``joiner`` has computed together, each time: queries, however they were asked."""
    joiner.observe = lambda queries: observe(sum(len(query.units) for query in queries))


def answer_grouped(
    queries: Sequence[Query], kinds: Sequence[int], answer_alike: Callable[[Sequence[Query], int], Nearest]
) -> list[Nearest]:
    """The answers to ``queries``, those of the same kind by one call of ``answer_alike``, whose rows are all of theirs."""
    groups: dict[int, list[int]] = defaultdict(list)
    for place, kind in enumerate(kinds):
        groups[kind].append(place)
    answers: dict[int, Nearest] = {}
    for kind, places in groups.items():
        ids, cosines = answer_alike([queries[place] for place in places], kind)
        start = 0
        for place in places:
            query = queries[place]
            rows = slice(start, start + len(query.units))
            answers[place] = ids[rows, : query.top], cosines[rows, : query.top]
            start += len(query.units)
    return [answers[place] for place in range(len(queries))]


def rounding_of_scores(dim: int) -> float:
    """How far a product of two float32 directions of ``dim`` numbers may be from their cosine."""
    # D products and sums, the two lengths, and the quotient (Higham 2002, section 3.1).
    return float((dim + 8) * 2.0**-24)


def _answer_all(search: weakref.ref[Search], queries: Sequence[Query]) -> list[Nearest]:
    found = search()
    return [] if found is None else found.answer_all(queries)


@dataclass(frozen=True, slots=True)
class _LeftOut:
    """Pairs of a query's place and an id that it must not find, by id."""

    places: NDArray[np.intp]
    ids: NDArray[np.intp]

    @classmethod
    def of(cls, places: NDArray[np.intp], ids: NDArray[np.intp]) -> _LeftOut:
        """From pairs in any order."""
        order = np.argsort(ids, kind="stable")
        return cls(places[order], ids[order])

    def strike(self, scores: NDArray[np.float32], first: int, end: int) -> None:
        """Set what is left out to -inf in ``scores`` [end - first, Q], of the rows from ``first`` to ``end``."""
        if len(self.ids):
            low, high = np.searchsorted(self.ids, (first, end))
            scores[self.ids[low:high] - first, self.places[low:high]] = -np.inf


def to_units(rows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """``rows`` [n, D] with length 1, in float64; those of zeros stay."""
    wide = rows.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    units: NDArray[np.float64] = np.divide(wide, lengths, out=np.zeros_like(wide), where=lengths > 0)
    return units
