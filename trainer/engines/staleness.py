"""How much of an update a common row takes where many thread blocks change it at once, blind to each other's updates.

A block reads a row, works on its targets, and adds what they gave it. Meanwhile other blocks add theirs. For a row that
all of them change, the sum of so many updates to the same old values oversteps, and training diverges. The sum of the
learning rates of the updates that are under way for a row is therefore limited: a row beyond the limit takes only a share
of each of its updates. Both its positive and its negative ones shrink, so it is drawn to the same place, more slowly; a
common row has updates to spare. All but some dozens of rows take their updates whole.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainer.engines.averaging import count_touches
from trainer.engines.gpu_worker import Material

IN_FLIGHT = {"cbow": (18.0, 1.5), "skipgram": (4.2, 5.0)}
"""Learning rate times updates by one pair of rows under way: what a row of the inputs and one of the outputs stands."""
MOST_LOST = {"cbow": 0.185, "skipgram": 0.3}  # of all updates, for the sake of more thread blocks


class Staleness:
    """What is under way for each row, for a thread block."""

    def __init__(self, material: Material, counts: NDArray[np.int64], *, block: int) -> None:
        """`counts` [V]: of the words; `block`: targets that a thread block trains together."""
        settings = material.settings
        examples = 1 + settings.negatives
        touches = {name: each.astype(np.float64) for name, each in count_touches(material, counts).items()}
        kept = max(float(touches["output"].sum()) / examples, 1e-300)  # words, as touches count
        weight = settings.window + 1.0  # of a window in all
        pairs, returned = (
            (weight, 1.0) if settings.model == "skipgram" else (1.0, weight * settings.context_gradient)
        )
        self._most_lost = MOST_LOST[settings.model]
        self._updates = [
            block * pairs * returned * examples * touches["input"] / kept,
            block * pairs * touches["output"] / kept,
        ]
        self._rates = [
            most / each.clip(1e-300)
            for most, each in zip(IN_FLIGHT[settings.model], self._updates, strict=True)
        ]

    def row_rates(self, blocks: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """For each row of the inputs and the outputs: the learning rate up to which it takes its updates whole."""
        inputs, outputs = (np.minimum(rates / blocks, 1e30).astype(np.float32) for rates in self._rates)
        return inputs, outputs

    def lost(self, blocks: int, learning_rate: float) -> float:
        """The share of updates that the rows refuse, in the table that refuses more."""
        return max(
            1 - float(updates @ np.minimum(1.0, rates / (blocks * learning_rate))) / float(updates.sum())
            for updates, rates in zip(self._updates, self._rates, strict=True)
        )

    def most_blocks(self, learning_rate: float) -> int:
        """The most thread blocks for which the rows refuse no more than the share MOST_LOST of all updates."""
        low, high = 1, 1 << 20
        while high - low > 1:
            blocks = (low + high) // 2
            low, high = (
                (blocks, high) if self.lost(blocks, learning_rate) <= self._most_lost else (low, blocks)
            )
        return low
