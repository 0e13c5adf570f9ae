"""POST /similarity for sets and texts, one question or several."""

import numpy as np
import pytest

from artifact.store import Store
from artifact.texts import embed_texts
from tests.app.serving import TOKENS, VECTORS, check_problem, publish

UNITS = VECTORS[:-1] / np.linalg.norm(VECTORS[:-1].astype(float), axis=1, keepdims=True)


def mean(*words):
    total = sum(UNITS[TOKENS.index(word)] for word in words)
    return total / np.linalg.norm(total)


def test_sets_of_words(client, version):
    body = client.post(
        "/similarity", mode="sets", a=[["car", "truck"], ["king"]], b=[["king", "queen"], ["bus"], ["Man"]]
    ).json()
    expected = [
        [mean(*a) @ mean(*b) for b in (["king", "queen"], ["bus"], ["man"])]
        for a in (["car", "truck"], ["king"])
    ]
    np.testing.assert_allclose(body.pop("scores"), expected, atol=1e-6)
    assert body == {"model": "sample", "version": version}


def test_texts_with_the_settings_in_the_answer(client, sample_root):
    a, b = ["The car, a truck!"], ["a king and a queen", "bus bus"]
    body = client.post("/similarity", mode="texts", a=a, b=b, smoothing=0.01).json()
    embedding = Store(sample_root).open("sample").embedding()
    rows = embed_texts(embedding, [*a, *b], a=0.01, normalise=True).astype(float)
    np.testing.assert_allclose(body["scores"], [[rows[0] @ rows[1], rows[0] @ rows[2]]], atol=1e-6)
    assert body["settings"] == {
        "weighting": "smooth-inverse-frequency",
        "a": 0.01,
        "frequencies": "counts",
        "normalised": True,
    }


def test_several_questions_are_answered_as_each_alone(client, version):
    queries = [
        {"a": ["car"], "b": ["truck", "king"]},
        {"mode": "sets", "a": [["car", "bus"]], "b": [["king"]]},
        {"mode": "texts", "a": ["car bus"], "b": ["the king"]},
        {"mode": "words", "a": ["car"], "b": ["x"]},
        {"mode": "texts", "a": ["nothing known"], "b": ["car"]},
        {"mode": "sets", "a": [["zero"]], "b": [["car"]]},
    ]
    body = client.post("/similarity", queries=queries).json()
    assert (body["model"], body["version"]) == ("sample", version)
    alone = [client.post("/similarity", **query) for query in queries]
    assert [answer.status_code for answer in alone] == [200, 200, 200, 404, 404, 422]
    for answer, expected in zip(body["answers"], alone, strict=True):
        if expected.status_code == 200:
            assert {"model": "sample", "version": version, **answer} == expected.json()
        else:
            assert answer == {"problem": expected.json()}


@pytest.mark.parametrize(
    ("body", "location"),
    [
        ({"mode": "other", "a": ["car"], "b": ["car"]}, ["body", "mode"]),
        ({"mode": ["sets"], "a": ["car"], "b": ["car"]}, ["body", "mode"]),
        ({"mode": "sets", "a": ["car"], "b": [["car"]]}, ["body", "a", 0]),
        ({"mode": "sets", "a": [[]], "b": [["car"]]}, ["body", "a", 0]),
        ({"mode": "sets", "a": [["car"]], "b": []}, ["body", "b"]),
        ({"mode": "texts", "a": [""], "b": ["car"]}, ["body", "a", 0]),
        ({"mode": "texts", "a": ["car"], "b": ["car"], "smoothing": 0}, ["body", "smoothing"]),
        ({"mode": "texts", "a": ["car"], "b": ["car"], "smoothing": 10**400}, ["body", "smoothing"]),
        ({"a": ["car"], "b": ["car"], "smoothing": 0.1}, ["body"]),
        ({"queries": [{"mode": "sets", "a": [["car"]], "b": [[1]]}]}, ["body", "queries", 0, "b", 0, 0]),
        ({"queries": [{"a": ["car"], "b": ["car"]}], "mode": "words"}, ["body"]),
    ],
)
def test_wrong_bodies(client, body, location):
    problem = check_problem(client.request("POST", "/similarity", json=body), 422, "invalid-request")
    assert problem["errors"][0]["location"] == location


def test_texts_and_sets_are_bounded(root, open_client):
    publish(root, "sample")
    client = open_client(max_texts=3, max_text_characters=10, max_words=4)
    assert client.post("/similarity", mode="texts", a=["car"] * 2, b=["bus"]).status_code == 200
    problem = check_problem(
        client.post("/similarity", mode="texts", a=["car"] * 2, b=["bus"] * 2), 422, "invalid-request"
    )
    assert (problem["limit"], problem["errors"][0]["location"]) == (3, ["body", "b"])
    query = {"mode": "texts", "a": ["car"], "b": ["bus"]}
    problem = check_problem(client.post("/similarity", queries=[query, query]), 422, "invalid-request")
    assert (problem["limit"], problem["errors"][0]["location"]) == (3, ["body", "queries", 1, "b"])
    problem = check_problem(
        client.post("/similarity", mode="texts", a=["car"], b=["bus bus bus"]), 422, "invalid-request"
    )
    assert (problem["limit"], problem["errors"][0]["location"]) == (10, ["body", "b", 0])
    problem = check_problem(
        client.post("/similarity", mode="sets", a=[["car"] * 3], b=[["bus"] * 2]), 422, "invalid-request"
    )
    assert problem["limit"] == 4
