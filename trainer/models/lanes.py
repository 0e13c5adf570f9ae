"""Lanes: one model over lanes of text that are shared out among threads, each with a copy of the layers but not of the weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from trainer.backend import Array, Backend
from trainer.language_recipes import RnnlmSettings
from trainer.layers.gradients import Gradient
from trainer.models.rnnlm import Rnnlm, Toolbox

Gradients = list[tuple[str, Gradient]]
Result = TypeVar("Result")


class Lanes:
    """A model reads B lanes side by side; thread k reads the k-th share of them. Lanes know nothing of each other."""

    def __init__(
        self,
        parameters: Mapping[str, Array],
        settings: RnnlmSettings,
        *,
        backend: Backend,
        toolbox: Toolbox | None = None,
        pool: ThreadPoolExecutor | None = None,
        threads: int = 1,
    ) -> None:
        """``parameters`` are kept by reference; ``pool`` has at least ``threads`` threads, None uses the caller's."""
        self.backend = backend
        self._pool = pool
        self._toolbox = toolbox or Toolbox()
        self._models = [
            Rnnlm(parameters, settings, backend=backend, toolbox=self._toolbox)
            for _ in range(threads if pool is not None else 1)
        ]
        self._shares: list[slice] = []

    def reset(self, batch: int) -> None:
        """Forget all words before, in ``batch`` lanes."""
        self._toolbox.prepare(gradients=False)
        self._share_out(batch)
        for model, share in zip(self._models, self._shares, strict=False):
            model.reset(share.stop - share.start)

    def loss(self, inputs: NDArray[np.int32], targets: NDArray[np.int32]) -> float:
        """The summed loss in nats of ``targets`` after ``inputs``, both [T, B]."""

        def read(model: Rnnlm, share: slice) -> float:
            return float(model.loss(*self._take(inputs, targets, share)))

        return sum(self._run(read))

    def loss_and_gradients(
        self, inputs: NDArray[np.int32], targets: NDArray[np.int32], *, seeds: Sequence[int] | None
    ) -> tuple[float, list[Gradients]]:
        """The summed loss in nats of a block [T, B], and for each thread the gradients of its share of the mean loss.

        ``seeds`` draw the dropout masks, together with the thread's number; None drops nothing.
        """
        scale = 1 / targets.size
        self._toolbox.prepare(gradients=True)

        def read(model: Rnnlm, share: slice) -> tuple[float, Gradients]:
            generator = None
            if seeds is not None:
                seed = np.random.SeedSequence([*seeds, share.start]).generate_state(1, np.uint64)[0]
                generator = self.backend.generator(int(seed))
            block = self._take(inputs, targets, share)
            loss, gradients = model.loss_and_gradients(*block, scale=scale, generator=generator)
            return float(loss), gradients

        results = self._run(read)
        return sum(loss for loss, _ in results), [gradients for _, gradients in results]

    def state(self) -> dict[str, NDArray[Any]]:
        """What is remembered of the words before: ``state.{layer}.{part}`` [B, H]."""
        states = [model.state for model, _ in zip(self._models, self._shares, strict=False)]
        return {
            f"state.{layer}.{part}": np.concatenate(
                [self.backend.to_numpy(state[layer][part]) for state in states]
            )
            for layer, parts in enumerate(states[0])
            for part in range(len(parts))
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Takes what ``state`` gave, for any number of threads."""
        self.reset(len(arrays["state.0.0"]))
        for model, share in zip(self._models, self._shares, strict=False):
            model.state = [
                tuple(
                    self.backend.asarray(arrays[f"state.{layer}.{part}"][share].copy())
                    for part in range(len(parts))
                )
                for layer, parts in enumerate(model.state)
            ]

    def _share_out(self, batch: int) -> None:
        edges = np.linspace(0, batch, min(len(self._models), batch) + 1).astype(int).tolist()
        self._shares = [slice(start, end) for start, end in pairwise(edges)]

    def _take(
        self, inputs: NDArray[np.int32], targets: NDArray[np.int32], share: slice
    ) -> tuple[Array, Array]:
        asarray = self.backend.asarray
        return asarray(np.ascontiguousarray(inputs[:, share])), asarray(
            np.ascontiguousarray(targets[:, share])
        )

    def _run(self, read: Callable[[Rnnlm, slice], Result]) -> list[Result]:
        pairs = list(zip(self._models, self._shares, strict=False))
        if self._pool is None or len(pairs) == 1:
            return [read(model, share) for model, share in pairs]
        futures = [self._pool.submit(read, model, share) for model, share in pairs[1:]]
        first = read(*pairs[0])
        return [first, *(future.result() for future in futures)]
