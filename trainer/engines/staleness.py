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

from trainer.recipes import WordVectorSettings

IN_FLIGHT = {"cbow": (18.0, 1.5), "skipgram": (4.2, 5.0)}
"""Learning rate times updates by one pair of rows under way: what a row of the inputs and one of the outputs stands."""
MOST_LOST = {"cbow": 0.2, "skipgram": 0.3}  # of all updates, for the sake of more thread blocks


class Staleness:
    """What is under way for each row, for a thread block."""

    def __init__(
        self,
        counts: NDArray[np.int64],
        keep: NDArray[np.uint32],
        settings: WordVectorSettings,
        *,
        block: int,
    ) -> None:
        """`counts` and `keep` [V], as `sampling` makes them; `block`: targets that a thread block trains together."""
        kept = counts * (keep / 2.0**32)
        self._share = kept / max(kept.sum(), 1e-300)
        drawn = counts**0.75
        weight = settings.window + 1.0  # of a window in all
        pairs, returned = (
            (weight, 1.0) if settings.model == "skipgram" else (1.0, weight * settings.context_gradient)
        )
        inputs = block * pairs * returned * (1 + settings.negatives) * self._share
        outputs = block * pairs * (self._share + settings.negatives * drawn / drawn.sum())
        most = IN_FLIGHT[settings.model]
        self._most_lost = MOST_LOST[settings.model]
        self._inputs, self._outputs = most[0] / inputs.clip(1e-300), most[1] / outputs

    def row_rates(self, blocks: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """[V] for the inputs and the outputs: the learning rate up to which a row takes its updates whole."""
        return (self._inputs / blocks).astype(np.float32), (self._outputs / blocks).astype(np.float32)

    def most_blocks(self, learning_rate: float) -> int:
        """The most thread blocks for which rows refuse no more than the share MOST_LOST of the words' updates."""
        low, high = 1, 1 << 20
        while high - low > 1:
            blocks = (low + high) // 2
            taken = np.minimum(1.0, np.minimum(self._inputs, self._outputs) / (blocks * learning_rate))
            low, high = (blocks, high) if 1 - self._share @ taken <= self._most_lost else (low, blocks)
        return low
