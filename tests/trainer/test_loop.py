import math
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact.errors import StoreUnwritable
from trainer.loop import HISTORY_POINTS, Diverged, History, Step, fit


class Countdown:
    """A learner of a thousand words a step whose loss falls from 1."""

    remark = ""

    def __init__(self, *, steps, losses=None):
        self.total_words = steps * 1000
        self.words_done = 0
        self.warmed = 0
        self._losses = losses or [1 / (step + 1) for step in range(steps)]

    def warm_up(self):
        self.warmed += 1

    def finished(self):
        return self.words_done >= self.total_words

    def advance(self):
        loss = self._losses[self.words_done // 1000]
        self.words_done += 1000
        return Step(words=1000, examples=10, loss_sum=loss * 10, learning_rate=0.1)

    def state(self):
        return {"weights": np.zeros(2)}, {"words_done": self.words_done}

    def restore(self, arrays, values):
        self.words_done = values["words_done"]

    def vectors(self):
        return np.zeros((2, 2), dtype=np.float32)


class Watcher:
    def __init__(self):
        self.events = []
        self.on_step = lambda status: None

    def warming_up(self):
        self.events.append("warm-up")

    def training(self, *, words, total_words):
        self.events.append(("training", words, total_words))

    def stepped(self, status):
        self.events.append(status)
        self.on_step(status)

    def note(self, text):
        self.events.append(text)


def test_fit_warms_up_once_then_trains_to_the_end():
    learner, watcher = Countdown(steps=20), Watcher()
    history = fit(learner, watcher=watcher, stop=threading.Event())
    assert watcher.events[:2] == ["warm-up", ("training", 0, 20_000)]
    assert learner.warmed == 1
    assert history.words == 20_000
    assert [status.words for status in watcher.events[2:]] == [1000 * step for step in range(1, 21)]
    last = watcher.events[-1]
    assert last.seconds_left == 0
    assert last.words_per_second > 0
    assert history.seconds > 0


def test_loss_is_averaged_over_the_last_twentieth():
    losses = [5.0] * 38 + [1.0, 3.0]
    history = fit(Countdown(steps=40, losses=losses), watcher=Watcher(), stop=threading.Event())
    assert history.loss == pytest.approx(2.0)


def test_history_is_bounded_even_and_loses_nothing():
    learner = Countdown(steps=5 * HISTORY_POINTS)
    history = fit(learner, watcher=Watcher(), stop=threading.Event())
    assert len(history.points) == HISTORY_POINTS
    assert sum(point.examples for point in history.points) == 10 * 5 * HISTORY_POINTS
    lengths = np.diff([0, *(point.words for point in history.points)])
    assert lengths.min() == lengths.max() == 5000


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=200))
def test_history_of_any_steps(words):
    history = History(total_words=sum(words))
    for count in words:
        history.add(Step(words=count, examples=count, loss_sum=2.0 * count, learning_rate=0.1))
    assert len(history.points) <= HISTORY_POINTS
    assert history.words == sum(words)
    assert sum(point.examples for point in history.points) == sum(words)
    assert history.loss == pytest.approx(2.0)
    assert History.from_json(history.to_json()) == history


def test_steps_without_examples_have_no_loss():
    history = History(total_words=10)
    assert history.loss is None
    history.add(Step(words=10, examples=0, loss_sum=0.0, learning_rate=0.1))
    assert history.loss is None
    assert history.points[0].loss is None


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_and_saves_nothing_more(bad):
    saved = []
    learner = Countdown(steps=5, losses=[1.0, 1.0, bad, 1.0, 1.0])
    with pytest.raises(Diverged, match=r"after 3,000 words .60\.0 %.*learning-rate"):
        fit(
            learner,
            watcher=Watcher(),
            stop=threading.Event(),
            save=lambda learner, history: saved.append(history.words),
            save_every_s=0,
        )
    assert saved == [1000, 2000]


def test_stop_saves_and_returns():
    saved, stop, watcher = [], threading.Event(), Watcher()
    watcher.on_step = lambda status: stop.set() if status.words == 3000 else None
    history = fit(
        Countdown(steps=10),
        watcher=watcher,
        stop=stop,
        save=lambda learner, history: saved.append((learner.words_done, history.words)),
    )
    assert saved == [(3000, 3000)]
    assert history.words == 3000


def test_going_on_ends_with_the_same_history():
    whole = fit(Countdown(steps=30), watcher=Watcher(), stop=threading.Event())
    stop, watcher = threading.Event(), Watcher()
    watcher.on_step = lambda status: stop.set() if status.words == 7000 else None
    learner = Countdown(steps=30)
    part = fit(learner, watcher=watcher, stop=stop)
    rest = Countdown(steps=30)
    rest.restore(*learner.state())
    history = fit(
        rest,
        watcher=Watcher(),
        stop=threading.Event(),
        history=History.from_json(part.to_json()),
    )
    assert history.points == whole.points
    assert history.loss == whole.loss


def test_a_full_disk_between_times_does_not_end_the_training():
    def save(learner, history):
        if history.words < 3000:
            raise StoreUnwritable("no space left")

    watcher = Watcher()
    history = fit(Countdown(steps=4), watcher=watcher, stop=threading.Event(), save=save, save_every_s=0)
    assert history.words == 4000
    notes = [event for event in watcher.events[1:] if isinstance(event, str)]
    assert notes == ["no checkpoint this time: no space left"] * 2
