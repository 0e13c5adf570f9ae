"""What one step of a word-vector model gives back, and the output layers that it can be made with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from trainer.backend import Array
from trainer.layers.gradients import Gradient, RowGradient


@dataclass(frozen=True)
class LossAndGradients:
    """The summed loss in nats (a scalar on the device), over how many examples, and the gradients of that sum.

    ``gradients`` has one for each table by name: ``input`` and ``output``.
    """

    loss_sum: Array
    examples: Array
    gradients: dict[str, Gradient]


class OutputLayer(Protocol):
    """NegativeSamplingLoss or HierarchicalSoftmaxLoss: a hidden vector against the word it should predict."""

    W: Array

    def forward(
        self, h: Array, *, targets: Array, negatives: Array | None, example_weights: Array | None = None
    ) -> Array: ...

    def backward(self) -> tuple[Array, RowGradient]: ...
