import shutil
import sys

import numpy as np
import pytest

from artifact.draft import write_embedding
from artifact.questions import Question, Term, answer
from artifact.store import Store
from artifact.tokenizer import Tokenizer
from artifact.word_index import LEAST_WORDS
from tests.language_serving.models import publish_model

pytestmark = pytest.mark.peers

D = 6
TOKENS = [f"w{number}" for number in range(LEAST_WORDS)]


@pytest.fixture(scope="module")
def large_store(tmp_path_factory):
    """A store with one model that is large enough for an index."""
    root = tmp_path_factory.mktemp("large") / "store"
    vectors = np.random.default_rng(2).normal(size=(LEAST_WORDS, D)).astype(np.float32)
    with Store(root, create=True).draft("large") as draft:
        counts = np.arange(LEAST_WORDS, 0, -1, dtype=np.int64)
        write_embedding(draft, tokens=TOKENS, counts=counts, vectors=vectors, dtype="float16")
        draft.publish(
            kind="embedding",
            tokenizer=Tokenizer("words"),
            recipe={"model": "cbow"},
            metrics={"loss": 1.0},
            provenance="a test",
            license="MIT",
        )
    return root


@pytest.fixture
def store(large_store, tmp_path):
    """A copy of that store."""
    shutil.copytree(large_store, tmp_path / "store")
    return tmp_path / "store"


def test_publish_adds_an_index_to_a_new_version(run, store, monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr("trainer.neighbours._WORTH_COMPILING", np.inf)
    before = Store(store).open("large")
    outcome = run("publish", "large", "--index", "--store", store)
    assert outcome.code == 0, outcome.err
    done = {event["stage"]: event for event in outcome.events("progress")}
    assert done["index"].items() >= {"words": LEAST_WORDS, "total_words": LEAST_WORDS}.items()
    assert done["recall"].items() >= {"questions": 500, "total_questions": 500}.items()
    said = outcome.last
    assert (said["event"], said["of_version"]) == ("published", before.version)
    assert said["index"]["recall_at_10"] >= 0.95
    assert said["index"]["library"].startswith("faiss ")
    assert Store(store).versions("large") == [before.version, said["version"]]
    after = Store(store).open("large")
    assert set(after.manifest.files) == {*before.manifest.files, "index"}
    assert after.manifest.metrics == before.manifest.metrics | {"index": said["index"]}
    for name in ("recipe", "requires", "tokenizer", "license", "provenance", "tensors"):
        assert getattr(after.manifest, name) == getattr(before.manifest, name)
    assert run("verify", "large", "--store", store).code == 0

    embedding = after.embedding(with_index=True)
    [found] = answer(embedding, [Question([Term("w1")], exact=False)])
    assert found.recall == said["index"]["recall_at_10"]
    assert embedding.warnings == []
    assert after.embedding().index is None

    # The same words and vectors: the index stays where a table is added, and is made anew where it is asked for.
    kept = run("publish", "large", "--neighbours", "1", "--device", "cpu", "--store", store).last
    again = Store(store).open("large")
    assert again.manifest.files["index"] == after.manifest.files["index"]
    assert again.manifest.metrics["index"] == said["index"]
    both = run("publish", "large", "--index", "--neighbours", "2", "--device", "cpu", "--store", store).last
    assert both["of_version"] == kept["version"]
    assert (both["neighbours"]["count"], both["index"]["candidates"]) == (2, said["index"]["candidates"])
    assert Store(store).open("large").manifest.files["index"] == after.manifest.files["index"]


def test_a_person_reads_how_well_it_does(run, store):
    pytest.importorskip("faiss")
    outcome = run("publish", "large", "--index", "--no-json", "--store", store)
    assert f"an index of {LEAST_WORDS:,} words" in outcome.out
    assert "% (500 questions)" in outcome.out


def test_verify_finds_an_index_of_other_vectors(run, store, refused):
    pytest.importorskip("faiss")
    version = run("publish", "large", "--index", "--store", store).last["version"]
    artifact = Store(store).open("large", version)
    vectors = artifact.embedding().rows(np.arange(LEAST_WORDS))[::-1]
    with Store(store).draft("large") as draft:
        counts = np.arange(LEAST_WORDS, 0, -1, dtype=np.int64)
        write_embedding(draft, tokens=TOKENS, counts=counts, vectors=vectors)
        shutil.copyfile(artifact.file("index"), draft.add("index", "index.safetensors"))
        draft.publish(
            kind="embedding", tokenizer=Tokenizer("words"), recipe={}, metrics=artifact.manifest.metrics
        )
    outcome = run("verify", "large", "--store", store)
    assert outcome.code != 0
    assert "index.safetensors" in outcome.out + outcome.err


def test_what_cannot_have_an_index_is_refused(refused, train, store, tmp_path, monkeypatch):
    assert "--index" in refused("publish", "large", "--store", store)
    assert train("--neighbours", "0").code == 0
    before = Store(store).versions("farm")
    assert f"{LEAST_WORDS:,} words or more" in refused("publish", "farm", "--index", "--store", store)
    assert Store(store).versions("farm") == before
    publish_model(store, "story")
    assert "language model" in refused("publish", "story", "--index", "--store", store)
    monkeypatch.setitem(sys.modules, "faiss", None)
    assert "wordkin[index]" in refused("publish", "large", "--index", "--store", store)
    assert len(Store(store).versions("large")) == 1
