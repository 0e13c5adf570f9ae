"""The fast engine for language models on a GPU."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from trainer.backend import Array, Backend
from trainer.engines.language.gpu_device import LanguageDevice
from trainer.engines.language.gpu_layers import (
    GpuDropConnect,
    GpuDropout,
    GpuEmbedding,
    GpuOutput,
    GpuPenalties,
    GpuWordDropout,
)
from trainer.engines.language.gpu_recurrent import GpuGRU, GpuLSTM, GpuRecurrent, GpuRNN
from trainer.engines.language.gpu_training import GpuLanes, GraphTrainer
from trainer.engines.language.gpu_updates import GpuUpdater
from trainer.language_recipes import RnnlmSettings
from trainer.layers.softmax import Output
from trainer.layers.time import TimeRecurrent
from trainer.models.rnnlm import Toolbox
from trainer.models.rnnlm_learner import LanguageEngine, RnnlmLearner

CELLS: dict[str, type[GpuRecurrent]] = {"rnn": GpuRNN, "lstm": GpuLSTM, "gru": GpuGRU}


class Gradients(Mapping[str, Array]):
    """An array for the gradient of each parameter, made when it is first asked for: who only reads text needs none."""

    def __init__(self, parameters: Mapping[str, Array], device: LanguageDevice) -> None:
        self._parameters, self._device = parameters, device
        self._arrays: dict[str, Array] = {}

    def __getitem__(self, name: str) -> Array:
        if name not in self._arrays:
            self._arrays[name] = self._device.zeros(self._parameters[name].shape)
        return self._arrays[name]

    def __iter__(self) -> Any:
        return iter(self._parameters)

    def __len__(self) -> int:
        return len(self._parameters)

    def of(self, names: Mapping[str, str]) -> Mapping[str, Array]:
        """Some of them, by other names."""
        return _Renamed(self, names)


class _Renamed(Mapping[str, Array]):
    def __init__(self, arrays: Mapping[str, Array], names: Mapping[str, str]) -> None:
        self._arrays, self._names = arrays, names

    def __getitem__(self, name: str) -> Array:
        return self._arrays[self._names[name]]

    def __iter__(self) -> Any:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class GpuToolbox(Toolbox):
    """Makes the layers of ``gpu_layers`` and ``gpu_recurrent`` over one set of weights."""

    def __init__(
        self,
        parameters: Mapping[str, Array],
        pool: ThreadPoolExecutor | None = None,
        threads: int = 1,
        *,
        device: LanguageDevice,
    ) -> None:
        del pool, threads
        self._device = device
        self._gradients = Gradients(parameters, device)
        self._tied = "output" not in parameters
        self._places = 0

    def embedding(self, W: Array, *, backend: Backend) -> GpuEmbedding:
        return GpuEmbedding(W, backend=backend, device=self._device)

    def dropout(self, share: float, *, variational: bool, backend: Backend) -> GpuDropout:
        return GpuDropout(
            share, variational=variational, backend=backend, place=self._next_place(), device=self._device
        )

    def word_dropout(self, share: float, *, backend: Backend) -> GpuWordDropout:
        return GpuWordDropout(share, backend=backend, place=self._next_place(), device=self._device)

    def drop_connect(self, share: float, *, backend: Backend) -> GpuDropConnect:
        return GpuDropConnect(share, backend=backend, place=self._next_place(), device=self._device)

    def penalties(self, activation: float, change: float, *, backend: Backend) -> GpuPenalties:
        return GpuPenalties(activation, change, backend=backend, device=self._device)

    def recurrent(
        self, cell: str, number: int, weights: Mapping[str, Array], *, backend: Backend
    ) -> TimeRecurrent:
        gradients = self._gradients.of({part: f"layer{number}.{part}" for part in weights})
        return CELLS[cell](weights, backend=backend, device=self._device, gradients=gradients)

    def output(self, W: Array, b: Array, *, backend: Backend) -> Output:
        del backend
        names = {"W": "embedding" if self._tied else "output", "b": "output_bias"}
        gradients = self._gradients.of(names)
        return GpuOutput(W, b, tied=self._tied, device=self._device, gradients=gradients)

    def _next_place(self) -> int:
        self._places += 1
        return self._places


def gpu_engine(device: LanguageDevice) -> LanguageEngine:
    """Training on a GPU."""

    def make_trainer(lanes: Any, updater: Any) -> GraphTrainer:
        return GraphTrainer(lanes, updater)

    return LanguageEngine(
        make_toolbox=partial(GpuToolbox, device=device),
        make_lanes=partial(GpuLanes, device=device),
        make_updater=partial(GpuUpdater, device=device),
        make_trainer=make_trainer,
        warm_up=partial(warm_up, device=device),
    )


def warm_up(settings: RnnlmSettings, *, device: LanguageDevice) -> None:
    """Compile and load all that a training with ``settings`` runs, by a training of the same kind on a few words."""
    few = replace(settings, epochs=1, learning_rate=1e-6, patience=0, vary_steps=False)
    size = settings.batch_size * settings.time_steps
    words = np.random.default_rng(0).integers(0, 120, 3 * size).astype(np.int32)
    learner = RnnlmLearner(
        words,
        few,
        size=120,
        end_of_line=0,
        valid_ids=np.resize(words, 20 * 500).astype(np.int32),
        backend=device.backend,
        engine=replace(gpu_engine(device), warm_up=None),
    )
    while not learner.finished():
        learner.advance()
