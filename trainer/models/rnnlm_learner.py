"""RnnlmLearner: trains a language model epoch by epoch, validates each, and keeps the best."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.errors import InputError
from trainer.backend import Array, Backend
from trainer.evaluate.perplexity import PerplexityMeasurement, perplexity_of
from trainer.language_batches import cut_blocks, cut_lanes
from trainer.language_optimizers import Averaging, Updater, make_language_optimizer
from trainer.language_recipes import RnnlmSettings
from trainer.loop import Step
from trainer.models.block_trainer import BlockTrainer
from trainer.models.lanes import Lanes
from trainer.models.rnnlm import Toolbox, initial_parameters
from trainer.optimizers import Optimizer

PIECE_S = 0.25


def make_plain_updater(
    optimizer: Optimizer,
    *,
    backend: Backend,
    clip: float,
    weight_decay: float,
    pool: ThreadPoolExecutor | None,
    threads: int,
) -> Updater:
    """``Updater``, which has no use for threads."""
    del pool, threads
    return Updater(optimizer, backend=backend, clip=clip, weight_decay=weight_decay)


@dataclass(frozen=True)
class LanguageEngine:
    """What a training is carried out with."""

    make_toolbox: Callable[[Mapping[str, Array], ThreadPoolExecutor | None, int], Toolbox] | None = None
    """From the weights, and the threads to prepare them with; None makes the plain layers."""
    make_lanes: Callable[..., Lanes] = Lanes
    make_updater: Callable[..., Updater] = make_plain_updater
    make_trainer: Callable[[Lanes, Updater], BlockTrainer] = BlockTrainer
    threads: int = 1
    """Threads that share the lanes; each computes alone."""
    warm_up: Callable[[RnnlmSettings], None] | None = None


@dataclass(frozen=True)
class Epoch:
    """How an epoch ended. ``number`` counts from 1."""

    number: int
    train_perplexity: float
    """Over the epoch, with dropout, while the weights changed."""
    valid_perplexity: float
    learning_rate: float
    best: bool

    def to_json(self) -> dict[str, Any]:
        """By field; null for a perplexity that is too large for a number."""
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Epoch:
        """What ``to_json`` wrote."""
        found: dict[str, Any] = {key: math.inf if part is None else part for key, part in value.items()}
        return cls(**found)


class RnnlmLearner:
    """Truncated backpropagation over lanes of the text (the book, 5.5 and 6.4 and 6.5).

    After each epoch the validation text is read. The weights with the best perplexity are kept; where it did not
    get better, the learning rate is divided, or averaging starts, and after some such epochs training ends.
    All that is random follows from the seed and the position, so a restored training ends bit for bit as an
    uninterrupted one with as many threads.
    """

    remark = ""

    def __init__(
        self,
        token_ids: NDArray[np.int32],
        settings: RnnlmSettings,
        *,
        size: int,
        end_of_line: int,
        valid_ids: NDArray[np.int32],
        backend: Backend,
        engine: LanguageEngine | None = None,
        on_epoch: Callable[[Epoch], None] | None = None,
    ) -> None:
        """``token_ids`` [N] below ``size`` are trained on, ``valid_ids`` decide; both begin after an ``end_of_line``.

        Raises InputError for a text that is too short for the lanes.
        """
        self.settings = settings
        self.backend = backend
        self.engine = engine or LanguageEngine()
        self.on_epoch = on_epoch
        self.epochs: list[Epoch] = []
        self.total_words = len(token_ids) * settings.epochs
        self.words_done = 0
        self._token_ids = token_ids
        self._valid_ids = valid_ids
        self._end_of_line = end_of_line
        self._pool = ThreadPoolExecutor(self.engine.threads) if self.engine.threads > 1 else None
        start = initial_parameters(settings, size=size)
        self.parameters: dict[str, Array] = {name: backend.asarray(table) for name, table in start.items()}
        self._optimizer: Optimizer = make_language_optimizer(
            settings.optimizer,
            self.parameters,
            backend=backend,
            weight_decay=settings.weight_decay,
            average_decay=settings.average_decay,
        )
        updater = self.engine.make_updater(
            self._optimizer,
            backend=backend,
            clip=settings.clip,
            weight_decay=settings.weight_decay,
            pool=self._pool,
            threads=self.engine.threads,
        )
        self._lanes = self._make_lanes(self.parameters)
        self._trainer = self.engine.make_trainer(self._lanes, updater)
        self._best: dict[str, Array] = {}
        self._learning_rate = settings.first_learning_rate
        self._worse = 0
        self._validation: PerplexityMeasurement | None = None
        self._begin_epoch()
        self._lanes.reset(settings.batch_size)

    def warm_up(self) -> None:
        """Compiles what must be compiled."""
        if self.engine.warm_up is not None:
            self.engine.warm_up(self.settings)

    def finished(self) -> bool:
        patience = self.settings.patience
        return len(self.epochs) >= self.settings.epochs or bool(patience and self._worse >= patience)

    def advance(self) -> Step:
        """Trains or validates for about a quarter of a second. The loss is per word.

        A loss that is not a number is returned before anything is changed by it.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            return self._train() if self._block < len(self._blocks) else self._validate()

    def vectors(self) -> NDArray[np.float32]:
        """[V, E]: the embedding of the best epoch, or as it is where none has ended."""
        return self.backend.to_numpy((self._best or self.parameters)["embedding"]).astype(np.float32)

    def best_parameters(self) -> dict[str, NDArray[Any]]:
        """The weights of the best epoch; those at the moment where no epoch has ended."""
        return {name: self.backend.to_numpy(table) for name, table in (self._best or self.parameters).items()}

    def best_epoch(self) -> Epoch | None:
        """The epoch whose weights are kept."""
        return next((epoch for epoch in reversed(self.epochs) if epoch.best), None)

    def perplexity(self, token_ids: NDArray[np.int32]) -> float:
        """Of a text after an ``<eos>``, by the weights of the best epoch."""
        lanes = self._make_lanes(self._best or self.parameters)
        measurement = PerplexityMeasurement(lanes, token_ids, first_input=self._end_of_line)
        measurement.advance(math.inf)
        return measurement.perplexity

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Weights, the best ones, the optimizer's arrays and the lanes' memory; position, learning rate and epochs.

        A validation that is under way begins anew.
        """
        while self._trainer.started:
            self._finish_block()
        arrays, optimizer = self._optimizer.state()
        for kind, tables in (("weights", self.parameters), ("best", self._best)):
            arrays |= {f"{kind}.{name}": self.backend.to_numpy(table) for name, table in tables.items()}
        return arrays | self._lanes.state(), {
            "words_done": self.words_done,
            "block": self._block,
            "loss_sum": self._loss_sum,
            "examples": self._examples,
            "learning_rate": self._learning_rate,
            "worse": self._worse,
            "epochs": [epoch.to_json() for epoch in self.epochs],
            "optimizer": optimizer,
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> None:
        """Takes the state of a learner that was made with the same text and settings.

        Raises InputError for weights of another shape.
        """
        for name, table in self.parameters.items():
            found = arrays.get(f"weights.{name}")
            if found is None or found.shape != table.shape:
                raise InputError(f"the checkpoint's {name} does not fit: the text or the settings differ")
            table[...] = self.backend.asarray(found)
        self._best = {
            name: self.backend.asarray(arrays[f"best.{name}"].copy())
            for name in self.parameters
            if f"best.{name}" in arrays
        }
        self._optimizer.restore(arrays, values["optimizer"])
        self.epochs = [Epoch.from_json(epoch) for epoch in values["epochs"]]
        self._begin_epoch()
        self._lanes.restore(arrays)
        self.words_done = int(values["words_done"])
        self._block = int(values["block"])
        self._loss_sum, self._examples = float(values["loss_sum"]), int(values["examples"])
        self._learning_rate, self._worse = float(values["learning_rate"]), int(values["worse"])

    def _make_lanes(self, parameters: Mapping[str, Array]) -> Lanes:
        make = self.engine.make_toolbox
        return self.engine.make_lanes(
            parameters,
            self.settings,
            backend=self.backend,
            toolbox=None if make is None else make(parameters, self._pool, self.engine.threads),
            pool=self._pool,
            threads=self.engine.threads,
        )

    def _begin_epoch(self) -> None:
        settings, epoch = self.settings, len(self.epochs)
        generator = np.random.default_rng([settings.seed, epoch])
        shift = int(generator.integers(len(self._token_ids))) if settings.shift_lanes and epoch else 0
        self._inputs, self._targets = cut_lanes(
            self._token_ids, batch_size=settings.batch_size, first_input=self._end_of_line, shift=shift
        )
        self._blocks = cut_blocks(
            len(self._inputs),
            time_steps=settings.time_steps,
            generator=generator if settings.vary_steps else None,
        )
        self._block = 0
        self._loss_sum, self._examples = 0.0, 0
        self._validation = None

    def _train(self) -> Step:
        words, loss_sum, rate = 0, 0.0, 0.0
        until = time.perf_counter() + PIECE_S
        while math.isfinite(loss_sum) and self._block < len(self._blocks):
            late = words > 0 and time.perf_counter() >= until
            if late and not self._trainer.started:
                break
            steps, rate = self._steps(self._block), self._rate(self._block)
            loss_sum += self._finish_block() if late else self.train_block()
            if math.isfinite(loss_sum):
                words += steps * self.settings.batch_size
        examples = words
        if self._block == len(self._blocks):
            # The words that fill no lane were passed as well.
            words = len(self._token_ids) * (len(self.epochs) + 1) - self.words_done
        self.words_done += words
        self._loss_sum += loss_sum
        self._examples += examples
        return Step(words=words, examples=max(examples, 1), loss_sum=loss_sum, learning_rate=rate)

    def train_block(self) -> float:
        """Trains the next block of this epoch and returns its summed loss; one that is not a number changes nothing.

        The engine may have begun with blocks after it.
        """
        trainer = self._trainer
        while trainer.started < trainer.ahead and self._block + trainer.started < len(self._blocks):
            block = self._block + trainer.started
            start, end = self._blocks[block]
            trainer.start(
                self._inputs[start:end],
                self._targets[start:end],
                seeds=[self.settings.seed, len(self.epochs), block],
                learning_rate=self._rate(block),
            )
        return self._finish_block()

    def _finish_block(self) -> float:
        loss = self._trainer.finish()
        if math.isfinite(loss):
            self._block += 1
        return loss

    def _steps(self, block: int) -> int:
        start, end = self._blocks[block]
        return end - start

    def _rate(self, block: int) -> float:
        settings = self.settings
        rate = self._learning_rate
        if settings.schedule == "cosine":
            done = (len(self.epochs) + block / len(self._blocks)) / settings.epochs
            rate *= 0.5 * (1 + math.cos(math.pi * done))
            if done < settings.warm_up:
                rate *= (done * settings.epochs * len(self._blocks) + 1) / (
                    settings.warm_up * settings.epochs * len(self._blocks) + 1
                )
        return rate * self._steps(block) / settings.time_steps if settings.vary_steps else rate

    def _validate(self) -> Step:
        if self._validation is None:
            tables = self._evaluated()
            self._validation = PerplexityMeasurement(
                self._make_lanes(tables), self._valid_ids, first_input=self._end_of_line
            )
        if self._validation.advance(PIECE_S):
            self._end_epoch(self._validation.perplexity)
        return Step(words=0, examples=0, loss_sum=0.0, learning_rate=self._learning_rate)

    def _evaluated(self) -> dict[str, Array]:
        averages = self._optimizer.averages if isinstance(self._optimizer, Averaging) else {}
        return averages or self.parameters

    def _end_epoch(self, perplexity: float) -> None:
        before = [epoch.valid_perplexity for epoch in self.epochs]
        best = not before or perplexity < min(before)
        epoch = Epoch(
            number=len(self.epochs) + 1,
            train_perplexity=perplexity_of(self._loss_sum, max(self._examples, 1)),
            valid_perplexity=perplexity,
            learning_rate=self._learning_rate,
            best=best,
        )
        self._worse = 0 if best else self._worse + 1
        if best:
            self._best = {name: table.copy() for name, table in self._evaluated().items()}
        elif self.settings.schedule == "plateau":
            self._learning_rate /= self.settings.decay
        if isinstance(self._optimizer, Averaging):
            earlier = before[: -self.settings.average_after or None]
            if earlier and perplexity > min(earlier):
                self._optimizer.start_averaging()
        self.epochs.append(epoch)
        if not self.finished():
            self._begin_epoch()
            self._lanes.reset(self.settings.batch_size)
        if self.on_epoch is not None:
            self.on_epoch(epoch)
