import os
import signal
from contextlib import contextmanager

import numpy as np
import pytest

from artifact.store import Store
from trainer.checkpoint import Checkpoints
from trainer.commands.rnnlm import RNNLM_OPTIONS
from trainer.language_recipes import RECIPES, RnnlmSettings, recipe_options
from trainer.language_setup import LanguageSetup
from trainer.models.rnnlm_learner import RnnlmLearner
from trainer.options import resolve


@contextmanager
def interrupted(number, *, after):
    """Within, this process gets a signal while the n-th piece is being trained, and pieces are single blocks."""
    count, advance = 0, RnnlmLearner.advance

    def advance_and_interrupt(learner):
        nonlocal count
        count += 1
        if count == after:
            os.kill(os.getpid(), number)
        return advance(learner)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RnnlmLearner, "advance", advance_and_interrupt)
        patch.setattr("trainer.models.rnnlm_learner.PIECE_S", 0.0)
        yield


def weights(store, name="farm"):
    return Store(store).open(name).file("weights").read_bytes()


def refuse(outcome, *words):
    assert outcome.code == 2
    (line,) = outcome.err.splitlines()
    for word in words:
        assert word in line
    return line


def test_the_whole_path(train, texts, tmp_path):
    _, valid, test = texts
    outcome = train("--valid", valid, "--test", test, "--epochs", 4, "--dropout", 0.1, "--tie-weights")
    assert outcome.code == 0
    last = outcome.last
    assert last["event"] == "published"
    assert last["version"] == Store(tmp_path / "store").latest("farm")
    assert 1 < last["valid_perplexity"] < 3
    assert 1 < last["test_perplexity"] < 4
    assert 1 < last["mixture_valid_perplexity"] < 3
    assert last["mixture_test_perplexity"] < 4
    assert last["epochs"] == 4
    assert last["total_seconds"] >= last["seconds"] > 0
    assert last["words_per_second"] > 0
    epochs = outcome.events("epoch")
    assert [epoch["epoch"] for epoch in epochs] == [1, 2, 3, 4]
    best = min(epoch["valid_perplexity"] for epoch in epochs)
    assert last["valid_perplexity"] == pytest.approx(best, rel=1e-6)
    trained = [record for record in outcome.events("progress") if record["stage"] == "train"]
    assert trained[-1]["perplexity"] == pytest.approx(np.exp(trained[-1]["loss"]))
    # The vocabulary has no <unk>, and one word of the test text is not in it.
    assert "--test" in outcome.err
    assert "1 of " in outcome.err


def test_what_is_published_answers(train, texts, tmp_path):
    _, valid, _ = texts
    last = train("--valid", valid, "--epochs", 4).last
    artifact = Store(tmp_path / "store").open("farm")
    assert artifact.manifest.kind == "language-model"
    assert artifact.manifest.recipe["cell"] == "lstm"
    assert artifact.manifest.metrics["valid_perplexity"] == last["valid_perplexity"]
    assert {"weights", "vocabulary", "ngrams", "card", "report", "perplexity-plot"} <= set(
        artifact.manifest.files
    )
    Store(tmp_path / "store").verify("farm", artifact.version)
    model = artifact.language_model()
    ids, unknown = model.encode("the dog slept in the")
    assert unknown == []
    (predicted,), remaining = model.next_words(model.advance(model.start(), ids), top=1)
    assert predicted.word == "barn"
    assert predicted.probability > 0.9
    assert remaining < 0.1


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_artifact_computes_what_the_trainer_does(cell, train, texts, tmp_path):
    """The network that is served against the layers that were trained, on a text so short that it is one lane."""
    options = ("--cell", cell, "--layers", 2, "--embedding", 12, "--tie-weights", "--ngrams", 0)
    last = train("--valid", texts[1], *options).last
    artifact = Store(tmp_path / "store").open("farm")
    assert "ngrams" not in artifact.manifest.files
    model = artifact.language_model()
    found = model.score(texts[1].read_text()).perplexity
    assert found == pytest.approx(last["valid_perplexity"], rel=1e-3)


def test_a_corpus_that_drops_words_has_unk(train, texts, tmp_path):
    outcome = train("--min-count", 130, "--valid", texts[1], "--test", texts[2])
    assert outcome.code == 0
    model = Store(tmp_path / "store").open("farm").language_model()
    assert model.unk_id is not None
    _, unknown = model.encode("the unicorn slept")
    assert unknown == ["unicorn"]
    assert "left out" not in outcome.err


def test_the_last_lines_are_held_out(run, train, tmp_path):
    text = tmp_path / "lines.txt"
    text.write_text("".join(f"a b c d e f {'last' if line >= 95 else 'first'}\n" for line in range(100)))
    assert train("--batch-size", 2, text=text).code == 0
    tokens = list(Store(tmp_path / "store").open("farm").language_model().vocabulary)
    assert "first" in tokens
    assert "last" not in tokens
    listed = run("list", "--store", tmp_path / "store").last
    assert (listed["kind"], listed["words"], listed["dim"]) == ("language-model", len(tokens), None)


def test_text_without_line_breaks_needs_a_validation_text(train, texts, tmp_path):
    text = tmp_path / "line.txt"
    text.write_text("x y z " * 100)
    refuse(train("--batch-size", 2, text=text), "--valid")
    assert train("--batch-size", 2, "--valid", texts[1], text=text).code == 2  # no word of it is known


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_and_resumed_it_is_the_same(number, train, tmp_path):
    options = ("--epochs", 2, "--dropout", 0.2)
    assert train(*options, name="whole").code == 0
    with interrupted(number, after=15):
        outcome = train(*options)
    assert outcome.code == 128 + number
    assert "--resume" in outcome.err
    assert outcome.last["event"] == "stopped"
    assert train(*options, "--resume").code == 0
    assert weights(tmp_path / "store") == weights(tmp_path / "store", "whole")


def test_resuming_refuses_what_contradicts(train, texts):
    with interrupted(signal.SIGINT, after=5):
        train()
    refuse(train("--resume", "--hidden", 17), "--hidden is 17", "16")
    refuse(train("--resume", "--valid", texts[1]), "not the texts")
    refuse(train("--resume", text=texts[2]), "not the texts")


@pytest.mark.parametrize("asked", [{}, {"device": "cpu", "precision": "float32"}, {"device": "auto"}])
def test_resuming_elsewhere_contradicts_nothing(asked):
    """What began on a GPU may go on without one, if that is said."""
    given = {"name": "farm", "store": "store"}
    began = LanguageSetup.from_arguments(
        resolve(RNNLM_OPTIONS, flags={**given, "device": "gpu", "precision": "tf32"}, environment={})
    )
    arguments = resolve(RNNLM_OPTIONS, flags={**given, **asked}, environment={})
    goes_on = LanguageSetup.from_arguments(arguments).go_on(began, arguments)
    assert goes_on.device == asked.get("device", "gpu")
    assert goes_on.settings.precision == asked.get("precision", "tf32")
    assert goes_on.settings.hidden == began.settings.hidden


def test_word_vectors_are_not_gone_on_with(train, run, texts, tmp_path):
    refuse(train("--resume"), "no interrupted training")
    with interrupted(signal.SIGINT, after=5):
        train()
    outcome = run("train", "cbow", texts[0], "--name", "farm", "--store", tmp_path / "store", "--resume")
    assert outcome.code == 2


def test_divergence_keeps_the_last_good_checkpoint(train, tmp_path, monkeypatch):
    store = tmp_path / "store"
    with interrupted(signal.SIGINT, after=5):
        train()
    kept = Checkpoints(store, "farm").load()
    real = RnnlmLearner.train_block
    monkeypatch.setattr("trainer.models.rnnlm_learner.PIECE_S", 0.0)
    monkeypatch.setattr(
        RnnlmLearner, "train_block", lambda self: np.nan if self.words_done > 2000 else real(self)
    )
    refuse(train("--resume"), "the loss is nan after", "--learning-rate")
    assert Checkpoints(store, "farm").load() == kept
    assert not Store(store).names()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--cell", "transformer"), ("--cell", "rnn, lstm, gru")),
        (("--dropout", 1), ("--dropout", "0.95")),
        (("--learning-rate", 0), ("--learning-rate",)),
        (("--batch-size", 100_000), ("too short for 100000 lanes", "--batch-size")),
        (("--recipe", "none"), ("--recipe", "book-rnnlm")),
        (("--valid", "nowhere.txt"), ("nowhere.txt",)),
        (("--device", "cpu", "--precision", "tf32"), ("--precision tf32", "GPU")),
        (("--optimizer", "adam", "--weight-decay", 0.1), ("adamw",)),
        (("--clip", "nan"), ("--clip",)),
        (("--ngrams", 1), ("order",)),
    ],
)
def test_mistakes_are_one_line(options, words, train):
    refuse(train(*options), *words)


def test_options_win_over_the_recipe_and_the_rest_is_the_recipes(train, texts):
    started = train("--recipe", "awd-lstm", "--layers", 1, "--embedding", 16).events("training")[0]
    assert (started["hidden"], started["layers"], started["embedding"]) == (16, 1, 16)
    assert started["vary_steps"] is True
    assert started["weight_drop"] == 0.5


def test_recipes_are_what_they_are_named_for():
    assert set(RECIPES) == {
        "book-rnnlm",
        "book-better-rnnlm",
        "mikolov-rnn",
        "awd-lstm",
        "cpu-hour",
        "sample-lm",
    }
    book = RECIPES["book-rnnlm"]()
    assert (book.cell, book.hidden, book.layers, book.batch_size, book.time_steps) == ("lstm", 100, 1, 20, 35)
    assert (book.optimizer, book.first_learning_rate, book.clip, book.epochs) == ("sgd", 20.0, 0.25, 4)
    better = RECIPES["book-better-rnnlm"]()
    assert (better.hidden, better.layers, better.dropout, better.epochs) == (650, 2, 0.5, 40)
    assert better.tie_weights
    assert RECIPES["mikolov-rnn"]().cell == "rnn"
    assert RECIPES["awd-lstm"]().widths == [400, 1150, 1150, 400]
    assert recipe_options("book-rnnlm")["learning_rate"] == 20.0


@pytest.mark.parametrize("name", RECIPES)
def test_settings_survive_json(name):
    settings = RECIPES[name](threads=2)
    again = RnnlmSettings.from_json(settings.to_json())
    assert again.to_json() == settings.to_json()
    assert again.widths == settings.widths
