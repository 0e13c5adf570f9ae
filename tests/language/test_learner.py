import dataclasses
import json
import math

import numpy as np
import pytest

from artifact.errors import InputError
from trainer.backend import numpy_backend
from trainer.engines.language.engine import fast_engine
from trainer.language_recipes import RnnlmSettings
from trainer.loop import Diverged, fit
from trainer.models.lanes import Lanes
from trainer.models.rnnlm_learner import LanguageEngine, RnnlmLearner

SIZE = 24
SETTINGS = RnnlmSettings(
    hidden=12,
    tie_weights=True,
    batch_size=4,
    time_steps=8,
    epochs=3,
    optimizer="adam",
    learning_rate=0.01,
    clip=1.0,
    threads=1,
)
ENGINES = {"plain": LanguageEngine(), "fast": dataclasses.replace(fast_engine(1), warm_up=None)}


def make_text(words, seed=0):
    """Words of which each follows from the one before, but for every fourth."""
    generator = np.random.default_rng(seed)
    text = [0]
    for place in range(words - 1):
        text.append(int(generator.integers(SIZE)) if place % 4 == 0 else (text[-1] * 5 + 3) % SIZE)
    return np.array(text, np.int32)


def make_learner(engine="plain", *, text=None, valid=None, **changes):
    text = make_text(600) if text is None else text
    return RnnlmLearner(
        text,
        dataclasses.replace(SETTINGS, **changes),
        size=SIZE,
        end_of_line=0,
        valid_ids=make_text(200, seed=1) if valid is None else valid,
        backend=numpy_backend(),
        engine=ENGINES[engine],
    )


def train(learner):
    steps = []
    while not learner.finished():
        steps.append(learner.advance())
    return steps


class Silent:
    def warming_up(self): ...
    def training(self, **_): ...
    def stepped(self, _): ...
    def note(self, _): ...
    def is_set(self):
        return False


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_it_learns_what_follows(cell):
    learner = make_learner("fast", cell=cell, epochs=6)
    steps = train(learner)
    first, last = learner.epochs[0], learner.epochs[-1]
    # Three words in four are certain; the fourth is one of all, as likely as any other.
    floor = math.exp(math.log(SIZE) / 4)
    assert floor < last.valid_perplexity < first.valid_perplexity < SIZE
    assert sum(step.words for step in steps) == learner.words_done == learner.total_words == 6 * 600


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "changes",
    [
        {"dropout": 0.3, "shift_lanes": True, "schedule": "cosine", "warm_up": 0.2},
        {
            "optimizer": "asgd",
            "learning_rate": 1.0,
            "average_after": 0,
            "vary_steps": True,
            "weight_drop": 0.2,
        },
        {
            "tie_weights": False,
            "optimizer": "adamw",
            "weight_decay": 0.1,
            "variational": True,
            "dropout": 0.2,
        },
    ],
    ids=["adam", "asgd", "adamw"],
)
def test_resuming_is_exact(engine, changes, monkeypatch):
    monkeypatch.setattr("trainer.models.rnnlm_learner.PIECE_S", 0.0)  # one block at a time
    whole = make_learner(engine, **changes)
    train(whole)
    learner = make_learner(engine, **changes)
    rounds = 0
    while not learner.finished():
        for _ in range(7):
            if not learner.finished():
                learner.advance()
        arrays, values = learner.state()
        arrays = {name: np.array(table) for name, table in arrays.items()}
        learner = make_learner(engine, **changes)
        learner.restore(arrays, values)
        rounds += 1
    assert rounds > 5
    assert learner.epochs == whole.epochs
    for name, table in whole.parameters.items():
        np.testing.assert_array_equal(learner.parameters[name], table, err_msg=name)
    for name, table in whole.best_parameters().items():
        np.testing.assert_array_equal(learner.best_parameters()[name], table, err_msg=name)


def test_lanes_can_be_restored_on_another_number_of_threads():
    learner = make_learner("fast", batch_size=5)
    for _ in range(5):
        learner.train_block()
    arrays, values = learner.state()
    settings = dataclasses.replace(SETTINGS, batch_size=5)
    other = RnnlmLearner(
        make_text(600),
        settings,
        size=SIZE,
        end_of_line=0,
        valid_ids=make_text(200, seed=1),
        backend=numpy_backend(),
        engine=dataclasses.replace(fast_engine(2), warm_up=None),
    )
    other.restore(arrays, values)
    assert other.train_block() == pytest.approx(learner.train_block(), rel=1e-5)


def test_the_best_epoch_is_kept():
    """Too large a learning rate: later epochs are worse, and what is published is the best."""
    learner = make_learner(optimizer="sgd", learning_rate=40.0, clip=0.0, decay=1.0, epochs=5, patience=0)
    train(learner)
    best = min(learner.epochs, key=lambda epoch: epoch.valid_perplexity)
    assert learner.best_epoch() == best
    assert learner.perplexity(make_text(200, seed=1)) == pytest.approx(best.valid_perplexity, rel=1e-6)


def stub_validation(learner, perplexities):
    """Epochs end with these validation perplexities, whatever was learned."""
    found = iter(perplexities)
    learner._validate = lambda: learner._end_epoch(next(found))


def run_epochs(learner, perplexities):
    stub_validation(learner, perplexities)
    while not learner.finished():
        learner.advance()
    return [epoch.learning_rate for epoch in learner.epochs]


def test_the_learning_rate_is_divided_when_validation_stops_improving():
    learner = make_learner(epochs=6, decay=4.0, patience=0, learning_rate=0.8)
    rates = run_epochs(learner, [10.0, 9.0, 9.5, 8.0, 8.0, 7.0])
    np.testing.assert_allclose(rates, [0.8, 0.8, 0.8, 0.2, 0.2, 0.05])
    assert [epoch.best for epoch in learner.epochs] == [True, True, False, True, False, True]


def test_training_ends_early():
    learner = make_learner(epochs=50, patience=2)
    run_epochs(learner, [10.0, 9.0, 9.5, 8.0, 8.5, 8.2, 1.0])
    assert len(learner.epochs) == 6
    assert learner.best_epoch().number == 4


def test_averaging_starts_when_an_epoch_is_no_better_than_earlier_ones():
    learner = make_learner(optimizer="asgd", learning_rate=1.0, epochs=5, average_after=1, patience=0)
    found = []
    learner.on_epoch = lambda _: found.append(bool(learner._optimizer.averages))
    run_epochs(learner, [10.0, 9.0, 9.5, 9.6, 9.7])
    assert found == [False, False, False, True, True]


def test_the_cosine_falls_to_nothing_after_a_rise():
    learner = make_learner(schedule="cosine", warm_up=0.1, learning_rate=1.0, epochs=2)
    rates = []
    while not learner.finished():
        if learner._block < len(learner._blocks):
            rates.append(learner._rate(learner._block))
            learner.train_block()
        else:
            learner.advance()
    peak = int(np.argmax(rates))
    assert rates[0] < 0.5
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[-1] < 0.02


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_not_a_number_stops_the_training_and_spoils_nothing(engine, monkeypatch):
    learner = make_learner(engine, optimizer="sgd", learning_rate=1.0, clip=0.0)
    monkeypatch.setattr("trainer.models.rnnlm_learner.PIECE_S", 0.0)
    for _ in range(3):
        learner.advance()
    before = {name: table.copy() for name, table in learner.parameters.items()}
    real = Lanes.loss_and_gradients

    def spoil(lanes, *arguments, **options):
        loss, parts = real(lanes, *arguments, **options)
        gradient = parts[0][0][1]
        getattr(gradient, "right", gradient)[...] = np.nan  # of a product, one of its factors
        return loss, parts

    monkeypatch.setattr(Lanes, "loss_and_gradients", spoil)
    with pytest.raises(
        Diverged, match=r"the loss is nan after 96 words .*a smaller --learning-rate may help"
    ):
        fit(learner, watcher=Silent(), stop=Silent())
    for name, table in learner.parameters.items():
        np.testing.assert_array_equal(table, before[name])


def test_a_huge_learning_rate_diverges_clearly():
    learner = make_learner("fast", optimizer="sgd", learning_rate=1e30, clip=0.0)
    with pytest.raises(Diverged, match="learning rate 1e"):
        fit(learner, watcher=Silent(), stop=Silent())
    assert all(np.isfinite(table).all() for table in learner.parameters.values())


def test_a_checkpoint_of_another_model_is_refused():
    arrays, values = make_learner().state()
    with pytest.raises(InputError, match="does not fit"):
        make_learner(hidden=13).restore(arrays, values)


def test_a_text_shorter_than_its_lanes_is_refused():
    with pytest.raises(InputError, match="too short for 4 lanes: lower --batch-size"):
        make_learner(text=make_text(3))


def test_every_word_of_the_validation_text_counts(monkeypatch):
    """Read word by word in one lane, and in one lane or several by the measurement."""
    learner = make_learner("fast")
    train(learner)
    text = make_text(1501, seed=4)
    inputs = np.concatenate([[0], text[:-1]]).astype(np.int32)
    lane = Lanes(learner.best_parameters(), learner.settings, backend=numpy_backend())
    lane.reset(1)
    losses = [lane.loss(inputs[t : t + 1, None], text[t : t + 1, None]) for t in range(len(text))]
    expected = math.exp(sum(losses) / len(text))
    assert learner.perplexity(text) == pytest.approx(
        expected, rel=0.01
    )  # three lanes, which begin without memory
    monkeypatch.setattr("trainer.evaluate.perplexity.LANES", 1)
    assert learner.perplexity(text) == pytest.approx(expected, rel=1e-5)


def test_a_perplexity_too_large_for_a_number_survives_a_checkpoint():
    learner = make_learner(epochs=3, patience=0)
    stub_validation(learner, [math.inf, 5.0])
    while len(learner.epochs) < 2:
        learner.advance()
    arrays, values = learner.state()
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    other = make_learner(epochs=3, patience=0)
    other.restore(arrays, values)
    assert other.epochs == learner.epochs
