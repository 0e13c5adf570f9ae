import logging
import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from app.errors import ProblemError
from artifact.errors import InputError, NotFound
from artifact.store import Store
from tests.app.serving import VECTORS, check_problem, damage, publish


def publish_two(root, name="sample"):
    return publish(root, name), publish(root, name, vectors=VECTORS * 2)


def test_a_broken_newest_version_leaves_the_one_before_it_serving(root, open_client):
    first, second = publish_two(root)
    publish(root, "other")
    damage(root, "sample", second)
    client = open_client()
    answer = client.get("/similar", word="car", model="sample").json()
    assert answer["version"] == first
    assert client.get("/similar", word="car", model="other").status_code == 200

    ready = client.get("/health/ready")
    assert ready.status_code == 200
    assert ready.json()["status"] == "degraded"
    assert ready.json()["models"]["sample"] == first
    fault = {"model": "sample", "version": second, "reason": "corrupt"}
    assert ready.json()["faults"][0].items() >= fault.items()
    assert "sha256" in ready.json()["faults"][0]["detail"]
    assert client.get("/models").json()["faults"] == ready.json()["faults"]
    assert client.get("/models/sample").json()["faults"] == ready.json()["faults"]
    assert client.get("/models/other").json()["faults"] == []
    assert str(root) not in client.get("/models").text

    problem = check_problem(
        client.get("/vectors/car", model="sample", version=second), 503, "model-unavailable"
    )
    assert "sha256" in problem["detail"]


def test_a_model_without_any_good_version_is_reported_and_the_others_serve(root, open_client):
    version = publish(root, "bad")
    damage(root, "bad", version)
    good = publish(root, "good")
    client = open_client()
    assert client.get("/similar", word="car").json()["version"] == good
    check_problem(client.get("/similar", word="car", model="bad"), 503, "model-unavailable")
    check_problem(client.get("/models/bad"), 503, "model-unavailable")
    assert client.get("/health/ready").json()["models"] == {"good": good}


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda folder: (folder / "weights.safetensors").unlink(), "corrupt"),
        (lambda folder: (folder / "manifest.json").write_bytes(b"{}\n"), "unsupported"),
        (lambda folder: (folder / "manifest.json").write_bytes(b"\xff" * 100), "corrupt"),
        (lambda folder: (folder.parent / "latest").write_bytes(b"../../etc/passwd\n"), "corrupt"),
        (lambda folder: (folder.parent / "latest").write_bytes(b""), "corrupt"),
        (lambda folder: (folder.parent / "latest").unlink(), "unreadable"),
        (lambda folder: (folder.parent / "latest").write_bytes(b"20200101T000000Z-00000000\n"), "unreadable"),
        (lambda folder: os.truncate(folder / "vocabulary.txt", 3), "corrupt"),
    ],
)
def test_every_kind_of_damage_leaves_the_others_serving(root, open_client, harm, reason):
    first, second = publish_two(root)
    good = publish(root, "good")
    harm(root / "sample" / second)
    client = open_client()
    ready = client.get("/health/ready").json()
    assert ready["models"]["good"] == good
    assert ready["models"]["sample"] in {first, second}
    assert [(fault["model"], fault["reason"]) for fault in ready["faults"]] == [("sample", reason)]
    assert client.get("/similar", word="car", model="sample").status_code == 200


def test_an_error_nobody_foresaw_stops_one_version_only(root, open_catalog, monkeypatch, caplog):
    first, second = publish_two(root)
    opened = Store.open

    def fail(self, name, version):
        if version == second:
            raise ZeroDivisionError("inner secret")
        return opened(self, name, version)

    monkeypatch.setattr(Store, "open", fail)
    shelf = open_catalog().shelf
    assert shelf.served["sample"].version == first
    assert shelf.faults[0].reason == "unreadable"
    assert "secret" not in shelf.faults[0].detail
    assert "inner secret" in caplog.text


def test_refresh_swaps_in_a_new_version_and_keeps_the_old_one_where_it_is_broken(root, open_catalog):
    first = publish(root, "sample")
    catalog = open_catalog()
    held = catalog.find("embedding")
    second = publish(root, "sample", vectors=VECTORS * 2)
    assert catalog.find("embedding") is held
    catalog.refresh()
    assert catalog.find("embedding").version == second
    kept = catalog.find("embedding")
    third = publish(root, "sample", vectors=VECTORS * 3)
    damage(root, "sample", third)
    catalog.refresh()
    assert catalog.find("embedding") is kept
    assert [fault.version for fault in catalog.shelf.faults] == [third]
    # What a request holds goes on answering.
    assert held.version == first
    np.testing.assert_array_equal(held.embedding.vectors(["car"]), VECTORS[:1])


def test_a_served_version_outlives_its_files(root, open_catalog):
    first, second = publish_two(root)
    catalog = open_catalog()
    damage(root, "sample", first)
    (root / "sample" / second / "manifest.json").unlink()
    catalog.refresh()
    assert catalog.find("embedding").version == second


def test_without_a_model_the_only_one_of_the_kind_answers(root, open_catalog):
    publish(root, "vectors")
    publish(root, "story", kind="language-model")
    catalog = open_catalog()
    assert catalog.find("embedding").name == "vectors"
    assert catalog.find("language-model").name == "story"


def test_several_models_and_no_default_are_a_conflict_that_names_the_choices(root, open_client):
    publish(root, "b")
    publish(root, "a")
    publish(root, "story", kind="language-model")
    client = open_client()
    for answer in [client.get("/similar", word="car"), client.post("/vectors", words=["car"])]:
        assert check_problem(answer, 409, "model-choice")["choices"] == ["a", "b"]
    assert not any(
        model["default"] for model in client.get("/models").json()["models"] if model["name"] != "story"
    )


def test_a_store_without_word_vectors_is_a_conflict_too(root, open_client):
    publish(root, "story", kind="language-model")
    problem = check_problem(open_client().get("/similar", word="car"), 409, "model-choice")
    assert problem["choices"] == []
    assert problem["detail"] == "no model here is word vectors; loaded: story (a language model)"


def test_the_default_answers_where_there_are_several(root, open_client):
    publish(root, "a")
    publish(root, "b")
    client = open_client(default_model="b")
    assert client.get("/similar", word="car").json()["model"] == "b"
    assert {model["name"]: model["default"] for model in client.get("/models").json()["models"]} == {
        "a": False,
        "b": True,
    }


def test_a_broken_default_is_not_silently_replaced_by_another_model(root, open_client):
    damage(root, "a", publish(root, "a"))
    publish(root, "b")
    check_problem(open_client(default_model="a").get("/similar", word="car"), 503, "model-unavailable")


def test_a_model_of_the_wrong_kind_is_a_conflict(root, open_client):
    publish(root, "vectors")
    version = publish(root, "story", kind="language-model")
    client = open_client()
    for choice in [{"model": "story"}, {"model": "story", "version": version}]:
        problem = check_problem(client.get("/similar", word="car", **choice), 409, "wrong-kind")
        assert problem["choices"] == ["vectors"]
        assert "language model" in problem["detail"]
    listed = {model["name"]: model for model in client.get("/models").json()["models"]}
    assert listed["story"]["kind"] == "language-model"
    assert listed["story"]["words"] == 17
    assert listed["story"]["dimensions"] is None
    assert listed["vectors"]["words"] == 12


def test_unknown_models_and_versions(root, open_client):
    first, second = publish_two(root)
    client = open_client()
    problem = check_problem(client.get("/similar", word="car", model="nothing"), 404, "unknown-model")
    assert problem["choices"] == ["sample"]
    problem = check_problem(client.get("/similar", word="car", version="nothing"), 404, "unknown-model")
    assert problem["choices"] == [first, second]
    assert str(root) not in problem["detail"]
    check_problem(client.get("/models/nothing"), 404, "unknown-model")
    check_problem(client.get("/models/sample", version="nothing"), 404, "unknown-model")
    check_problem(client.get("/models/..%2Fsample"), 404)
    check_problem(client.get("/models/.sample"), 422, "invalid-request")


def test_the_details_of_a_model(root, open_client):
    first, second = publish_two(root)
    client = open_client()
    detail = client.get("/models/sample").json()
    assert detail["version"] == second
    assert detail["versions"] == [first, second]
    assert detail["recipe"] == {"model": "cbow"}
    assert detail["metrics"] == {"loss": 1.5}
    assert (detail["words"], detail["dimensions"], detail["tokenizer"]) == (12, 4, "words")
    assert detail["bytes"] == sum(
        path.stat().st_size for path in (root / "sample" / second).iterdir() if path.name != "manifest.json"
    )
    assert client.get("/models/sample", version=first).json()["version"] == first
    assert client.get("/models").json()["models"][0].items() <= detail.items()


def test_an_older_version_is_opened_once_for_many_requests(root, open_catalog, monkeypatch):
    first, _ = publish_two(root)
    catalog = open_catalog()
    opened = []
    real_open = Store.open

    def count(self, name, version):
        opened.append(version)
        time.sleep(0.05)
        return real_open(self, name, version)

    monkeypatch.setattr(Store, "open", count)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: catalog.find("embedding", version=first), range(64)))
    assert opened == [first]
    assert {id(served) for served in found} == {id(found[0])}


def test_older_versions_stay_open_up_to_a_number(root, open_catalog, monkeypatch):
    versions = [publish(root, "sample", vectors=VECTORS * factor) for factor in range(1, 6)]
    catalog = open_catalog(max_open_versions=2)
    opened = []
    real_open = Store.open
    monkeypatch.setattr(
        Store, "open", lambda self, name, version: opened.append(version) or real_open(self, name, version)
    )
    for version in [versions[0], versions[1], versions[0], versions[2], versions[0], versions[1]]:
        assert catalog.find("embedding", version=version).version == version
    assert opened == [versions[0], versions[1], versions[2], versions[1]]


def test_names_that_do_not_exist_do_not_push_out_what_is_open(root, open_catalog, monkeypatch):
    first, _ = publish_two(root)
    catalog = open_catalog(max_open_versions=2)
    held = catalog.find("embedding", version=first)
    for number in range(10):
        with pytest.raises(ProblemError):
            catalog.find("embedding", version=f"no-{number}")
    assert catalog.find("embedding", version=first) is held


def test_a_broken_version_is_not_hashed_for_every_request(root, open_catalog, monkeypatch):
    first, _ = publish_two(root)
    catalog = open_catalog()
    damage(root, "sample", first)
    opened = []
    real_open = Store.open
    monkeypatch.setattr(
        Store, "open", lambda self, name, version: opened.append(version) or real_open(self, name, version)
    )
    for _ in range(3):
        with pytest.raises(ProblemError) as caught:
            catalog.find("embedding", version=first)
        assert caught.value.status_code == 503
    assert opened == [first]
    monkeypatch.setattr("app.open_versions.FAULT_RETRY_S", -1.0)
    with pytest.raises(ProblemError):
        catalog.find("embedding", version=first)
    assert opened == [first, first]


def test_swaps_under_load_never_mix_a_version_with_another_ones_vectors(root, open_catalog):
    publish(root, "sample", license="1")
    catalog = open_catalog()
    stop = threading.Event()
    wrong = []

    def ask():
        while not stop.wait(0.0005):
            served = catalog.find("embedding")
            factor = float(served.manifest.license)
            if not np.array_equal(served.embedding.vectors(["car"])[0], VECTORS[0] * np.float32(factor)):
                wrong.append(served.version)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for factor in range(2, 8):
        publish(root, "sample", vectors=VECTORS * np.float32(factor), license=str(factor))
        catalog.refresh()
        assert catalog.find("embedding").manifest.license == str(factor)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_what_cannot_start(root, open_catalog):
    with pytest.raises(NotFound, match="there is no store at"):
        open_catalog()
    root.mkdir()
    with pytest.raises(InputError, match="there is no model in"):
        open_catalog().check()
    damage(root, "sample", publish(root, "sample"))
    with pytest.raises(InputError, match=r"can be served: sample/.*sha256"):
        open_catalog().check()
    publish(root, "good")
    open_catalog(default_model="good").check()
    open_catalog(default_model="sample").check()
    with pytest.raises(InputError, match="--default-model other: there is no such model"):
        open_catalog(default_model="other").check()
    with pytest.raises(InputError, match="--default-language-model good: this is word vectors"):
        open_catalog(default_language_model="good").check()


def test_what_is_served_from_now_on_is_logged(root, open_catalog, caplog):
    first = publish(root, "first")
    catalog = open_catalog()
    catalog.prepare()
    with caplog.at_level(logging.INFO, logger="app.catalog"):
        catalog.poll()
        assert not caplog.messages
        other = publish(root, "other", kind="language-model")
        catalog.poll()
        newer = publish(root, "first")
        catalog.poll()
        shutil.rmtree(root / "other")
        catalog.poll()
    assert caplog.messages == [
        f"serving other {other} (language-model)",
        f"serving first {newer} instead of {first}",
        f"serving other {other} no more",
    ]
