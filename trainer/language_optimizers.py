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


class ASGD(SGD):
    """SGD that can be told to average its weights (Polyak and Juditsky 1992; arXiv 1708.02182, section 3)."""

    def __init__(self, parameters: Mapping[str, Array], *, backend: Backend) -> None:
        super().__init__(parameters, backend=backend)
        self.averages: dict[str, Array] = {}
        self.averaged = 0

    def start_averaging(self) -> None:
        """From the next step on, ``averages`` are the means of the weights after each step."""
        if not self.averages:
            self.averages = {name: table.copy() for name, table in self.parameters.items()}

    def step(self, gradients: Mapping[str, Gradient], *, learning_rate: float) -> None:
        super().step(gradients, learning_rate=learning_rate)
        if self.averages:
            self.averaged += 1
            for name in self.averages:
                self.averages[name] += (self.parameters[name] - self.averages[name]) / self.averaged

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


KINDS: dict[str, type[SGD | Adam]] = {"sgd": SGD, "adam": DenseAdam, "adamw": AdamW, "asgd": ASGD}


def make_language_optimizer(
    name: str, parameters: Mapping[str, Array], *, backend: Backend, weight_decay: float = 0.0
) -> Optimizer:
    """One of ``sgd``, ``adam``, ``adamw``, ``asgd``. Raises InputError for another, and for adam with weight decay."""
    if name not in KINDS:
        raise InputError(f"unknown optimizer {name[:40]!r}: choose one of {', '.join(OPTIMIZERS)}")
    if name == "adam" and weight_decay:
        raise InputError("weight decay does not go with adam: use --optimizer adamw")
    return KINDS[name](parameters, backend=backend)


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
