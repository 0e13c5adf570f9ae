"""Phrases from the command line to the server's answers."""

import numpy as np
import pytest

from app.main import create_app
from app.settings import Settings
from artifact.store import Store
from tests.app.serving import Client, check_problem
from trainer.corpus import open_corpus

CITIES = ["new york", "hong kong", "los angeles", "york"]
FOODS = ["ice cream", "cheese cake", "bread", "angel cake"]
TOPICS = {"cities": (CITIES, "fly plane train road north"), "foods": (FOODS, "eat sweet bake cook taste")}
FOUND = {"new_york", "hong_kong", "los_angeles", "ice_cream", "cheese_cake", "angel_cake"}
SMALL = [
    "--dim",
    "16",
    "--epochs",
    "6",
    "--min-count",
    "5",
    "--seed",
    "1",
    "--threads",
    "1",
    "--subsample",
    "0",
]
PHRASES = ["--phrases", "--phrase-scoring", "npmi", "--phrase-threshold", "0.6"]
LEARNING = ["--engine", "plain", "--learning-rate", "0.01", "--batch-size", "100", "--window", "3"]


def write_text(path, *, seed=0, lines=3000):
    random = np.random.default_rng(seed)
    topics = [(things, near.split()) for things, near in TOPICS.values()]
    with path.open("w") as file:
        for _ in range(lines):
            things, near = topics[random.integers(len(topics))]
            words = [*random.choice(near, 4), *(f"noise{number}" for number in random.integers(40, size=4))]
            words.insert(random.integers(1, 4), things[random.integers(len(things))])
            file.write(f"{' '.join(words)}\n")
    return path


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return write_text(tmp_path_factory.mktemp("text") / "journeys.txt")


@pytest.fixture
def corpus(run, text, tmp_path):
    outcome = run("corpus", text, "--output", tmp_path / "corpus", *PHRASES)
    assert outcome.code == 0, outcome.err
    assert outcome.last["phrases"] == len(open_corpus(tmp_path / "corpus").phrases)
    assert outcome.last["words"] < 3000 * 10
    stages = [each.get("stage") for each in outcome.records if each["event"] == "progress"]
    assert list(dict.fromkeys(stages)) == ["warm-up", "count", "encode", "phrases"]
    return tmp_path / "corpus"


def train(run, source, store, *more, model="cbow", name="trips"):
    return run("train", model, source, "--name", name, "--store", store, *SMALL, *LEARNING, *more)


def test_from_text_to_answers(run, text, store):
    outcome = train(run, text, store, *PHRASES)
    assert outcome.code == 0, outcome.err
    artifact = Store(store).open("trips")
    assert {token for token in artifact.embedding().vocabulary if "_" in token} == FOUND
    assert artifact.manifest.requires["phrases"]["passes"] == 2
    assert artifact.manifest.recipe["phrases"] is True
    assert artifact.manifest.recipe["phrase_threshold"] == 0.6
    assert "phrases" in artifact.file("card").read_text()
    Store(store).verify("trips", artifact.version)
    with Client(create_app(Settings(store=str(store)))) as client:
        answer = client.get("/similar", word="New York", top=3).json()
        assert {each["word"] for each in answer["results"]} == {"hong_kong", "los_angeles", "york"}
        assert client.get("/similar", word="new_york", top=3).json() == answer
        assert client.get("/similarity", a="new york", b="new_york").json()["score"] == pytest.approx(1)
        assert client.get("/vectors/ice cream").json()["results"][0]["word"] == "ice cream"
        assert client.post("/vectors", words=["hong kong", "bread"]).status_code == 200
        problem = check_problem(client.get("/similar", word="new bread"), 404, "unknown-word")
        assert problem["oov"] == ["new bread"]
    assert run("similar", "Ice Cream", "--store", store).code == 0


def test_a_corpus_folder_fixes_phrases(run, refused, corpus, text, store, tmp_path):
    agreeing = ["--phrases", "--phrase-scoring", "npmi", "--phrase-threshold", "0.60"]
    for more in ([], agreeing):
        assert train(run, corpus, store, *more, "--epochs", "1").code == 0
        assert Store(store).open("trips").manifest.recipe["phrase_scoring"] == "npmi"
        assert Store(store).open("trips").embedding().find("new york") is not None
    for contradiction, said in [
        (["--no-phrases"], "--no-phrases contradicts"),
        (["--phrases", "--phrase-threshold", "0.5"], "which was made with --phrase-threshold 0.6"),
        (["--phrases", "--phrase-scoring", "default"], "--phrase-scoring default contradicts"),
        (["--phrases", "--phrase-connectors", "of,the"], "--phrase-connectors of,the contradicts"),
    ]:
        outcome = train(run, corpus, store, *contradiction)
        assert outcome.code == 2
        assert said in outcome.err.splitlines()[-1]
    assert run("corpus", text, "--output", tmp_path / "plain").code == 0
    assert "without --phrases" in train(run, tmp_path / "plain", store, "--phrases").err


def test_a_language_model_is_refused(run, corpus, store):
    outcome = run(
        "train", "rnnlm", corpus, "--name", "lm", "--store", store, "--hidden", "8", "--epochs", "1"
    )
    assert outcome.code == 2
    assert "was made with --phrases" in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_training_goes_on_with_the_same_phrases(run, text, store, corpus, tmp_path):
    assert train(run, corpus, store, "--epochs", "1").code == 0
    before = Store(store).open("trips")
    more = write_text(tmp_path / "more.txt", seed=1, lines=300)
    with more.open("a") as file:
        file.write("new york ice cream bubble tea\n" * 30)
    outcome = train(run, more, store, "--resume-from", "trips", "--epochs", "1", name="more")
    assert outcome.code == 0, outcome.err
    after = Store(store).open("more")
    embedding = after.embedding()
    assert after.file("phrases").read_bytes() == before.file("phrases").read_bytes()
    assert after.manifest.recipe["phrase_threshold"] == 0.6
    assert embedding.find("new york") is not None
    # New words come alone: the phrases are those of the version.
    assert embedding.find("bubble") is not None
    assert embedding.find("bubble tea") is None
    for wrong, said in [
        ([more, "--no-phrases"], "--phrases is False, but the version has True"),
        ([more, "--phrases", "--phrase-scoring", "default"], "--phrase-scoring is default"),
        ([make_plain(run, more, tmp_path)], "its phrases are not those"),
    ]:
        refusal = train(run, *wrong[:1], store, *wrong[1:], "--resume-from", "trips", name="other")
        assert refusal.code == 2
        assert said in refusal.err


def make_plain(run, text, tmp_path):
    assert run("corpus", text, "--output", tmp_path / "plain").code == 0
    return tmp_path / "plain"
