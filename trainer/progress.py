"""How long work is shown: bars on a terminal's standard error, JSON lines a second apart anywhere else."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

from trainer.console import Console, format_count, format_seconds
from trainer.loop import Status

JSON_INTERVAL_S = 1.0
BAR_INTERVAL_S = 0.1
_BAR = "{desc:<10} {percentage:3.0f} % |{bar:24}| {postfix}"
_OPEN_BAR = "{desc:<10} {postfix}"
_NAMES = {"warm-up": "warming up", "count": "counting", "encode": "encoding", "train": "training"}


class Progress(ABC):
    """Shows stages of work; a context manager, leaving it takes down what still stands."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def work(self, stage: str, done: int, total: int | None) -> None:
        """``done`` of ``total`` (None: not known) of the stage; cheap to call often."""

    @abstractmethod
    def warming_up(self) -> None:
        """Compiling and the like."""

    @abstractmethod
    def training(self, *, words: int, total_words: int) -> None:
        """Training starts, or goes on after ``words``."""

    @abstractmethod
    def stepped(self, status: Status) -> None:
        """Training went on."""

    @abstractmethod
    def note(self, text: str) -> None:
        """Something happened that a person should know."""

    @abstractmethod
    def close(self) -> None:
        """Takes down what still stands."""


def show_progress(console: Console, *, unit: str = "words") -> Progress:
    """Progress as this console shows it; ``unit`` is what ``work`` counts, B for bytes."""
    return JsonProgress(console, unit=unit) if console.json else BarProgress(console, unit=unit)


class _Throttle:
    """Says when something may be shown again: a new stage and the end of one always."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._stage = ""
        self._shown = 0.0

    def due(self, stage: str, *, last: bool) -> bool:
        now = time.monotonic()
        if stage == self._stage and not last and now - self._shown < self._interval_s:
            return False
        self._stage, self._shown = stage, now
        return True


class JsonProgress(Progress):
    """Objects with ``event`` "progress" on standard output, at most one a second for each stage."""

    def __init__(self, console: Console, *, unit: str) -> None:
        self._console = console
        self._unit = "bytes" if unit == "B" else unit
        self._throttle = _Throttle(JSON_INTERVAL_S)

    def work(self, stage: str, done: int, total: int | None) -> None:
        if self._throttle.due(stage, last=done == total):
            counts = {self._unit: done, f"total_{self._unit}": total}
            self._console.record(event="progress", stage=stage, **counts)

    def warming_up(self) -> None:
        self._console.record(event="progress", stage="warm-up")

    def training(self, *, words: int, total_words: int) -> None:
        self._throttle.due("train", last=True)
        self._console.record(event="progress", stage="train", words=words, total_words=total_words)

    def stepped(self, status: Status) -> None:
        if self._throttle.due("train", last=status.words >= status.total_words):
            self._console.record(
                event="progress",
                stage="train",
                words=status.words,
                total_words=status.total_words,
                words_per_second=round(status.words_per_second),
                loss=status.loss,
                learning_rate=status.learning_rate,
                seconds=round(status.seconds, 3),
                seconds_left=round(status.seconds_left, 1),
            )

    def note(self, text: str) -> None:
        self._console.note(text)

    def close(self) -> None:
        pass


class BarProgress(Progress):
    """One bar a stage."""

    def __init__(self, console: Console, *, unit: str) -> None:
        self._console = console
        self._unit = unit
        self._throttle = _Throttle(BAR_INTERVAL_S)
        self._stage = ""
        self._bar: tqdm[Any] | None = None
        self._started = 0.0

    def work(self, stage: str, done: int, total: int | None) -> None:
        if not self._throttle.due(stage, last=done == total):
            return
        bar = self._show(stage, total)
        seconds = time.monotonic() - self._started
        unit = "" if self._unit == "B" else " "
        amount = f"{format_count(done)}{unit}{self._unit}"
        if total is not None:
            amount = f"{format_count(done)} of {format_count(total)}{unit}{self._unit}"
        speed = f" · {format_count(done / seconds)}{unit}{self._unit}/s" if seconds > 0.5 else ""
        self._update(bar, done, amount + speed)

    def warming_up(self) -> None:
        self._show("warm-up", None).refresh()

    def training(self, *, words: int, total_words: int) -> None:
        if self._stage == "warm-up" and self._bar is not None:
            self._bar.leave = False
        self._update(self._show("train", total_words), words, "")

    def stepped(self, status: Status) -> None:
        last = status.words >= status.total_words
        if not self._throttle.due("train", last=last):
            return
        parts = [
            f"{format_count(status.words)} of {format_count(status.total_words)} words",
            f"{format_count(status.words_per_second)}/s",
            "" if status.loss is None else f"loss {status.loss:.3f}",
            f"rate {status.learning_rate:.4g}",
            f"{format_seconds(status.seconds_left)} left",
        ]
        text = " · ".join(part for part in parts[: -1 if last else None] if part)
        self._update(self._show("train", status.total_words), status.words, text)

    def note(self, text: str) -> None:
        with tqdm.external_write_mode(file=sys.stderr):
            self._console.note(text)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _show(self, stage: str, total: int | None) -> tqdm[Any]:
        bar = self._bar
        if bar is None or stage != self._stage:
            self.close()
            self._stage, self._started = stage, time.monotonic()
            new: tqdm[Any] = tqdm(
                total=total,
                desc=_NAMES.get(stage, stage),
                bar_format=_OPEN_BAR if total is None else _BAR,
                file=sys.stderr,
                dynamic_ncols=True,
            )
            bar = self._bar = new
        return bar

    def _update(self, bar: tqdm[Any], done: int, text: str) -> None:
        bar.set_postfix_str(text, refresh=False)
        bar.n = done
        bar.refresh()
