"""Vectors in every form that they come in, read back."""

import base64
import io

import numpy as np
import pytest

from app.media_types import choose
from app.vector_encodings import ARROW, NPY, has_arrow
from tests.app.serving import TOKENS, VECTORS, check_problem, publish

ASKED = ["truck", "서울", "car", "truck"]
ROWS = VECTORS[[TOKENS.index(word) for word in ASKED]]


def post(client, accept=None, **body):
    headers = {} if accept is None else {"accept": accept}
    return client.request("POST", "/vectors", json=body, headers=headers)


def test_base64_in_json(client, version):
    answer = post(client, words=ASKED, encoding="base64")
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert (body["model"], body["version"]) == ("sample", version)
    assert [result["word"] for result in body["results"]] == ASKED
    rows = [np.frombuffer(base64.b64decode(result["vector"]), dtype="<f4") for result in body["results"]]
    np.testing.assert_array_equal(rows, ROWS)
    floats = post(client, words=ASKED, encoding="float").json()
    assert floats == post(client, words=ASKED).json()
    np.testing.assert_array_equal([np.float32(result["vector"]) for result in floats["results"]], ROWS)


def test_base64_of_words_that_json_must_escape(root, open_client):
    tokens = ['a"b', "c\\d", "e\tf", '","', "\u2028", "</script>", '\\","\\']
    publish(root, "sample", tokens=tokens, vectors=VECTORS[: len(tokens)], tokenizer="whitespace")
    body = post(open_client(), words=tokens, encoding="base64").json()
    assert [result["word"] for result in body["results"]] == tokens


@pytest.mark.parametrize("dim", range(1, 8))
def test_base64_of_any_width(root, open_client, dim):
    vectors = np.random.default_rng(dim).normal(size=(len(TOKENS), dim)).astype(np.float32)
    publish(root, "sample", vectors=vectors, tokenizer="whitespace")
    results = post(open_client(), words=ASKED, encoding="base64").json()["results"]
    rows = [np.frombuffer(base64.b64decode(each["vector"], validate=True), "<f4") for each in results]
    np.testing.assert_array_equal(rows, vectors[[TOKENS.index(word) for word in ASKED]])


def test_base64_says_how_words_were_found(root, open_client):
    publish(root, "sample", tokenizer="whitespace")
    results = post(open_client(), words=["CAR", "car"], encoding="base64").json()["results"]
    assert list(results[0]) == ["word", "vector", "matched"]
    assert results[0]["matched"] == "car"
    assert list(results[1]) == ["word", "vector"]


def test_npy(client, version):
    answer = post(client, NPY, words=ASKED)
    assert answer.headers["content-type"] == NPY
    matrix = np.load(io.BytesIO(answer.content), allow_pickle=False)
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix, ROWS)
    assert answer.headers["wordkin-model"] == "sample"
    assert answer.headers["wordkin-version"] == version
    assert (answer.headers["wordkin-oov"], answer.headers["wordkin-matched"]) == ("0", "0")
    assert answer.headers["vary"] == "accept"


def test_one_word_as_npy_or_base64(client):
    answer = client.request("GET", "/vectors/king", headers={"accept": NPY})
    np.testing.assert_array_equal(np.load(io.BytesIO(answer.content)), VECTORS[[TOKENS.index("king")]])
    [result] = client.get("/vectors/king", encoding="base64").json()["results"]
    assert base64.b64decode(result["vector"]) == VECTORS[TOKENS.index("king")].tobytes()


@pytest.mark.peers
def test_arrow(root, open_client):
    pa = pytest.importorskip("pyarrow")
    version = publish(root, "sample", tokenizer="whitespace")
    answer = post(open_client(), ARROW, words=["CAR", *ASKED])
    assert answer.headers["content-type"] == ARROW
    table = pa.ipc.open_stream(answer.content).read_all()
    assert table.schema.metadata == {b"model": b"sample", b"version": version.encode()}
    assert table["word"].to_pylist() == ["CAR", *ASKED]
    assert table["matched"].to_pylist() == ["car", None, None, None, None]
    assert table["oov"].to_pylist() == [False] * 5
    matrix = np.stack(table["vector"].to_numpy())
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix, np.vstack([VECTORS[:1], ROWS]))


def test_arrow_without_its_extra_is_not_acceptable(client, monkeypatch):
    monkeypatch.setattr("app.routes.vectors.has_arrow", lambda: False)
    problem = check_problem(post(client, ARROW, words=["car"]), 406, "not-acceptable")
    assert "wordkin[arrow]" in problem["detail"]
    assert problem["choices"] == ["application/json", NPY]
    assert post(client, f"{ARROW}, {NPY};q=0.1", words=["car"]).headers["content-type"] == NPY
    problem = check_problem(post(client, "text/html", words=["car"]), 406, "not-acceptable")
    assert problem["choices"] == ["application/json", NPY]


def test_a_form_that_is_not_there_is_not_acceptable(client):
    for accept in ("text/html", "image/*", "application/json;q=0", "nonsense"):
        problem = check_problem(post(client, accept, words=["car"]), 406, "not-acceptable")
        assert NPY in problem["detail"]
        assert (ARROW in problem["choices"]) == has_arrow()


@pytest.mark.parametrize("encoding", ["hex", 3, None])
def test_wrong_encodings(client, encoding):
    problem = check_problem(post(client, words=["car"], encoding=encoding), 422, "invalid-request")
    assert problem["errors"][0]["location"] == ["body", "encoding"]
    problem = check_problem(client.get("/vectors/car", encoding="hex"), 422, "invalid-request")
    assert problem["errors"][0]["location"] == ["query", "encoding"]


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", "a/json"),
        ("  ", "a/json"),
        ("*/*", "a/json"),
        ("a/npy", "a/npy"),
        ("A/NPY", "a/npy"),
        ("a/npy, */*", "a/npy"),
        ("a/npy;q=0.5, */*;q=0.5", "a/npy"),
        ("a/npy;q=0.5, a/json", "a/json"),
        ("a/npy;q=0.5, a/json;q=0.4", "a/npy"),
        ("a/*;q=0.1, b/arrow;q=0.2", "b/arrow"),
        ("*/*, a/json;q=0", "a/npy"),
        ("a/*, a/json;q=0.5", "a/npy"),
        ("a/json; charset=utf-8; q=0.3, b/*;q=0.2", "a/json"),
        ("b/*;q=1.000", "b/arrow"),
        ("a/json;q=2, b/arrow", "b/arrow"),
        ("a/json;q=x, b/arrow;q=nan, a/npy;q=0.1", "a/npy"),
        (",, ,a/npy", "a/npy"),
        ("text/html, c/*", None),
        ("*/*;q=0", None),
        ("json", None),
    ],
)
def test_the_accept_header_chooses(accept, chosen):
    assert choose(accept, ["a/json", "a/npy", "b/arrow"]) == chosen
