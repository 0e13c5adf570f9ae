"""similar, analogy, evaluate, list, verify, prune: what a store is asked."""

import json
import shutil

import pytest

from artifact.store import Store
from trainer.checkpoint import Checkpoints

VEHICLES = {"car", "truck", "bus", "van", "tram"}


@pytest.fixture
def own_store(trained_store, store):
    """A copy of the trained store, to change."""
    shutil.copytree(trained_store, store)
    return store


@pytest.fixture
def three_versions(own_store, train):
    for seed in ("5", "6"):
        train("--seed", seed, "--epochs", "1", "--keep-checkpoints", "9")
    return own_store


def test_similar(run, trained_store):
    outcome = run("similar", "Truck", "--store", trained_store, "--top", "4")
    assert outcome.code == 0
    answer = outcome.last
    assert answer["model"] == "farm"
    assert answer["version"] == Store(trained_store).latest("farm")
    assert answer["positive"] == ["Truck"]
    assert {each["word"] for each in answer["results"]} == VEHICLES - {"truck"}
    scores = [each["score"] for each in answer["results"]]
    assert scores == sorted(scores, reverse=True)


def test_similar_with_negative_words(run, trained_store):
    words = ["similar", "car", "dog", "--negative", "apple", "--store", trained_store, "--name", "farm"]
    results = run(*words).last["results"]
    assert not {"car", "dog", "apple"} & {each["word"] for each in results}
    assert len(results) == 10


def test_more_words_than_there_are(run, trained_store):
    answer = run("similar", "car", "--store", trained_store, "--top", 10**9).last
    assert len(answer["results"]) == len(Store(trained_store).open("farm").embedding().vocabulary) - 1


def test_analogy_as_text(run, trained_store):
    outcome = run("analogy", "car", "truck", "dog", "--store", trained_store, "--no-json", "--top", "3")
    lines = outcome.out.splitlines()
    assert lines[0].startswith("car : truck = dog : ?")
    assert len(lines) == 4


def test_unknown_words_come_with_suggestions(refused, trained_store):
    assert refused("similar", "truc", "--store", trained_store) == (
        "wordkin: not in the vocabulary: 'truc' (did you mean truck?)"
    )
    assert "'catt', 'dogg'" in refused("analogy", "dogg", "cat", "catt", "--store", trained_store)


@pytest.mark.parametrize(
    "arguments",
    [
        ("similar", "car", "--top", "0"),
        ("similar", "car", "--top", "many"),
        ("similar",),
        ("similar", "car", "--negative", "car"),
        ("similar", "car", "--name", "tractor"),
        ("similar", "car", "--name", "farm@19700101T000000Z-00000000"),
        ("similar", "car", "--name", "../farm"),
        ("analogy", "car", "truck"),
        ("evaluate", "tractor"),
        ("evaluate", "farm", "--analogies", "nowhere.txt"),
        ("evaluate", "farm", "--similarity", "a/x.tsv", "b/x.txt"),
        ("evaluate", "farm", "--restrict-vocab", "0"),
        ("evaluate", "farm", "--text", "some.txt"),
        ("list", "tractor"),
        ("verify", "tractor"),
        ("prune", "tractor"),
        ("prune", "--keep", "-1"),
    ],
)
def test_questions_without_an_answer(refused, trained_store, arguments):
    refused(*arguments, "--store", trained_store)


@pytest.mark.parametrize(
    "command", [("list",), ("verify",), ("prune",), ("similar", "car"), ("evaluate", "farm")]
)
def test_no_store(refused, tmp_path, command):
    assert "there is no store at" in refused(*command, "--store", tmp_path / "nowhere")


def test_an_empty_store(run, refused, tmp_path):
    assert "there is no model" in refused("similar", "car", "--store", tmp_path)
    for command in ("list", "verify", "prune"):
        assert run(command, "--store", tmp_path).code == 0


def test_a_store_of_several_names_wants_a_name(refused, own_store, train):
    train("--epochs", "1", name="barn")
    assert "--name must be given: there are barn, farm" in refused("similar", "car", "--store", own_store)


def test_evaluate_by_the_book_when_nothing_is_given(run, trained_store):
    report = run("evaluate", "farm", "--store", trained_store).last
    questions = {answer["question"]: answer for answer in report["book"]}
    assert len(questions) == 8
    assert questions["toyota"]["missing"] == ["toyota"]
    assert {each["word"] for each in questions["car"]["results"]} & VEHICLES
    assert report["name"] == "farm"


def test_evaluate_on_sets(run, trained_store, tmp_path):
    (tmp_path / "questions.txt").write_text(": same\ncar truck dog cat\n: gram1-none\nx y z w\n")
    (tmp_path / "pairs.tsv").write_text("car\ttruck\t9\ncar\tdog\t2\nx\ty\t3\n")
    (tmp_path / "others.csv").write_text("a,b,score\nApple,Pear,9\napple,car,1\n")
    outcome = run(
        "evaluate", "farm", "--store", trained_store, "--analogies", tmp_path / "questions.txt",
        "--similarity", tmp_path / "pairs.tsv", "--similarity", tmp_path / "others.csv",
    )  # fmt: skip
    report = outcome.last
    assert len(outcome.records) == 1
    assert "book" not in report
    analogies = report["analogies"]
    assert (analogies["covered"], analogies["asked"]) == (1, 2)
    assert analogies["sections"]["gram1-none"]["accuracy"] is None
    assert analogies["restrict_vocab"] == len(Store(trained_store).open("farm").embedding().vocabulary)
    assert report["similarity"]["pairs"] == {"spearman": pytest.approx(1), "covered": 2, "asked": 3}
    assert report["similarity"]["others"]["covered"] == 2


def test_evaluation_as_text(run, trained_store, tmp_path):
    (tmp_path / "questions.txt").write_text(": same\ncar truck dog cat\n")
    (tmp_path / "pairs.tsv").write_text("car\ttruck\t9\ncar\tdog\t2\n")
    outcome = run(
        "evaluate", "farm", "--store", trained_store, "--no-json",
        "--analogies", tmp_path / "questions.txt", "--similarity", tmp_path / "pairs.tsv",
    )  # fmt: skip
    assert "accuracy  correct  covered  asked" in outcome.out
    assert "pairs     1.000        2      2" in outcome.out


def test_list(run, three_versions):
    outcome = run("list", "--store", three_versions)
    assert [entry["latest"] for entry in outcome.records] == [False, False, True]
    versions = Store(three_versions).versions("farm")
    assert [entry["version"] for entry in outcome.records] == versions
    entry = outcome.last
    assert (entry["name"], entry["kind"], entry["dim"]) == ("farm", "embedding", 16)
    assert entry["bytes"] > 16 * entry["words"]
    assert entry["created"].endswith("Z")
    only = run("list", f"farm@{versions[0]}", "--store", three_versions)
    assert [each["version"] for each in only.records] == versions[:1]


def test_list_as_text(run, trained_store):
    lines = run("list", "--store", trained_store, "--no-json").out.splitlines()
    assert lines[0].split() == ["NAME", "VERSION", "KIND", "WORDS", "DIM", "SIZE", "CREATED"]
    assert lines[1].startswith("*  farm  ")


def test_list_shows_what_is_pinned(run, three_versions):
    store = Store(three_versions)
    versions = store.versions("farm")
    store.pin("farm", versions[0])
    assert [record["pinned"] for record in run("list", "--store", three_versions).records] == [
        version == versions[0] for version in versions
    ]
    lines = run("list", "--store", three_versions, "--no-json").out.splitlines()
    assert sorted(line[:2].strip() for line in lines[1:4]) == ["", "*", "="]
    assert lines[4:] == [
        "* the latest: what a name alone means",
        "= pinned: what servers answer with for the name",
    ]
    store.pin("farm", versions[-1])
    assert "*=" in run("list", "--store", three_versions, "--no-json").out


def test_list_shows_what_it_can_of_a_broken_version(run, own_store):
    (manifest,) = own_store.glob("farm/*/manifest.json")
    manifest.write_bytes(b"{}\n")
    outcome = run("list", "--store", own_store)
    assert outcome.code == 0
    assert outcome.last["kind"] == "unreadable"
    assert "manifest.json" in outcome.err


def test_verify_names_what_is_broken(run, three_versions):
    assert run("verify", "--store", three_versions).code == 0
    versions = Store(three_versions).versions("farm")
    weights = three_versions / "farm" / versions[1] / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    outcome = run("verify", "farm", "--store", three_versions)
    assert outcome.code == 1
    assert [(entry["version"], entry["ok"]) for entry in outcome.records] == [
        (version, version != versions[1]) for version in versions
    ]
    assert "weights.safetensors" in outcome.records[1]["reason"]
    assert "1 of 3 versions must not be used" in outcome.err
    assert run("verify", f"farm@{versions[0]}", "--store", three_versions).code == 0
    assert "BROKEN" in run("verify", "--store", three_versions, "--no-json").out


def test_verify_sees_a_latest_that_names_nothing(run, own_store):
    (own_store / "farm" / "latest").write_text("19700101T000000Z-00000000\n")
    outcome = run("verify", "--store", own_store)
    assert outcome.code == 1
    assert "19700101T000000Z-00000000" in outcome.last["reason"]


def test_prune_says_what_went_and_forgets_its_states(run, three_versions):
    versions = Store(three_versions).versions("farm")
    assert Checkpoints(three_versions, "farm").kept() == versions
    assert run("prune", "farm", "--store", three_versions).records == []
    outcome = run("prune", "farm", "--keep", "1", "--store", three_versions)
    assert outcome.records == [
        {"name": "farm", "version": version, "removed": True} for version in versions[:2]
    ]
    assert Store(three_versions).versions("farm") == versions[2:]
    assert Checkpoints(three_versions, "farm").kept() == versions[2:]
    assert "nothing to remove" in run("prune", "--keep", "0", "--store", three_versions, "--no-json").out
    assert Store(three_versions).latest("farm") == versions[2]


def test_json_can_be_asked_for_by_the_environment(run, trained_store, monkeypatch):
    monkeypatch.setenv("WORDKIN_JSON", "0")
    assert run("list", "--store", trained_store).out.startswith(" ")
    outcome = run("list", "--store", trained_store, "--json")
    assert json.loads(outcome.out)["name"] == "farm"


def test_fetch_says_licence_and_place(run, tmp_path, monkeypatch):
    asked = {}

    def fetch(name, *, cache, progress):
        asked.update(name=name, cache=cache)
        progress("download", 10, 10)
        return tmp_path / "text8"

    monkeypatch.setattr("trainer.corpus.fetch.fetch", fetch)
    outcome = run("fetch", "text8", "--cache", tmp_path)
    assert outcome.code == 0
    assert asked == {"name": "text8", "cache": tmp_path}
    assert outcome.last["path"] == str(tmp_path / "text8")
    assert "licence:" in outcome.err
    assert run("fetch", "text8", "--no-json").out == f"{tmp_path / 'text8'}\n"
    assert asked["cache"] is None


def test_an_unknown_text_to_fetch_names_the_known_ones(refused):
    assert "ptb" in refused("fetch", "everything")
