"""How long work is shown: bars on a terminal's standard error, JSON lines a second apart anywhere else."""

from __future__ import annotations

import math
import shutil
import sys
import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

from trainer.console import Console, format_bytes, format_count, format_seconds
from trainer.loop import Status

JSON_INTERVAL_S = 1.0
BAR_INTERVAL_S = 0.1
_BAR = "{desc:<11} {percentage:3.0f} % |{bar:16}| "
_BAR_WIDTH = 11 + 1 + 5 + 2 + 16 + 2
_OPEN_BAR = "{desc:<11} "
_NAMES = {
    "warm-up": "warming up",
    "count": "counting",
    "encode": "encoding",
    "train": "training",
    "download": "downloading",
    "unpack": "unpacking",
    "import": "importing",
    "export": "exporting",
    "index": "indexing",
    "recall": "measuring",
}
_UNITS = {
    "count": "B",
    "export": "words",
    "encode": "words",
    "phrases": "words",
    "download": "B",
    "n-grams": "words",
    "neighbours": "words",
    "index": "words",
    "recall": "questions",
    "mixture": "words",
    "test": "words",
}


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


def show_progress(console: Console, *, perplexity: bool = False) -> Progress:
    """Progress as this console shows it; with ``perplexity``, the loss is of words and shown as that too."""
    kind = JsonProgress if console.json else BarProgress
    return kind(console, perplexity=perplexity)


class _Throttle:
    """Says when something may be shown again: a new stage and the end of one at once, the same thing never."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._stage = ""
        self._done = -1
        self._shown = 0.0

    def due(self, stage: str, done: int, *, last: bool = False) -> bool:
        now = time.monotonic()
        if stage == self._stage and (
            done == self._done or (not last and now - self._shown < self._interval_s)
        ):
            return False
        self._stage, self._done, self._shown = stage, done, now
        return True


class JsonProgress(Progress):
    """Objects with ``event`` "progress" on standard output, at most one a second for each stage."""

    def __init__(self, console: Console, *, perplexity: bool = False) -> None:
        self._console = console
        self._perplexity = perplexity
        self._throttle = _Throttle(JSON_INTERVAL_S)

    def work(self, stage: str, done: int, total: int | None) -> None:
        if self._throttle.due(stage, done, last=done == total):
            unit = "bytes" if _UNITS.get(stage, "B") == "B" else _UNITS[stage]
            self._console.record(event="progress", stage=stage, **{unit: done, f"total_{unit}": total})

    def warming_up(self) -> None:
        self._console.record(event="progress", stage="warm-up")

    def training(self, *, words: int, total_words: int) -> None:
        self._throttle.due("train", words)
        self._console.record(event="progress", stage="train", words=words, total_words=total_words)

    def stepped(self, status: Status) -> None:
        if self._throttle.due("train", status.words, last=status.words >= status.total_words):
            self._console.record(
                event="progress",
                stage="train",
                words=status.words,
                total_words=status.total_words,
                words_per_second=round(status.words_per_second),
                loss=status.loss,
                **({"perplexity": _perplexity(status.loss)} if self._perplexity else {}),
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

    def __init__(self, console: Console, *, perplexity: bool = False) -> None:
        self._console = console
        self._perplexity = perplexity
        self._throttle = _Throttle(BAR_INTERVAL_S)
        self._stage = ""
        self._bar: tqdm[Any] | None = None
        self._started = 0.0

    def work(self, stage: str, done: int, total: int | None) -> None:
        if not self._throttle.due(stage, done, last=done == total):
            return
        bar = self._show(stage, total)
        seconds = time.monotonic() - self._started
        show = format_bytes if (unit := _UNITS.get(stage, "B")) == "B" else format_count
        counted = "" if unit == "B" else f" {unit}"
        amount = show(done) if total is None or done == total else f"{show(done)} of {show(total)}"
        parts = [f"{amount}{counted}"]
        if seconds > 0.5:
            parts.append(f"{show(done / seconds)}{counted}/s")
        self._update(bar, done, parts)

    def warming_up(self) -> None:
        self._show("warm-up", None).leave = False

    def training(self, *, words: int, total_words: int) -> None:
        self._update(self._show("train", total_words), words, [])

    def stepped(self, status: Status) -> None:
        last = status.words >= status.total_words
        if not self._throttle.due("train", status.words, last=last):
            return
        # What matters most comes first: the end is cut off where the terminal is narrow.
        parts = [f"{format_count(status.words_per_second)} words/s"]
        if self._perplexity:
            parts.append(f"perplexity {_perplexity(status.loss) or math.inf:.1f}")
        elif status.loss is not None:
            parts.append(f"loss {status.loss:.3f}")
        if not last:
            parts.append(f"{format_seconds(math.ceil(status.seconds_left))} left")
            parts.append(f"{format_count(status.words)} of {format_count(status.total_words)} words")
            parts.append(f"rate {status.learning_rate:.2g}")
        self._update(self._show("train", status.total_words), status.words, parts)

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
                ncols=_terminal_width(),
                nrows=10,  # tqdm hides bars on a terminal that says 0 rows
            )
            bar = self._bar = new
        return bar

    def _update(self, bar: tqdm[Any], done: int, parts: list[str]) -> None:
        bar.n = done
        bar.ncols = _terminal_width()
        while len(parts) > 1 and _BAR_WIDTH + len(" · ".join(parts)) > bar.ncols:
            parts.pop()
        bar.bar_format = (_OPEN_BAR if bar.total is None else _BAR) + " · ".join(parts)
        bar.refresh()


def _perplexity(loss: float | None) -> float | None:
    """``exp(loss)``; None where it is not known, or too large."""
    return None if loss is None or loss > 700 else math.exp(loss)


def _terminal_width() -> int:
    # Unlike tqdm's own measure, this takes a terminal that says 0 columns for one of 80.
    return shutil.get_terminal_size().columns - 1
