"""What the first layer of a network takes in of each word, computed once for the most frequent ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.cells import Cell, Floats

MAX_BYTES = 128 << 20
_ROWS_AT_ONCE = 1024


class WordProjections:
    """x · w_x + b of the words of ``embedding`` [V, E] for ``layer``: those of the first words are kept, at most MAX_BYTES.

    Each is computed when it is first needed, or all by ``fill``. Ids fall by count, so the first rows are those that texts
    are mostly made of. Threads may share it.
    """

    def __init__(self, embedding: NDArray[Any], layer: Cell) -> None:
        self._embedding = embedding
        self._layer = layer
        wide = layer.gates * layer.hidden
        # A page that was never written takes no room yet; ``fill`` writes all of them.
        self._kept: Floats = np.empty((min(len(embedding), MAX_BYTES // (4 * wide)), wide), dtype=np.float32)
        self._known = np.zeros(len(self._kept), dtype=np.bool_)

    def project(self, token_ids: NDArray[np.int64]) -> Floats:
        """The projections [N, G·H] of ``token_ids`` [N], in an array of their own."""
        frequent = token_ids < len(self._kept)
        asked = token_ids[frequent]
        if not self._known[asked].all():
            missing = np.unique(asked[~self._known[asked]])
            self._kept[missing] = self._compute(missing)
            self._known[missing] = True
        if len(asked) == len(token_ids):
            return self._kept[asked]
        result = np.empty((len(token_ids), self._kept.shape[1]), dtype=np.float32)
        result[frequent] = self._kept[asked]
        result[~frequent] = self._compute(token_ids[~frequent])
        return result

    def fill(self) -> None:
        """Compute all that can be kept, so that no question has to: MAX_BYTES of memory where there are as many words."""
        for start in range(0, len(self._kept), _ROWS_AT_ONCE):
            self.project(np.arange(start, min(start + _ROWS_AT_ONCE, len(self._kept))))

    def _compute(self, token_ids: NDArray[np.int64]) -> Floats:
        return self._layer.project(self._embedding[token_ids].astype(np.float32, copy=False))
