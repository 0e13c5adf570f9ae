"""Choosing the next word from its distribution: temperature, the k likeliest, the nucleus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artifact.embedding import select_best
from artifact.errors import InputError


@dataclass(frozen=True)
class Sampling:
    """How words are drawn. Raises InputError for values that make no sense.

    ``temperature``: p is raised to 1/temperature; 0 takes the likeliest word, the lower id in a tie.
    ``top_k``: only the k likeliest words (Fan et al. 2018). ``top_p``: only the likeliest words that reach this much
    probability together (Holtzman et al. 2020), among those that ``top_k`` leaves.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 100:
            raise InputError("temperature must be 0 (the likeliest word) to 100")
        if self.top_k is not None and self.top_k < 1:
            raise InputError("top_k must be at least 1")
        if not 0 < self.top_p <= 1:
            raise InputError("top_p must be above 0 and at most 1")

    def draw(self, probabilities: NDArray[np.float32], random: np.random.Generator) -> int:
        """An id, by ``probabilities`` [V], which need not sum to one; zero ones are never drawn.

        Raises InputError where all are zero.
        """
        top = 1 if self.temperature == 0 else min(self.top_k or len(probabilities), len(probabilities))
        scores = np.where(probabilities > 0, probabilities, -np.inf)
        chosen = select_best(scores, top)
        if not len(chosen):
            raise InputError("no word is left to choose from")
        if self.temperature == 0:
            return int(chosen[0])
        logs = np.log(probabilities[chosen].astype(np.float64))
        with np.errstate(over="ignore"):
            weights = np.exp((logs - logs[0]) / self.temperature)
        sums = np.cumsum(weights)
        if self.top_p < 1:
            sums = sums[: 1 + int(np.searchsorted(sums, self.top_p * sums[-1]))]
        place = int(np.searchsorted(sums, random.random() * sums[-1], side="right"))
        return int(chosen[min(place, len(sums) - 1)])
