"""The fast engine for language models: every thread computes its own lanes, on one core, from weights packed together."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from trainer.backend import Array, Backend, numpy_backend
from trainer.engines.language.layers import FastGRU, FastLSTM, FastOutput, FastRecurrent, FastRNN
from trainer.engines.language.packing import PackedWeights
from trainer.engines.language.updates import FastUpdater
from trainer.language_recipes import RnnlmSettings
from trainer.layers.softmax import Output
from trainer.layers.time import TimeRecurrent
from trainer.models.rnnlm import Toolbox
from trainer.models.rnnlm_learner import LanguageEngine, RnnlmLearner

CELLS: dict[str, type[FastRecurrent]] = {"rnn": FastRNN, "lstm": FastLSTM, "gru": FastGRU}


class FastToolbox(Toolbox):
    """Makes the fast layers over one set of weights."""

    def __init__(
        self, parameters: Mapping[str, Array], pool: ThreadPoolExecutor | None, threads: int
    ) -> None:
        self._packed = PackedWeights(parameters)
        self._pool, self._threads = pool, threads

    def recurrent(
        self, cell: str, number: int, weights: Mapping[str, Array], *, backend: Backend
    ) -> TimeRecurrent:
        packed = {part: self._packed.tables[f"layer{number}.{part}"] for part in ("w_x", "w_h")}
        return CELLS[cell](weights, backend=backend, packed=packed)

    def output(self, W: Array, b: Array, *, backend: Backend) -> Output:
        return FastOutput(W, b, backend=backend, packed=self._packed.tables["output"])

    def prepare(self, *, gradients: bool) -> None:
        self._packed.refresh(self._pool, threads=self._threads, turned=gradients)


def fast_engine(threads: int) -> LanguageEngine:
    """Training on ``threads`` threads of the CPU."""
    return LanguageEngine(
        make_toolbox=FastToolbox, make_updater=FastUpdater, threads=threads, warm_up=warm_up
    )


def warm_up(settings: RnnlmSettings) -> None:
    """Compile all that a training with ``settings`` runs, by a training of the same kind on a few words."""
    few = replace(
        settings,
        hidden=24,
        embedding=None if settings.embedding is None else 20,
        batch_size=2,
        time_steps=5,
        epochs=3,
        average_after=0,
        learning_rate=1e-6,
        patience=0,
        threads=1,
    )
    words = np.random.default_rng(0).integers(0, 120, 80).astype(np.int32)
    learner = RnnlmLearner(
        words,
        few,
        size=120,
        end_of_line=0,
        valid_ids=words,
        backend=numpy_backend(),
        engine=replace(fast_engine(1), warm_up=None),
    )
    while not learner.finished():
        learner.advance()
