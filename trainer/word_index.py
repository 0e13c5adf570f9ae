"""The making of an index: levels learned from some words, codes of all, and its recall beside exact search."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.draft import Draft
from artifact.errors import InputError
from artifact.search import Search, to_units
from artifact.weights import map_tensors, write_tensors
from artifact.word_index import (
    FILE,
    LEAST_WORDS,
    LEVELS,
    RECALL_AT,
    ROLE,
    IndexFigures,
    Scanner,
    WordIndex,
    load_faiss,
)
from trainer.console import format_seconds
from trainer.recipes import available_threads

WANTED_RECALL, LEAST_RECALL = 0.995, 0.95
FEWEST_CANDIDATES, MOST_CANDIDATES = 100, 1_600
_QUESTIONS = 500
_QUESTIONS_AT_ONCE = 50
_LEARNED_FROM = 16_384
_BLOCK_ROWS = 65_536
_SEED = 1

Report = Callable[[str, int, int], object]
"""Hears of a stage, how much of it is done, and how much there is: of words for ``index``, of questions for ``recall``."""


@dataclass(frozen=True)
class Indexed:
    """An index, and what it took."""

    index: WordIndex
    seconds: float
    library: str

    def to_json(self) -> dict[str, Any]:
        """What the manifest's ``metrics`` say of it."""
        figures = self.index.figures.to_json()
        return {ROLE: figures | {"seconds": round(self.seconds, 3), "library": self.library}}

    def describe(self) -> str:
        """The same for a person."""
        figures = self.index.figures
        return (
            f"an index of {self.index.words:,} words in {format_seconds(self.seconds)}: of the {RECALL_AT} nearest words it "
            f"finds {100 * figures.recall:.2f} % ({figures.queries} questions), looking at {figures.candidates} candidates"
        )


def add_index(draft: Draft, *, progress: Report, threads: int | None = None) -> Indexed:
    """Add to ``draft``, whose weights are written, an index of its words. Raises InputError as ``build_index``."""
    weights = map_tensors(draft.file("weights"))
    indexed = build_index(weights["vectors"], weights["norms"], progress=progress, threads=threads)
    write_tensors(draft.add(ROLE, FILE), indexed.index.to_tensors())
    return indexed


def build_index(
    vectors: NDArray[Any],
    norms: NDArray[np.float32],
    *,
    progress: Report,
    threads: int | None = None,
    least_words: int = LEAST_WORDS,
) -> Indexed:
    """The index of ``vectors`` [V, D], whose ``norms`` are [V], with its recall on questions drawn at random.

    As many candidates are looked at as are needed for a recall of ``WANTED_RECALL``, but not too many.
    Raises InputError where faiss is missing, for fewer than ``least_words`` words, which need no index, and for vectors that
    four bits a coordinate do not tell apart.
    """
    V, D = vectors.shape
    if least_words > V:
        raise InputError(
            f"an index is for {least_words:,} words or more: these {V:,} are searched exactly in about the same time"
        )
    faiss = load_faiss()
    started = time.perf_counter()
    random = np.random.default_rng(_SEED)
    # Threads of its own wait for each other, spinning, on work as small as this.
    faiss.omp_set_num_threads(1)
    quantizer = faiss.ProductQuantizer(D, D, 4)
    some = np.sort(random.choice(V, min(V, _LEARNED_FROM), replace=False))
    quantizer.train(_narrow(vectors[some]))
    levels = faiss.vector_to_array(quantizer.centroids).reshape(D, LEVELS).copy()
    codes = np.empty((V, quantizer.code_size), dtype=np.uint8)
    for start in range(0, V, _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        codes[rows] = quantizer.compute_codes(_narrow(vectors[rows]))
        progress(ROLE, min(V, start + _BLOCK_ROWS), V)
    index = WordIndex(levels, codes, IndexFigures(FEWEST_CANDIDATES, 0.0, _QUESTIONS))
    search = Search(vectors, norms, threads=threads or available_threads())
    figures = measure_recall(index.open(), search, vectors, norms, random=random, progress=progress)
    if figures.recall < LEAST_RECALL:
        raise InputError(
            f"an index would find {100 * figures.recall:.1f} % of the nearest words only: vectors like these must be searched exactly"
        )
    return Indexed(
        WordIndex(levels, codes, figures),
        seconds=time.perf_counter() - started,
        library=f"faiss {faiss.__version__}",
    )


def measure_recall(
    scanner: Scanner,
    search: Search,
    vectors: NDArray[Any],
    norms: NDArray[np.float32],
    *,
    random: np.random.Generator,
    progress: Report,
) -> IndexFigures:
    """Which share of the ten nearest words is among the candidates, and how many are looked at for that.

    The questions are sums of two words' directions less that of a third, all drawn from ``vectors`` [V, D].
    """
    V = len(vectors)
    moving = np.flatnonzero(norms > 0)
    if not len(moving):
        raise InputError("no word has a direction: there is nothing to index")
    asked = random.choice(moving, (_QUESTIONS, 3))
    places = np.full((_QUESTIONS, RECALL_AT), MOST_CANDIDATES)
    there = np.zeros(places.shape, dtype=bool)
    for start in range(0, _QUESTIONS, _QUESTIONS_AT_ONCE):
        ids = asked[start : start + _QUESTIONS_AT_ONCE]
        a, b, c = np.moveaxis(to_units(vectors[ids.ravel()]).reshape(*ids.shape, -1), 1, 0)
        units = _narrow(a + b - c)
        best, _ = search.nearest(units, top=RECALL_AT, exclude=ids.tolist(), limit=V)
        candidates = scanner.scan(units, min(MOST_CANDIDATES, V))
        for row in range(len(ids)):
            known = {token_id: place for place, token_id in enumerate(candidates[row].tolist())}
            found = [known.get(token_id, MOST_CANDIDATES) for token_id in best[row].tolist()]
            places[start + row] = found
            there[start + row] = best[row] >= 0
        progress("recall", start + len(ids), _QUESTIONS)
    for count in (FEWEST_CANDIDATES << step for step in range(16)):
        recall = float((places[there] < count).mean()) if there.any() else 1.0
        if recall >= WANTED_RECALL or count * 2 > MOST_CANDIDATES:
            break
    return IndexFigures(count, recall, _QUESTIONS)


def _narrow(rows: NDArray[Any]) -> NDArray[np.float32]:
    """``rows`` [n, D] with length 1, in float32; those of zeros stay."""
    return np.ascontiguousarray(to_units(rows), dtype=np.float32)
