"""The perplexity of a text: the exponential of the mean loss in nats over all its words, line ends included."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainer.language_batches import IGNORED, cut_blocks, cut_lanes
from trainer.models.lanes import Lanes

LANES = 20
LANE_WORDS = 500
"""The fewest words that a lane is worth beginning for."""
TIME_STEPS = 35


class PerplexityMeasurement:
    """A model read over a text, in bounded pieces. Every word of the text is predicted once.

    The text is read in up to ``LANES`` lanes, each of which begins without any memory of what is before it: with some
    tens of thousands of words the perplexity is higher by about a tenth of a percent than in one lane.
    """

    def __init__(self, lanes: Lanes, token_ids: NDArray[np.int32], *, first_input: int) -> None:
        """``token_ids`` are read by ``lanes``, after ``first_input``, which is the id of ``<eos>``."""
        batch_size = min(LANES, max(1, len(token_ids) // LANE_WORDS))
        self._lanes = lanes
        self._inputs, self._targets = cut_lanes(
            token_ids, batch_size=batch_size, first_input=first_input, pad=True
        )
        self._blocks: Sequence[tuple[int, int]] = cut_blocks(len(self._inputs), time_steps=TIME_STEPS)
        self._done = 0
        self._loss_sum = 0.0
        self._words = int(np.count_nonzero(self._targets != IGNORED))
        lanes.reset(batch_size)

    def advance(self, seconds: float) -> bool:
        """Reads for about that long; returns whether the text has been read."""
        until = time.perf_counter() + seconds
        while self._done < len(self._blocks):
            start, end = self._blocks[self._done]
            self._loss_sum += self._lanes.loss(self._inputs[start:end], self._targets[start:end])
            self._done += 1
            if time.perf_counter() >= until:
                break
        return self._done == len(self._blocks)

    @property
    def perplexity(self) -> float:
        """Of what has been read to the end; infinite where it overflows."""
        return perplexity_of(self._loss_sum, self._words)


def perplexity_of(loss_sum: float, words: int) -> float:
    """``exp(loss_sum / words)``, infinite where that is too large for a number."""
    try:
        return math.exp(loss_sum / words)
    except OverflowError:
        return math.inf
