"""BlockTrainer: one step of training for each block of text."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainer.language_optimizers import Updater
from trainer.models.lanes import Lanes


class BlockTrainer:
    """Gradients of a block, and the update by them. This one has done with a block when it is asked for its loss.

    Others may have several under way: then a block whose loss or gradient is not a number changes nothing, and neither does
    any that was started after it.
    """

    ahead = 1
    """Blocks that may be under way at once."""

    def __init__(self, lanes: Lanes, updater: Updater) -> None:
        self.lanes, self.updater = lanes, updater
        self._losses: list[float] = []

    @property
    def started(self) -> int:
        """Blocks under way: up to ``ahead``."""
        return len(self._losses)

    def start(
        self,
        inputs: NDArray[np.int32],
        targets: NDArray[np.int32],
        *,
        seeds: Sequence[int],
        learning_rate: float,
    ) -> None:
        """Begin to train on a block [T, B]; ``seeds`` draw what is dropped."""
        loss, parts = self.lanes.loss_and_gradients(inputs, targets, seeds=seeds)
        if math.isfinite(loss) and not math.isfinite(self.updater.update(parts, learning_rate=learning_rate)):
            loss = math.nan  # the next loss would be, and the weights as they stand are still good
        self._losses.append(loss)

    def finish(self) -> float:
        """The summed loss of the block that was started first. If it is not a number, the others are forgotten."""
        loss = self._losses.pop(0)
        if not math.isfinite(loss):
            self._losses.clear()
        return loss
