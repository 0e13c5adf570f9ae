"""The training loop: drives any learner, watches its loss, keeps its history and its checkpoints."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from numpy import float32
from numpy.typing import NDArray

from artifact.errors import StoreError, WordkinError

HISTORY_POINTS = 1000
LOSS_WINDOW = 0.05  # share of the training that the reported loss is averaged over
SPEED_WINDOW_S = 10.0


@dataclass(frozen=True)
class Step:
    """What one ``advance`` did."""

    words: int
    """Raw words of the text that were passed, whether or not they were trained on."""
    examples: int
    """Losses that ``loss_sum`` adds up; may be 0."""
    loss_sum: float
    """In nats."""
    learning_rate: float


class Learner(Protocol):
    """A training in progress. Plain models and fast engines look the same to ``fit``."""

    total_words: int
    """Raw words times epochs."""
    words_done: int
    remark: str
    """What a person should know before training begins; empty for nothing."""

    def warm_up(self) -> None:
        """Does what must be done once, such as compiling; changes nothing that is learned."""

    def advance(self) -> Step:
        """Trains a bounded piece (0.05 to 1 s); on one thread, what it does depends on the state alone."""

    def finished(self) -> bool: ...

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """All that training needs to go on: arrays (weights, optimizer), and JSON values (random state, position)."""

    def restore(self, arrays: dict[str, NDArray[Any]], values: dict[str, Any]) -> None:
        """Takes the state of a learner that was made with the same corpus and settings."""

    def vectors(self) -> NDArray[float32]:
        """[V, D], what is published."""


@dataclass
class Point:
    """A stretch of the training: where it ended, and the losses in it."""

    words: int
    loss_sum: float
    examples: int
    learning_rate: float

    @property
    def loss(self) -> float | None:
        """Mean loss per example in nats, None where there was no example."""
        return self.loss_sum / self.examples if self.examples else None


@dataclass
class History:
    """The losses of a training in at most ``HISTORY_POINTS`` stretches of equal length, and the time it took."""

    total_words: int
    points: list[Point] = field(default_factory=list)
    seconds: float = 0.0
    """Time spent training, over all its parts when it was interrupted; checkpoints and warm-up aside."""

    @property
    def words(self) -> int:
        return self.points[-1].words if self.points else 0

    @property
    def words_per_second(self) -> float:
        """Raw words a second over the whole training."""
        return self.words / self.seconds if self.seconds > 0 else 0.0

    @property
    def loss(self) -> float | None:
        """Mean loss per example over the last twentieth of the training; None before the first example."""
        start = self.words - LOSS_WINDOW * self.total_words
        loss_sum, examples = 0.0, 0
        for point in reversed(self.points):
            if examples and point.words <= start:
                break
            loss_sum += point.loss_sum
            examples += point.examples
        return loss_sum / examples if examples else None

    def add(self, step: Step) -> None:
        words = self.words + step.words
        if self.points and self._stretch(words) == self._stretch(self.words):
            point = self.points[-1]
            point.words = words
            point.loss_sum += step.loss_sum
            point.examples += step.examples
            point.learning_rate = step.learning_rate
        else:
            self.points.append(Point(words, step.loss_sum, step.examples, step.learning_rate))

    def to_json(self) -> dict[str, Any]:
        return {
            "total_words": self.total_words,
            "seconds": self.seconds,
            "points": [[p.words, p.loss_sum, p.examples, p.learning_rate] for p in self.points],
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> History:
        return cls(
            total_words=value["total_words"],
            points=[Point(*point) for point in value["points"]],
            seconds=value["seconds"],
        )

    def _stretch(self, words: int) -> int:
        # Words 1 to total / 1000 are stretch 0, and so on: the last word is in the last stretch.
        return (words - 1) * HISTORY_POINTS // max(self.total_words, 1)


@dataclass(frozen=True)
class Status:
    """How a training stands after a step."""

    words: int
    total_words: int
    words_per_second: float
    """Over the last seconds."""
    loss: float | None
    learning_rate: float
    seconds: float
    seconds_left: float


class Watcher(Protocol):
    """Whoever shows how a training goes."""

    def warming_up(self) -> None: ...

    def training(self, *, words: int, total_words: int) -> None:
        """Training starts, or goes on after ``words``."""

    def stepped(self, status: Status) -> None: ...

    def note(self, text: str) -> None: ...


class Stop(Protocol):
    """A ``threading.Event``, or what looks like one."""

    def is_set(self) -> bool: ...


class Diverged(WordkinError):
    """The loss is no longer a number."""


def fit(
    learner: Learner,
    *,
    watcher: Watcher,
    stop: Stop,
    history: History | None = None,
    save: Callable[[Learner, History], None] | None = None,
    save_every_s: float = 300.0,
) -> History:
    """Train to the end, or until ``stop`` is set; what was learned is saved then, and every ``save_every_s``.

    ``history`` is what a checkpoint kept of an interrupted training, whose state ``learner`` has taken.
    Raises Diverged when the loss is NaN or infinite; the checkpoint before that is left alone.
    """
    history = history or History(learner.total_words)
    if learner.remark:
        watcher.note(learner.remark)
    watcher.warming_up()
    learner.warm_up()
    watcher.training(words=learner.words_done, total_words=learner.total_words)
    recent = deque([(history.seconds, history.words)])
    saved = time.perf_counter()
    while not learner.finished() and not stop.is_set():
        started = time.perf_counter()
        step = learner.advance()
        if not math.isfinite(step.loss_sum):
            raise Diverged(_divergence(step, learner))
        history.add(step)
        history.seconds += time.perf_counter() - started
        recent.append((history.seconds, history.words))
        while len(recent) > 2 and recent[0][0] < history.seconds - SPEED_WINDOW_S:
            recent.popleft()
        watcher.stepped(_status(history, recent, step.learning_rate))
        if save is not None and time.perf_counter() - saved >= save_every_s:
            try:
                save(learner, history)
            except StoreError as error:
                # A full disk may have room again by the next time; hours of training are not given up for it.
                watcher.note(f"no checkpoint this time: {error}")
            saved = time.perf_counter()
    if save is not None and stop.is_set():
        save(learner, history)
    return history


def _status(history: History, recent: deque[tuple[float, int]], learning_rate: float) -> Status:
    seconds, words = history.seconds - recent[0][0], history.words - recent[0][1]
    speed = words / seconds if seconds > 0 else 0.0
    left = max(history.total_words - history.words, 0)
    return Status(
        words=history.words,
        total_words=history.total_words,
        words_per_second=speed,
        loss=history.loss,
        learning_rate=learning_rate,
        seconds=history.seconds,
        seconds_left=left / speed if speed > 0 else 0.0,
    )


def _divergence(step: Step, learner: Learner) -> str:
    share = 100 * learner.words_done / max(learner.total_words, 1)
    return (
        f"the loss is {step.loss_sum} after {learner.words_done:,} words ({share:.1f} % of the training, learning rate "
        f"{step.learning_rate:g}): a smaller --learning-rate may help"
    )
