"""What the engines that compute neighbours hand back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Selected:
    """``ids`` and ``cosines`` [V, N], best first, -1 and 0 where there are no more."""

    ids: NDArray[np.int32]
    cosines: NDArray[np.float32]
    crowded: NDArray[np.intp]
    """Rows for which so many others are within rounding of each other that nothing was selected."""

    @classmethod
    def nothing(cls, words: int, count: int) -> Selected:
        """No row has a result yet."""
        ids, cosines = np.full((words, count), -1, np.int32), np.zeros((words, count), np.float32)
        return cls(ids, cosines, np.arange(words))
