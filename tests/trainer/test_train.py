import dataclasses
import gc
import math
import os
import signal
import weakref
from contextlib import contextmanager

import numpy as np
import pytest

from artifact.store import Store
from trainer import training
from trainer.checkpoint import Checkpoints
from trainer.models.learner import PlainLearner


def files(store, name="farm"):
    """Role -> bytes of what decides the answers of the latest version."""
    artifact = Store(store).open(name)
    return {role: artifact.file(role).read_bytes() for role in ("weights", "vocabulary", "vocabulary-index")}


@contextmanager
def interrupted(number, *, after):
    """Within, this process gets a signal while the n-th piece is being trained."""
    count, advance = 0, PlainLearner.advance

    def advance_and_interrupt(learner):
        nonlocal count
        count += 1
        if count == after:
            os.kill(os.getpid(), number)
        return advance(learner)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlainLearner, "advance", advance_and_interrupt)
        yield


def test_the_whole_path(train, run, store):
    outcome = train("--epochs", "8", "--learning-rate", "0.01", "--batch-size", "100", "--window", "3")
    assert outcome.code == 0
    assert outcome.err == ""
    last = outcome.last
    assert last["event"] == "published"
    assert last["name"] == "farm"
    assert last["version"] == Store(store).latest("farm")
    assert last["seconds"] > 0
    assert last["total_seconds"] >= last["seconds"]
    assert last["words_per_second"] == pytest.approx(last["words"] * 8 / last["seconds"], rel=0.01)
    assert 0 < last["loss"] < 10
    assert last["peak_rss_bytes"] > 10_000_000
    stages = [record.get("stage") for record in outcome.records if record["event"] == "progress"]
    assert list(dict.fromkeys(stages)) == ["warm-up", "count", "encode", "train", "neighbours"]
    found = run("similar", "car", "--store", store, "--top", "4")
    assert {each["word"] for each in found.last["results"]} == {"truck", "bus", "van", "tram"}


def test_manifest_says_how_it_was_trained(train, store):
    train("--recipe", "sample", "--license", "CC0", "--window", "3", model="skipgram")
    manifest = Store(store).open("farm").manifest
    assert manifest.kind == "embedding"
    assert manifest.license == "CC0"
    assert manifest.provenance == "trained on farm.txt"
    expected = {
        "model": "skipgram",
        "window": 3,
        "dim": 16,
        "epochs": 3,
        "engine": "plain",
        "device": "cpu",
        "tokenizer": "words",
        "min_count": 2,
        "recipe": "sample",
        "threads": 1,
        "seed": 3,
    }
    assert manifest.recipe.items() >= expected.items()
    assert manifest.metrics["loss"] > 0
    assert manifest.metrics["words_per_second"] > 0
    assert manifest.metrics["words"] == 3 * manifest.metrics["corpus"]["words"]
    assert {"card", "report", "loss-plot", "loss-history"} <= set(manifest.files)


def test_options_of_one_engine_choose_it(train, store):
    train("--engine", "auto", "--shared-negatives", "8", "--context-gradient", "0.5", "--epochs", "1")
    recipe = Store(store).open("farm").manifest.recipe
    assert (recipe["engine"], recipe["shared_negatives"], recipe["context_gradient"]) == ("fast", 8, 0.5)
    train("--engine", "auto", "--optimizer", "sgd", "--epochs", "1")
    assert Store(store).open("farm").manifest.recipe["engine"] == "plain"


def test_words_never_seen_are_composed_from_subwords(train, run, store):
    outcome = train("--subwords", "2-4", "--buckets", "5000", "--learning-rate", "0.05")
    assert outcome.code == 0, outcome.err
    assert "subwords" in Store(store).open("farm").manifest.requires
    assert len(run("similar", "horses", "--store", store, "--top", "5").last["results"]) == 5


def test_half_precision(train, store):
    train("--dtype", "float16")
    artifact = Store(store).open("farm")
    assert artifact.manifest.tensors["vectors"].dtype == "float16"


def test_same_seed_same_bytes_other_seed_others(train, store):
    train()
    first = files(store)
    train(name="again")
    train("--seed", "4", name="other")
    assert files(store, "again") == first
    assert files(store, "other")["weights"] != first["weights"]


@pytest.mark.parametrize(
    ("number", "code", "model"), [(signal.SIGINT, 130, "cbow"), (signal.SIGTERM, 143, "skipgram")]
)
def test_interrupted_and_resumed_ends_bit_for_bit_as_uninterrupted(train, store, number, code, model):
    whole = train(model=model, name="whole")
    with interrupted(number, after=3):
        stopped = train(model=model)
    assert stopped.code == code
    assert stopped.last["event"] == "stopped"
    assert 0 < stopped.last["words"] < stopped.last["total_words"]
    assert "--resume" in stopped.err
    assert not (store / "farm").exists()
    resumed = train("--resume", model=model)
    assert resumed.code == 0
    start = next(record for record in resumed.records if record.get("stage") == "train")
    assert start["words"] == stopped.last["words"]
    assert files(store) == files(store, "whole")
    assert resumed.last["loss"] == whole.last["loss"]
    curves = [Store(store).open(name).file("loss-plot").read_bytes() for name in ("farm", "whole")]
    assert curves[0].replace(b"farm", b"whole") == curves[1]


def test_periodic_checkpoints_serve_when_the_process_dies(train, store):
    train(name="whole")
    advance, count = PlainLearner.advance, 0

    def advance_and_die(learner):
        nonlocal count
        count += 1
        if count == 4:
            raise ZeroDivisionError
        return advance(learner)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlainLearner, "advance", advance_and_die)
        with pytest.raises(ZeroDivisionError):
            train("--checkpoint-seconds", "0")
    assert train("--resume").code == 0
    assert files(store) == files(store, "whole")


def test_resume_takes_what_is_not_said_from_the_checkpoint(train, run, store, text):
    with interrupted(signal.SIGTERM, after=2):
        train("--window", "3", "--tokenizer", "letters")
    outcome = run("train", "cbow", text, "--name", "farm", "--store", store, "--resume")
    assert outcome.code == 0, outcome.err
    recipe = Store(store).open("farm").manifest.recipe
    assert (recipe["window"], recipe["dim"], recipe["tokenizer"]) == (3, 16, "letters")


class TestResumeRefused:
    @pytest.fixture(autouse=True)
    def stopped(self, train):
        with interrupted(signal.SIGTERM, after=2):
            assert train().code == 143

    @pytest.fixture
    def resume(self, refused, text, store):
        def run_resume(*more, model="cbow"):
            return refused("train", model, text, "--name", "farm", "--store", store, "--resume", *more)

        return run_resume

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("--dim", "17"),
            ("--epochs", "4"),
            ("--seed", "4"),
            ("--learning-rate", "0.5"),
            ("--min-count", "3"),
            ("--tokenizer", "whitespace"),
            ("--threads", "2"),
        ],
    )
    def test_for_other_settings(self, resume, option, value):
        assert f"{option} is {value}, but the interrupted training has" in resume(option, value)

    def test_for_settings_of_the_environment(self, resume, monkeypatch):
        monkeypatch.setenv("WORDKIN_DIM", "17")
        assert "--dim is 17, but the interrupted training has 16" in resume()

    def test_for_another_model(self, resume):
        assert "of cbow, not skipgram" in resume(model="skipgram")

    def test_for_another_text(self, run, store, tmp_path, text):
        other = tmp_path / "other.txt"
        lines = text.read_text().splitlines(keepends=True)
        other.write_text("".join(reversed(lines)))
        outcome = run("train", "cbow", other, "--name", "farm", "--store", store, "--resume")
        assert outcome.code == 2
        assert "this is not the text" in outcome.err

    def test_but_starting_anew_is_possible_and_said(self, train, store):
        outcome = train("--dim", "17")
        assert outcome.code == 0
        assert "is being replaced" in outcome.err
        assert Store(store).open("farm").embedding().dim == 17


def test_resume_without_anything_to_resume(refused, text, store):
    line = refused("train", "cbow", text, "--name", "farm", "--store", store, "--resume")
    assert "there is no interrupted training of farm" in line


def test_a_second_training_of_the_same_name_is_refused(refused, text, store):
    with Checkpoints(store, "farm").locked():
        line = refused("train", "cbow", text, "--name", "farm", "--store", store)
    assert "farm is being trained" in line


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--dim", "0"], "--dim"),
        (["--dim", "many"], "--dim"),
        (["--dim", "1000000000"], "--dim"),
        (["--window", "-1"], "--window"),
        (["--subsample", "nan"], "--subsample"),
        (["--learning-rate", "inf"], "--learning-rate"),
        (["--epochs", "9" * 5000], "--epochs"),
        (["--seed", "-1"], "--seed"),
        (["--min-count", "0"], "--min-count"),
        (["--loss", "hinge"], "--loss"),
        (["--tokenizer", "runes"], "--tokenizer"),
        (["--subwords", "6-3"], "--subwords"),
        (["--buckets", "100"], "--buckets means nothing without --subwords"),
        (["--recipe", "secret"], "--recipe"),
        (["--shared-negatives", "8", "--engine", "plain"], "--shared-negatives means nothing to the plain"),
        (["--batch-size", "8", "--engine", "fast"], "--batch-size means nothing to the fast"),
        (["--phrase-threshold", "5"], "--phrase-threshold means nothing without --phrases"),
        (["--phrases", "--phrase-threshold", "-5"], "--phrase-threshold"),
        (["--phrases", "--phrase-passes", "9"], "--phrases: passes"),
        (["--checkpoint-seconds", "-1"], "--checkpoint-seconds"),
        (["--checkpoint-seconds", "nan"], "--checkpoint-seconds"),
        (["--name", "../farm"], "name"),
        (["--name", ""], "name"),
        (["--frobnicate"], "--frobnicate"),
        (["--device", "tpu"], "--device"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_anything_is_read(refused, store, options, said):
    line = refused("train", "cbow", "nowhere.txt", "--name", "farm", "--store", store, *options)
    assert said in line
    assert len(line) < 300


def test_name_and_store_are_needed(refused, text):
    assert "--name and --store must be given" in refused("train", "cbow", text)


@pytest.mark.parametrize(
    "arguments", [(), ("train",), ("train", "glove", "x.txt"), ("frobnicate",), ("train", "cbow")]
)
def test_command_lines_that_are_not_whole(refused, arguments):
    refused(*arguments)


def test_missing_text(run, store):
    outcome = run("train", "cbow", "nowhere.txt", "--name", "farm", "--store", store)
    assert outcome.code == 2
    assert outcome.err == "wordkin: nowhere.txt: no such file or folder\n"
    assert list(store.glob(".checkpoints/farm/corpus-*")) == []


def test_a_text_with_too_few_words(run, store, tmp_path):
    tiny = tmp_path / "tiny.txt"
    tiny.write_text("car car car car car dog\n")
    outcome = run("train", "cbow", tiny, "--name", "farm", "--store", store)
    assert outcome.code == 2
    assert "min-count" in outcome.err


def test_a_store_that_cannot_be_written(refused, text, tmp_path):
    (tmp_path / "file").write_text("")
    refused("train", "cbow", text, "--name", "farm", "--store", tmp_path / "file")
    refused("train", "cbow", text, "--name", "farm", "--store", tmp_path / "file" / "store")


def test_oddities_of_the_text_are_said(train, tmp_path, text):
    odd = tmp_path / "odd.txt"
    odd.write_bytes(text.read_bytes() + b"a \xff b \x00 c\n")
    outcome = train(source=odd)
    assert outcome.code == 0
    assert "invalid UTF-8" in outcome.err
    assert "NUL" in outcome.err
    assert len(outcome.err.splitlines()) == 2


def test_environment_decides_where_no_flag_does(run, text, store, monkeypatch):
    monkeypatch.setenv("WORDKIN_STORE", str(store))
    monkeypatch.setenv("WORDKIN_DIM", "12")
    monkeypatch.setenv("WORDKIN_EPOCHS", "2")
    assert run("train", "cbow", text, "--name", "farm", "--epochs", "1").code == 0
    recipe = Store(store).open("farm").manifest.recipe
    assert (recipe["dim"], recipe["epochs"]) == (12, 1)


class TestCorpusFolder:
    @pytest.fixture
    def corpus(self, run, text, tmp_path):
        folder = tmp_path / "corpus"
        outcome = run("corpus", text, "--output", folder, "--min-count", "2", "--tokenizer", "letters")
        assert outcome.code == 0
        assert outcome.last["event"] == "corpus"
        assert outcome.last["words"] > outcome.last["types"]
        return folder

    def test_it_fixes_how_text_is_read(self, run, corpus, store):
        run("train", "cbow", corpus, "--name", "farm", "--store", store, "--dim", "8", "--epochs", "1")
        recipe = Store(store).open("farm").manifest.recipe
        assert (recipe["tokenizer"], recipe["min_count"]) == ("letters", 2)

    def test_agreeing_options_are_welcome(self, run, corpus, store):
        same = ["--tokenizer", "letters", "--min-count", "2", "--dim", "8", "--epochs", "1"]
        assert run("train", "cbow", corpus, "--name", "farm", "--store", store, *same).code == 0

    @pytest.mark.parametrize(("option", "value"), [("--tokenizer", "words"), ("--min-count", "5")])
    def test_contradicting_options_are_refused(self, refused, corpus, store, option, value):
        line = refused("train", "cbow", corpus, "--name", "farm", "--store", store, option, value)
        assert f"{option} {value} contradicts" in line

    def test_a_contradicting_environment_is_refused(self, refused, corpus, store, monkeypatch):
        monkeypatch.setenv("WORDKIN_MIN_COUNT", "5")
        assert "contradicts" in refused("train", "cbow", corpus, "--name", "farm", "--store", store)

    def test_it_stands_alone(self, refused, corpus, text, store):
        assert "stands alone" in refused("train", "cbow", corpus, text, "--name", "farm", "--store", store)

    def test_same_vectors_as_from_the_text(self, train, corpus, store):
        train(source=corpus, name="folder")
        train("--tokenizer", "letters", name="text")
        assert files(store, "folder") == files(store, "text")


def test_a_diverging_training_says_so_and_publishes_nothing(train, store):
    advance = PlainLearner.advance

    def diverge(learner):
        step = advance(learner)
        return dataclasses.replace(step, loss_sum=math.nan) if learner.words_done > 30_000 else step

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlainLearner, "advance", diverge)
        outcome = train("--checkpoint-seconds", "0")
    assert outcome.code == 2
    assert "the loss is nan after" in outcome.err
    assert not (store / "farm").exists()
    assert Checkpoints(store, "farm").load().history.words <= 30_000


def test_vectors_that_are_no_numbers_are_not_published(train, store, monkeypatch):
    monkeypatch.setattr(PlainLearner, "vectors", lambda learner: np.full((90, 16), np.nan, dtype=np.float32))
    outcome = train()
    assert outcome.code == 2
    assert "not finite" in outcome.err
    assert not (store / "farm").exists()


def test_a_full_disk_while_publishing_loses_nothing(train, store):
    train(name="whole")

    def fill_disk(*_, **__):
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer.publish.write_embedding", fill_disk)
        outcome = train()
    assert outcome.code == 2
    assert "No space left" in outcome.err
    assert "--resume publishes it" in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert Store(store).versions("farm") == []
    resumed = train("--resume")
    assert resumed.code == 0
    assert files(store) == files(store, "whole")


def test_the_final_state_is_kept_for_the_newest_version(train, store):
    train("--epochs", "1")
    train("--epochs", "1", "--seed", "4")
    checkpoints = Checkpoints(store, "farm")
    assert checkpoints.load() is None
    assert checkpoints.kept() == [Store(store).latest("farm")]
    train("--epochs", "1", "--seed", "5", "--keep-checkpoints", "2")
    assert len(checkpoints.kept()) == 2
    train("--epochs", "1", "--seed", "6", "--keep-checkpoints", "0")
    assert checkpoints.kept() == []


def test_what_a_learner_remarks_is_said_before_training(train, monkeypatch):
    monkeypatch.setattr(PlainLearner, "remark", "GPUs meet by copies: no NCCL")
    outcome = train()
    assert outcome.code == 0
    assert outcome.err == "wordkin: GPUs meet by copies: no NCCL\n"


def test_a_learner_is_gone_before_its_vectors_are_published(train, monkeypatch):
    """On a GPU, neighbours may need the memory."""
    learners, publish = [], training._publish

    def remember(learner, vectors=PlainLearner.vectors):
        learners.append(weakref.ref(learner))
        return vectors(learner)

    def look(*arguments):
        gc.collect()
        assert [learner() for learner in learners] == [None]
        return publish(*arguments)

    monkeypatch.setattr(PlainLearner, "vectors", remember)
    monkeypatch.setattr(training, "_publish", look)
    assert train().code == 0
