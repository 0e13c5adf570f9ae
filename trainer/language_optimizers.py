"""How a language model's weights are changed: gradients of several lanes added, clipped, and given to an optimizer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from artifact.errors import InputError
from trainer.backend import Array, Backend
from trainer.language_recipes import OPTIMIZERS
from trainer.layers.gradients import Gradient, clip_gradients, global_norm, merge_gradients
from trainer.optimizers import SGD, Adam, Optimizer

ADAMW_BETA2 = 0.99  # the moments of a short training should not remember its first steps


class DenseAdam(Adam):
    """Adam, with its moments in reach of a faster update."""

    def moments(self, name: str) -> tuple[Array, Array]:
        """m and v of a parameter, by reference."""
        return self._m[name], self._v[name]


class AdamW(DenseAdam):
    """Adam with weight decay apart from the gradient (Loshchilov and Hutter 2019, arXiv 1711.05101, algorithm 2)."""

    def __init__(self, parameters: Mapping[str, Array], *, backend: Backend) -> None:
        super().__init__(parameters, backend=backend, beta2=ADAMW_BETA2, epsilon=1e-8)


class Averaging(Optimizer):
    """An optimizer that can be told to average its weights: their mean (Polyak and Juditsky 1992), or one that forgets.

    With a ``decay`` the average keeps that much of itself at each step, as soon as it is a mean of 1 / (1 - decay) steps.
    """

    def __init__(self, parameters: Mapping[str, Array], *, backend: Backend, decay: float = 0.0) -> None:
        super().__init__(parameters, backend=backend)
        self.decay = decay
        self.averages: dict[str, Array] = {}
        self.averaged = 0

    def start_averaging(self) -> None:
        """From the next step on, ``averages`` are those of the weights after each step."""
        if not self.averages:
            self.averages = {name: table.copy() for name, table in self.parameters.items()}

    def share(self, *, under_way: int = 0) -> float:
        """Of the weights in their averages after the next step, or after the one that follows ``under_way`` others."""
        return max(1 / (self.averaged + under_way + 1), 1 - self.decay if self.decay else 0.0)

    def step(self, gradients: Mapping[str, Gradient], *, learning_rate: float) -> None:
        super().step(gradients, learning_rate=learning_rate)
        if self.averages:
            share = self.share()
            self.averaged += 1
            for name in self.averages:
                self.averages[name] += share * (self.parameters[name] - self.averages[name])

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        arrays, values = super().state()
        arrays |= {f"asgd.{name}": self.backend.to_numpy(table) for name, table in self.averages.items()}
        return arrays, {**values, "averaged": self.averaged if self.averages else None}

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> None:
        super().restore(arrays, values)
        if values["averaged"] is not None:
            self.start_averaging()
            self.averaged = int(values["averaged"])
            for name, average in self.averages.items():
                average[...] = self.backend.asarray(arrays[f"asgd.{name}"])


class ASGD(Averaging, SGD):
    """SGD with averages (arXiv 1708.02182, section 3)."""


class AveragedAdam(Averaging, DenseAdam):
    """Adam with averages."""


class AveragedAdamW(Averaging, AdamW):
    """AdamW with averages."""


KINDS: dict[str, Any] = {"sgd": SGD, "adam": DenseAdam, "adamw": AdamW}
AVERAGED: dict[str, Any] = {
    "sgd": ASGD,
    "adam": AveragedAdam,
    "adamw": AveragedAdamW,
    "asgd": ASGD,
}


def make_language_optimizer(
    name: str,
    parameters: Mapping[str, Array],
    *,
    backend: Backend,
    weight_decay: float = 0.0,
    average_decay: float = 0.0,
) -> Optimizer:
    """One of ``sgd``, ``adam``, ``adamw``, ``asgd``. Raises InputError for another, and for adam with weight decay.

    An ``average_decay`` averages from the first step on, but for ``asgd``, which waits to be told.
    """
    if name not in OPTIMIZERS:
        raise InputError(f"unknown optimizer {name[:40]!r}: choose one of {', '.join(OPTIMIZERS)}")
    if name == "adam" and weight_decay:
        raise InputError("weight decay does not go with adam: use --optimizer adamw")
    if not average_decay and name in KINDS:
        plain: Optimizer = KINDS[name](parameters, backend=backend)
        return plain
    averaged: Averaging = AVERAGED[name](parameters, backend=backend, decay=average_decay)
    if name != "asgd":
        averaged.start_averaging()
    return averaged


class Updater:
    """One update: add up the gradients of all lanes, clip their global norm, decay the weights, step."""

    def __init__(
        self, optimizer: Optimizer, *, backend: Backend, clip: float = 0.0, weight_decay: float = 0.0
    ) -> None:
        """``clip`` 0 does not clip; ``weight_decay`` is per unit of learning rate."""
        self.optimizer = optimizer
        self.backend = backend
        self.clip = clip
        self.weight_decay = weight_decay

    def update(self, parts: Sequence[Sequence[tuple[str, Gradient]]], *, learning_rate: float) -> float:
        """Changes the weights by the sum of ``parts``; returns its global norm. If that is not finite, nothing changes."""
        gradients = merge_gradients((pair for part in parts for pair in part), self.backend)
        norm = global_norm(gradients, self.backend)
        if not math.isfinite(norm):
            return norm
        if self.clip:
            gradients = clip_gradients(gradients, max_norm=self.clip, backend=self.backend)
        if self.weight_decay:
            weights = self.optimizer.parameters
            for name in weights:
                weights[name] *= 1 - learning_rate * self.weight_decay
        self.optimizer.step(gradients, learning_rate=learning_rate)
        return norm
