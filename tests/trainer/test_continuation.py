"""Training that goes on from a published version: old words keep their neighbours, new ones get sensible ones."""

import json
import os
import signal

import numpy as np
import pytest

from artifact.store import Store
from tests.trainer.conftest import FRAMES, GROUPS, write_text
from trainer.checkpoint import Checkpoints
from trainer.continuation import Origin
from trainer.models.learner import PlainLearner

NEW = {"vehicles": "lorry", "animals": "goat", "fruit": "quince"}
FAST_ENOUGH = ["--learning-rate", "0.01", "--batch-size", "100", "--window", "3"]


@pytest.fixture(scope="session")
def news(tmp_path_factory):
    """Fewer sentences of the same kind, a third of them about words that the first text does not have; no tram."""
    random = np.random.default_rng(9)
    path = tmp_path_factory.mktemp("news") / "news.txt"
    with path.open("w") as file:
        for number in range(1500):
            group = list(GROUPS)[number % 3]
            word = NEW[group] if random.random() < 1 / 3 else GROUPS[group][random.integers(4)]
            file.write(f"{FRAMES[group].format(word)} word{random.integers(60)}\n")
    return path


@pytest.fixture
def go_on(run, news, store):
    def run_train(*more, model="cbow", name="farm", source=news, reference="farm"):
        arguments = [
            "--name",
            name,
            "--store",
            store,
            "--resume-from",
            reference,
            "--engine",
            "plain",
            "--threads",
            "1",
        ]
        return run("train", model, source, *arguments, *more)

    return run_train


def neighbours(embedding, word, top=4):
    return {each.word for each in embedding.similar([word], top=top)}


@pytest.mark.parametrize(
    ("model", "options"),
    [
        # Output vectors move where words are drawn as negatives; input vectors only where they stand in the text.
        ("cbow", ["--epochs", "6", "--output-weight", "0"]),
        ("cbow", ["--epochs", "6", "--subwords", "3-5", "--buckets", "20000"]),
        ("skipgram", ["--epochs", "5"]),
    ],
    ids=["cbow", "subwords", "skipgram"],
)
def test_old_words_keep_their_neighbours_and_new_ones_find_theirs(train, go_on, store, model, options):
    first = train(*FAST_ENOUGH, *options, model=model).last["version"]
    before = Store(store).open("farm").embedding()
    outcome = go_on(*FAST_ENOUGH, *options, model=model)
    assert outcome.code == 0, outcome.err
    after = Store(store).open("farm").embedding()
    for group, words in GROUPS.items():
        others = {NEW[group], *words}
        for word in words:
            assert neighbours(before, word) == set(words) - {word}
            assert neighbours(after, word) < others
        assert neighbours(after, NEW[group]) < others
    # A word that the new text lacks stays where it was.
    if "--subwords" not in options:
        assert np.array_equal(after.vectors(["sheep", "tram"]), before.vectors(["sheep", "tram"]))
    assert set(before.vocabulary) | set(NEW.values()) == set(after.vocabulary)
    [event] = [record for record in outcome.records if record["event"] == "continuing"]
    assert event == {
        "event": "continuing",
        "resumed_from": f"farm@{first}",
        "known_words": len(before.vocabulary),
        "new_words": 3,
    }


def test_the_manifest_says_where_it_came_from(train, go_on, store):
    first = train("--epochs", "1").last["version"]
    second = go_on("--epochs", "1").last["version"]
    manifest = Store(store).manifest("farm", second)
    assert manifest.recipe["resumed_from"] == f"farm@{first}"
    assert manifest.provenance == f"trained on news.txt, going on from farm@{first} (trained on farm.txt)"
    assert Store(store).manifest("farm", first).recipe["resumed_from"] is None
    card = Store(store).open("farm").file("card").read_text()
    assert f"those of farm@{first} and all others that occur 2 times or more" in card
    third = go_on("--epochs", "1", name="other", reference=f"farm@{second}").last["version"]
    said = Store(store).manifest("other", third).provenance
    assert said.endswith(f"going on from farm@{second} ({manifest.provenance})")


def test_counts_are_those_of_both_texts(train, go_on, store, text, news):
    train("--epochs", "1")
    go_on("--epochs", "1")
    vocabulary = Store(store).open("farm").embedding().vocabulary
    both = (text.read_text() + news.read_text()).split()
    for word in ("car", "tram", "the", "lorry"):
        assert vocabulary.counts[vocabulary.id(word)] == both.count(word)
    assert (np.diff(vocabulary.counts) <= 0).all()


def test_what_is_not_asked_for_is_as_it_was(train, go_on, store):
    train("--epochs", "1", "--dim", "12", "--window", "3", "--negatives", "4", "--output-weight", "0.5")
    go_on("--negatives", "7", "--epochs", "2")
    recipe = Store(store).open("farm").manifest.recipe
    expected = {"dim": 12, "window": 3, "negatives": 7, "output_weight": 0.5, "subsample": 0, "min_count": 2}
    assert {key: recipe[key] for key in expected} == expected
    assert (recipe["epochs"], recipe["seed"]) == (2, 1)


def test_known_words_that_are_rare_in_the_new_text_are_trained(train, go_on, store, tmp_path):
    train("--epochs", "1")
    before = Store(store).open("farm").embedding()
    rare = tmp_path / "rare.txt"
    rare.write_text("the tram sheep unheard\n")
    outcome = go_on("--epochs", "1", "--batch-size", "1", "--learning-rate", "0.1", source=rare)
    assert outcome.code == 0, outcome.err
    after = Store(store).open("farm").embedding()
    assert "unheard" not in after.vocabulary
    assert not np.array_equal(after.vectors(["sheep"]), before.vectors(["sheep"]))
    assert np.array_equal(after.vectors(["car"]), before.vectors(["car"]))


def test_a_corpus_folder_can_be_gone_on_with(train, run, go_on, store, news, tmp_path):
    train("--epochs", "1")
    folder = tmp_path / "corpus"
    run("corpus", news, "--output", folder, "--min-count", "3")
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert go_on("--epochs", "1", source=folder).code == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == kept
    assert Store(store).open("farm").manifest.recipe["min_count"] == 3


def test_a_corpus_folder_of_another_tokenizer_is_refused(train, run, go_on, news, tmp_path):
    train("--epochs", "1")
    folder = tmp_path / "corpus"
    run("corpus", news, "--output", folder, "--min-count", "2", "--tokenizer", "letters")
    outcome = go_on(source=folder)
    assert outcome.code == 2
    assert "its tokenizer is words, but" in outcome.err
    assert "was made with letters" in outcome.err


def test_the_state_is_there_while_it_is_needed(train, go_on, store):
    """The old version's state makes room for the new one's, and is used all the same."""
    train("--epochs", "1")
    first = Origin.open(store, "farm")
    latest = go_on("--epochs", "1").last["version"]
    assert Checkpoints(store, "farm").kept() == [latest]
    assert np.isfinite(first.tables["input"]).all()
    assert go_on("--epochs", "1").code == 0


def test_an_interrupted_continuation_ends_bit_for_bit_as_an_uninterrupted_one(train, go_on, store):
    train("--epochs", "1", name="farm")
    go_on("--epochs", "3", name="whole")
    advance, count = PlainLearner.advance, 0

    def advance_and_interrupt(learner):
        nonlocal count
        count += 1
        if count == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return advance(learner)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlainLearner, "advance", advance_and_interrupt)
        assert go_on("--epochs", "3", name="cut").code == 130
    # Neither the option nor the state that it began with is needed again.
    Checkpoints(store, "farm").discard(Store(store).latest("farm"))
    resumed = go_on("--resume", name="cut")
    assert resumed.code == 0, resumed.err
    whole, cut = (Store(store).open(name) for name in ("whole", "cut"))
    for role in ("weights", "vocabulary"):
        assert whole.file(role).read_bytes() == cut.file(role).read_bytes()
    assert cut.manifest.recipe["resumed_from"] == whole.manifest.recipe["resumed_from"]


@pytest.fixture
def interrupted(train, go_on):
    """An interrupted training of "cut" that goes on from "farm"; there is an "other" too."""
    train("--epochs", "1")
    train("--epochs", "1", name="other")
    advance = PlainLearner.advance

    def interrupt(learner):
        os.kill(os.getpid(), signal.SIGINT)
        return advance(learner)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlainLearner, "advance", interrupt)
        go_on("--epochs", "3", name="cut")


def test_resuming_from_another_version_than_before_is_refused(interrupted, go_on, train):
    outcome = go_on("--resume", name="cut", reference="other")
    assert outcome.code == 2
    assert "--resume-from is other@" in outcome.err
    assert "goes on from farm@" in outcome.err


def test_resuming_without_saying_from_where_goes_on(interrupted, run, news, store):
    outcome = run("train", "cbow", news, "--name", "cut", "--store", store, "--resume")
    assert outcome.code == 0, outcome.err


class TestRefused:
    @pytest.fixture
    def refuse(self, train, refused, store):
        train("--epochs", "1", "--subwords", "3-4", "--buckets", "500")

        def run_refused(*more, model="cbow", reference="farm"):
            return refused(
                "train",
                model,
                "nowhere.txt",
                "--name",
                "farm",
                "--store",
                store,
                "--resume-from",
                reference,
                *more,
            )

        return run_refused

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (["--dim", "17"], "--dim is 17, but the version has 16"),
            (["--tokenizer", "letters"], "--tokenizer is letters, but the version has words"),
            (["--subwords", "3-6"], "--subwords is 3-6, but the version has 3-4"),
            (["--buckets", "600"], "--buckets is 600, but the version has 500"),
            (
                ["--loss", "hierarchical-softmax"],
                "--loss is hierarchical-softmax, but the version has negative-sampling",
            ),
            (["--recipe", "sample"], "--dim is 50, but the version has 16"),
        ],
    )
    def test_contradictions_name_both_values(self, refuse, options, said):
        assert said in refuse(*options)

    def test_the_other_model(self, refuse):
        assert "it is a cbow model, not skipgram" in refuse(model="skipgram")

    def test_an_unknown_version(self, refuse):
        assert "--resume-from farm@20200101T000000Z-00000000: there is no version" in refuse(
            reference="farm@20200101T000000Z-00000000"
        )
        assert "--resume-from ../farm: name" in refuse(reference="../farm")
        assert "--resume-from barn: there is no model barn" in refuse(reference="barn")

    def test_a_state_that_was_not_kept(self, refuse, train, store):
        version = Store(store).latest("farm")
        train("--epochs", "1")
        line = refuse(reference=f"farm@{version}")
        assert "is not kept; there are those of" in line
        assert Store(store).latest("farm") in line
        assert "--keep-checkpoints" in line

    def test_a_state_that_was_damaged(self, refuse, store):
        [path] = (store / ".checkpoints" / "farm").glob("state-*")
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        assert "not the bytes that were saved" in refuse()

    def test_a_state_of_other_words(self, refuse, train, store, tmp_path):
        train("--epochs", "1", name="other", source=write_text(tmp_path / "few.txt", lines=50))
        [record] = (store / ".checkpoints" / "other").glob("2*.json")
        value = json.loads(record.read_bytes())
        state = record.parent / value["arrays"]["path"]
        folder = store / ".checkpoints" / "farm"
        state.rename(folder / state.name)
        record.rename(folder / f"{Store(store).latest('farm')}.json")
        assert "the kept state is not that of" in refuse()

    def test_a_version_without_subwords_gets_none(self, refuse, train):
        train("--epochs", "1", name="plain")
        assert "--subwords is 3-4, but the version has none" in refuse("--subwords", "3-4", reference="plain")

    def test_a_tree_cannot_grow(self, refuse, train):
        train("--epochs", "1", "--loss", "hierarchical-softmax", name="tree")
        assert "belong to the tree" in refuse(reference="tree")


def test_a_missing_store(refused, tmp_path):
    line = refused(
        "train", "cbow", "x.txt", "--name", "a", "--store", tmp_path / "none", "--resume-from", "a"
    )
    assert "--resume-from a: there is no store" in line
    assert not (tmp_path / "none").exists()
