"""Which scores may be among the best of each query, while blocks of scores go by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ANY_SCORE = np.float32(-2)
"""Below every cosine, above what was struck out."""
_SIGN = np.uint32(1 << 31)


@dataclass(frozen=True, slots=True)
class Found:
    """Pairs of a query's row and an id, in no order."""

    rows: NDArray[np.int32]
    ids: NDArray[np.int32]
    scores: NDArray[np.float32]


class Candidates:
    """The ``keep`` best scores of each of ``queries`` so far, and all that are less than ``slack`` below the last of them."""

    def __init__(self, queries: int, keep: int, *, slack: np.float32) -> None:
        self._keep = keep
        self._slack = slack
        self._thresholds = np.full(queries, _ANY_SCORE, dtype=np.float32)
        self._parts: list[Found] = []
        self._pending = 0
        self._most_pending = 4 * queries * keep + 1_024
        self._began = False

    def add(self, scores: NDArray[np.float32], first_id: int) -> None:
        """A block of ``scores`` [n, Q] of the ids from ``first_id``; -inf is never kept."""
        count, queries = scores.shape
        if not self._began and count >= self._keep:
            # Without a threshold the whole first block would have to be sorted.
            place = count - self._keep
            lowest = np.partition(scores.T, place, axis=1)[:, place] - self._slack
            self._thresholds = np.maximum(lowest, _ANY_SCORE)
            self._began = True
        hits = np.flatnonzero(scores >= self._thresholds)
        if not len(hits):
            return
        ids, rows = np.divmod(hits, queries)
        found = Found(rows.astype(np.int32), (ids + first_id).astype(np.int32), scores.reshape(-1)[hits])
        self._parts.append(found)
        self._pending += len(hits)
        if self._pending > self._most_pending:
            self._prune()
            # Ties may leave more than is wanted; each pruning must be paid for by as much that is new.
            self._most_pending = max(self._most_pending, 2 * self._pending)

    def finish(self) -> Found:
        """All that is left."""
        self._prune()
        return self._parts[0]

    def _prune(self) -> None:
        rows, ids, scores = (
            np.concatenate([getattr(part, name) for part in self._parts] or [np.empty(0, dtype)])
            for name, dtype in (("rows", np.int32), ("ids", np.int32), ("scores", np.float32))
        )
        order = np.argsort(_make_keys(rows, scores))
        rows, ids, scores = rows[order], ids[order], scores[order]
        places = np.arange(len(rows)) - np.searchsorted(rows, np.arange(len(self._thresholds)))[rows]
        last = places == self._keep - 1
        self._thresholds[rows[last]] = scores[last] - self._slack
        kept = scores >= self._thresholds[rows]
        self._parts = [Found(rows[kept], ids[kept], scores[kept])]
        self._pending = len(self._parts[0].rows)


def _make_keys(rows: NDArray[np.int32], scores: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Numbers that sort by row, then by falling score: one sort of integers is several times faster than lexsort."""
    bits = scores.view(np.uint32)
    rising = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    return (rows.astype(np.uint64) << np.uint64(32)) | ~rising
