"""The command line with character n-grams: published, asked, evaluated."""

import numpy as np
import pytest

from artifact.store import Store
from tests.trainer.conftest import GOOD, SMALL
from trainer.cli import main
from trainer.ngram_rows import NgramRows


@pytest.fixture(scope="module")
def subword_store(tmp_path_factory, text):
    """A store with one model that has subwords."""
    root = tmp_path_factory.mktemp("subwords") / "store"
    options = [*SMALL, *GOOD, "--subwords", "3-5", "--buckets", "1000000", "--json"]
    arguments = ["train", "cbow", text, "--name", "farm", "--store", root, *options]
    assert main([str(argument) for argument in arguments]) == 0
    return root


def test_words_never_seen_are_composed_and_said_to_be(run, subword_store):
    found = run("similar", "trucks", "--store", subword_store, "--top", "3")
    assert found.last["oov"] is True
    assert found.last["results"][0]["word"] == "truck"
    said = run("similar", "trucks", "car", "--store", subword_store, "--no-json").out
    assert "not in the vocabulary, composed from subwords: trucks\n" in said
    assert "oov" not in run("similar", "truck", "--store", subword_store).last
    assert run("analogy", "car", "trucks", "dog", "--store", subword_store).last["oov"] is True


def test_words_of_other_letters_stay_unknown(refused, subword_store):
    assert "not in the vocabulary: 'xyzzy'" in refused("similar", "xyzzy", "--store", subword_store)


def test_what_is_published_belongs_together(subword_store):
    store = Store(subword_store)
    artifact = store.open("farm")
    store.verify("farm", artifact.version)
    embedding = artifact.embedding()
    ngrams = artifact.manifest.ngrams
    assert (ngrams.shortest, ngrams.longest, ngrams.buckets) == (3, 5, 1_000_000)
    touched = NgramRows.of_words(list(embedding.vocabulary), ngrams).bucket_ids
    assert np.array_equal(embedding._subwords.bucket_ids, touched)


def test_half_precision_is_for_both_tables(run, text, store):
    options = [*SMALL, "--epochs", "1", "--subwords", "3-5", "--dtype", "float16"]
    assert run("train", "cbow", text, "--name", "farm", "--store", store, *options).code == 0
    artifact = Store(store).open("farm")
    assert artifact.embedding()._subwords.rows.dtype == np.float16


def test_evaluation_covers_the_vocabulary_alone(run, subword_store, tmp_path):
    """As for models without subwords, so that figures compare."""
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("car\ttruck\t9\ncar\ttrucks\t8\ncar\tdog\t1\n")
    questions = tmp_path / "questions.txt"
    questions.write_text(": plural\ncar truck dog cat\ncar trucks dog cats\n")
    outcome = run(
        "evaluate",
        "farm",
        "--store",
        subword_store,
        "--similarity",
        pairs,
        "--analogies",
        questions,
        "--json",
    )
    assert outcome.last["similarity"]["pairs"]["covered"] == 2
    assert outcome.last["analogies"]["covered"] == 1
