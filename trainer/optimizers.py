"""Optimizers: SGD and Adam, over whole tables or only the rows that a step touched."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from artifact.errors import InputError
from trainer.backend import Array, Backend
from trainer.layers.gradients import Gradient, RowGradient


class Optimizer(ABC):
    """Updates named parameters in place. A RowGradient costs its rows alone (and leaves other rows' state as it is)."""

    def __init__(self, parameters: Mapping[str, Array], *, backend: Backend) -> None:
        """``parameters`` are kept by reference."""
        self.parameters = dict(parameters)
        self.backend = backend
        self.steps = 0

    def step(self, gradients: Mapping[str, Gradient], *, learning_rate: float) -> None:
        """One update of every parameter that has a gradient."""
        self.steps += 1
        for name, gradient in gradients.items():
            if isinstance(gradient, RowGradient):
                self._update_rows(name, gradient.rows, gradient.values, learning_rate)
            else:
                self._update(name, gradient, learning_rate)

    @abstractmethod
    def _update(self, name: str, gradient: Array, learning_rate: float) -> None: ...

    @abstractmethod
    def _update_rows(self, name: str, rows: Array, values: Array, learning_rate: float) -> None: ...

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """What an exact continuation needs beside the parameters: arrays and JSON values."""
        return {}, {"steps": self.steps}

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> None:
        """Takes the state of an optimizer of the same kind and parameters; ``arrays`` may hold others' as well."""
        del arrays
        self.steps = int(values["steps"])


class SGD(Optimizer):
    """``W -= learning_rate * d_W`` (the book, 6.1.2 of the first volume)."""

    def _update(self, name: str, gradient: Array, learning_rate: float) -> None:
        self.parameters[name] -= learning_rate * gradient

    def _update_rows(self, name: str, rows: Array, values: Array, learning_rate: float) -> None:
        self.parameters[name][rows] -= learning_rate * values


class Adam(Optimizer):
    """Adam with bias correction (Kingma and Ba 2015, arXiv 1412.6980, algorithm 1, in the order of its section 2).

    ``m += (1 - β1)(g - m); v += (1 - β2)(g² - v); W -= lr √(1 - β2^t) / (1 - β1^t) * m / (√v + ε)``, as in the book.
    On rows it is the lazy variant: the moments of rows without a gradient stay, and t counts all steps.
    """

    def __init__(
        self,
        parameters: Mapping[str, Array],
        *,
        backend: Backend,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-7,
    ) -> None:
        super().__init__(parameters, backend=backend)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self._m = {name: backend.xp.zeros_like(table) for name, table in self.parameters.items()}
        self._v = {name: backend.xp.zeros_like(table) for name, table in self.parameters.items()}

    def _update(self, name: str, gradient: Array, learning_rate: float) -> None:
        m, v = self._m[name], self._v[name]
        self.parameters[name] += self._change(m, v, gradient, learning_rate)

    def _update_rows(self, name: str, rows: Array, values: Array, learning_rate: float) -> None:
        m, v = self._m[name].take(rows, axis=0), self._v[name].take(rows, axis=0)
        change = self._change(m, v, values, learning_rate)
        self._m[name][rows] = m
        self._v[name][rows] = v
        self.parameters[name][rows] += change

    def _change(self, m: Array, v: Array, gradient: Array, learning_rate: float) -> Array:
        """Moves the moments in place and returns what to add to the parameter."""
        correction = (1 - self.beta2**self.steps) ** 0.5 / (1 - self.beta1**self.steps)
        m *= self.beta1
        m += (1 - self.beta1) * gradient
        square = gradient * gradient
        square *= 1 - self.beta2
        v *= self.beta2
        v += square
        change = self.backend.xp.sqrt(v)
        change += self.epsilon
        self.backend.xp.divide(m, change, out=change)
        change *= -learning_rate * correction
        return change

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        arrays, values = super().state()
        for name in self.parameters:
            arrays[f"adam.m.{name}"] = self.backend.to_numpy(self._m[name])
            arrays[f"adam.v.{name}"] = self.backend.to_numpy(self._v[name])
        return arrays, values

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> None:
        super().restore(arrays, values)
        for name in self.parameters:
            self._m[name][...] = self.backend.asarray(arrays[f"adam.m.{name}"])
            self._v[name][...] = self.backend.asarray(arrays[f"adam.v.{name}"])


def make_optimizer(name: str, parameters: Mapping[str, Array], *, backend: Backend) -> Optimizer:
    """``adam`` or ``sgd`` over ``parameters``. Raises InputError for another name."""
    kinds: dict[str, type[Optimizer]] = {"adam": Adam, "sgd": SGD}
    if name not in kinds:
        raise InputError(f"unknown optimizer {name[:40]!r}: choose one of {', '.join(kinds)}")
    return kinds[name](parameters, backend=backend)
