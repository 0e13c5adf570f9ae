"""Texts of a few lines, as much of a corpus as training looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass
class SmallText:
    token_ids: Any
    line_starts: NDArray[np.int64]
    counts: NDArray[np.int64]


def make_text(lines: Sequence[Any], size: int) -> SmallText:
    """Lines of ids, -1 outside the vocabulary of ``size`` words."""
    token_ids = np.array([each for line in lines for each in line], np.int32)
    starts = np.concatenate([[0], np.cumsum([len(line) for line in lines])]).astype(np.int64)
    return SmallText(token_ids, starts, np.bincount(token_ids[token_ids >= 0], minlength=size))
