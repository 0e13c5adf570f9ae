"""The nearest words of every word, computed once: the commonest question becomes the reading of one row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.errors import Corrupt

ROLE = "neighbours"
FILE = "neighbours.safetensors"
_BLOCK_ROWS = 65_536
_COMPUTED_ROWS = 64


@dataclass(frozen=True)
class NeighbourTable:
    """For each of V words its N nearest: ``ids`` [V, N] int32 and ``scores`` [V, N] float32, best first, ties in id order.

    Exactly what a search for the word finds; -1 and 0 where there are no more. Both may be memory maps.
    """

    ids: NDArray[np.int32]
    scores: NDArray[np.float32]

    def __post_init__(self) -> None:
        ids, scores = self.ids, self.scores
        if ids.dtype != np.int32 or scores.dtype != np.float32 or ids.ndim != 2 or ids.shape != scores.shape:
            raise Corrupt("the neighbours must be ids in int32 and scores in float32, both [V, N]")
        if not ids.size:
            raise Corrupt("the table of neighbours is empty")
        for start in range(0, len(ids), _BLOCK_ROWS):
            rows = slice(start, start + _BLOCK_ROWS)
            if ids[rows].min() < -1 or ids[rows].max() >= len(ids):
                raise Corrupt(f"the neighbours hold an id outside 0 … {len(ids) - 1}")
            # A minimum over NaN is NaN, which is not at least -1.
            if not (scores[rows].min() >= -1 and scores[rows].max() <= 1):
                raise Corrupt("a score of the neighbours is no cosine")

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]]) -> NeighbourTable:
        """What ``write_neighbours`` wrote. Raises Corrupt."""
        if set(tensors) != {"ids", "scores"}:
            raise Corrupt("the neighbours must be the tensors ids and scores")
        return cls(tensors["ids"], tensors["scores"])

    @property
    def words(self) -> int:
        """V, the number of words that have a row."""
        return len(self.ids)

    @property
    def count(self) -> int:
        """N, how many neighbours a word has."""
        return int(self.ids.shape[1])

    def row(self, token_id: int, top: int) -> tuple[list[int], list[float]] | None:
        """Ids and scores of the ``top`` words nearest to one; None where the table does not hold as many."""
        ids: list[int] = self.ids[token_id, :top].tolist()
        ends = ids[-1] < 0
        if top > self.count and not ends:
            return None
        scores: list[float] = self.scores[token_id, :top].tolist()
        if ends:
            there = ids.index(-1)
            return ids[:there], scores[:there]
        return ids, scores

    def check(self, compute: Callable[[NDArray[np.intp], int], tuple[NDArray[Any], NDArray[Any]]]) -> None:
        """Corrupt unless every row is in order, and some rows are what ``compute`` makes of their ids and N."""
        for start in range(0, self.words, _BLOCK_ROWS):
            ids, scores = self.ids[start : start + _BLOCK_ROWS], self.scores[start : start + _BLOCK_ROWS]
            there = ids >= 0
            falls = (scores[:, 1:] < scores[:, :-1]) | (
                (scores[:, 1:] == scores[:, :-1]) & (ids[:, 1:] > ids[:, :-1])
            )
            own = ids == np.arange(start, start + len(ids), dtype=np.int32)[:, np.newaxis]
            proper = ~there[:, 1:] | (there[:, :-1] & falls)
            if own.any() or not proper.all() or scores[~there].any():
                raise Corrupt(f"{FILE}: a row is not in order")
        some = np.unique(np.linspace(0, self.words - 1, _COMPUTED_ROWS).astype(np.intp))
        ids, scores = compute(some, self.count)
        if not np.array_equal(ids, self.ids[some]) or not np.allclose(scores, self.scores[some], atol=1e-6):
            raise Corrupt(f"{FILE}: the neighbours are not those of the vectors")
