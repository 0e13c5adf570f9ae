import json
import unicodedata

import numpy as np
import pytest

from artifact.store import Store
from tests.app.serving import TOKENS, VECTORS, check_problem, publish


@pytest.fixture
def embedding(sample_root, version):
    return Store(sample_root).open("sample", version).embedding()


def check_results(answer, neighbours, version):
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["model"], body["version"]) == ("sample", version)
    assert [result["word"] for result in body["results"]] == [neighbour.word for neighbour in neighbours]
    for result, neighbour in zip(body["results"], neighbours, strict=True):
        assert result["score"] == pytest.approx(neighbour.score, abs=1e-6)


def test_similar_gives_the_vehicles(client, version, embedding):
    answer = client.get("/similar", word="car", top=2)
    check_results(answer, embedding.similar(["car"], top=2), version)
    assert [result["word"] for result in answer.json()["results"]] == ["truck", "bus"]
    assert list(answer.json()) == ["model", "version", "results"]


def test_similar_gives_ten_unless_asked_and_never_the_word_itself(client):
    results = client.get("/similar", word="car").json()["results"]
    assert len(results) == 10
    assert "car" not in [result["word"] for result in results]


def test_similar_gives_all_there_are_where_top_is_larger(client):
    results = client.get("/similar", word="car", top=1000).json()["results"]
    # Neither the word itself nor the one without a direction.
    assert len(results) == len(TOKENS) - 2


def test_similar_with_several_words(client, version, embedding):
    answer = client.post("/similar", positive=["king", "woman"], negative=["man"], top=3)
    check_results(answer, embedding.similar(["king", "woman"], ["man"], top=3), version)
    assert answer.json()["results"][0]["word"] == "queen"


def test_similar_away_from_a_word(client, version, embedding):
    check_results(client.post("/similar", negative=["car"]), embedding.similar([], ["car"]), version)


def test_analogy_in_the_order_of_the_book(client, version, embedding):
    answer = client.post("/analogy", a="king", b="man", c="queen")
    check_results(answer, embedding.analogy("king", "man", "queen"), version)
    assert answer.json()["results"][0]["word"] == "woman"
    assert len(answer.json()["results"]) == 5


def test_ties_stand_in_the_order_of_the_vocabulary(root, open_client):
    tokens = [f"w{number}" for number in range(50)]
    publish(root, "sample", tokens=tokens, vectors=np.ones((50, 3), dtype=np.float32))
    results = open_client().get("/similar", word="w7", top=20).json()["results"]
    assert [result["word"] for result in results] == [word for word in tokens if word != "w7"][:20]


def test_vectors_are_the_vectors_as_trained(client, version):
    body = client.post("/vectors", words=["truck", "car", "truck", "zero"]).json()
    assert (body["model"], body["version"]) == ("sample", version)
    assert [result["word"] for result in body["results"]] == ["truck", "car", "truck", "zero"]
    sent = np.array([result["vector"] for result in body["results"]], dtype=np.float32)
    np.testing.assert_array_equal(sent, VECTORS[[1, 0, 1, 11]])


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/vectors/car", "car"),
        ("/vectors/a/b", "a/b"),
        ("/vectors/a%2Fb", "a/b"),
        ("/vectors/%EC%84%9C%EC%9A%B8", "서울"),
    ],
)
def test_the_vector_of_a_word_in_the_path(root, open_client, path, word):
    publish(root, "sample", tokenizer="whitespace")
    results = open_client().get(path).json()["results"]
    assert [result["word"] for result in results] == [word]
    np.testing.assert_array_equal(np.float32(results[0]["vector"]), VECTORS[TOKENS.index(word)])


def test_words_are_normalised_as_in_training(client):
    expected = client.get("/similar", word="naïve").json()
    assert client.get("/similar", word=unicodedata.normalize("NFD", "Naïve")).json() == expected
    assert client.post("/similar", positive=["NAÏVE"]).json() == expected


CASES = {
    "get similar": ("GET", "/similar", {"word": "{}", "top": "2"}),
    "post similar": ("POST", "/similar", {"positive": ["{}"], "negative": ["king"]}),
    "among": ("POST", "/similar", {"positive": ["king"], "among": ["{}", "bus"]}),
    "exclude": ("POST", "/similar", {"positive": ["bus"], "exclude": ["{}"]}),
    "analogy": ("POST", "/analogy", {"a": "king", "b": "man", "c": "{}"}),
    "doesn't match": ("POST", "/doesnt-match", {"words": ["{}", "bus", "king"]}),
    "get similarity": ("GET", "/similarity", {"a": "king", "b": "{}"}),
    "post similarity": ("POST", "/similarity", {"a": ["{}"], "b": ["king"]}),
}


@pytest.mark.parametrize("question", CASES.values(), ids=CASES)
def test_another_case_answers_where_case_is_kept_and_says_so(root, open_client, question):
    publish(root, "sample", tokenizer="whitespace")
    client = open_client()
    method, path, fields = question

    def ask(word):
        filled = json.loads(json.dumps(fields).replace("{}", word))
        return client.request(method, path, **{"params" if method == "GET" else "json": filled})

    known, other = ask("car").json(), ask("CAR").json()
    assert "matched" not in known
    assert other.pop("matched") == {"CAR": "car"}
    if path == "/doesnt-match":
        other["results"][0]["word"] = "car"
    assert other == known


def test_vectors_say_which_case_was_found(root, open_client):
    publish(root, "sample", tokenizer="whitespace")
    client = open_client()
    results = client.post("/vectors", words=["Car", "car"]).json()["results"]
    assert [(result["word"], result.get("matched")) for result in results] == [("Car", "car"), ("car", None)]
    assert results[0]["vector"] == results[1]["vector"]
    [result] = client.get("/vectors/KING").json()["results"]
    assert result["matched"] == "king"


def test_case_does_not_make_up_words(root, open_client):
    publish(root, "sample", tokenizer="whitespace")
    problem = check_problem(open_client().get("/similar", word="Cra"), 404, "unknown-word")
    assert problem["oov"] == ["Cra"]
    assert problem["suggestions"][0] == "car"


def test_similarity_of_two_words(client, version, embedding):
    body = client.get("/similarity", a="car", b="truck").json()
    assert body == {"model": "sample", "version": version, "score": pytest.approx(0.992928, abs=1e-6)}
    assert client.get("/similarity", a="car", b="car").json()["score"] == pytest.approx(1)


def test_similarity_matrix(client, embedding):
    scores = client.post("/similarity", a=["car"], b=["truck", "king", "서울"]).json()["scores"]
    np.testing.assert_allclose(scores, embedding.similarity(["car"], ["truck", "king", "서울"]), atol=1e-6)
    assert np.shape(scores) == (1, 3)


def test_scores_are_written_shortly(client):
    scores = json.loads(client.get("/similar", word="car").content, parse_float=str)["results"]
    assert all(len(result["score"]) <= len("-0.1234567") for result in scores)


def test_unknown_words_are_all_named_with_suggestions(client):
    problem = check_problem(
        client.post("/vectors", words=["car", "trukc", "kat", "trukc"]), 404, "unknown-word"
    )
    assert problem["oov"] == ["trukc", "kat"]
    assert "truck" in problem["suggestions"]
    assert problem["title"] == "A word is not in the vocabulary"


@pytest.mark.parametrize(
    "body",
    [{}, {"positive": []}, {"positive": ["car"], "negative": ["car"]}, {"positive": ["zero"]}],
)
def test_a_question_without_direction_is_refused(client, body):
    check_problem(client.post("/similar", **body), 422, "empty-query")


def test_model_and_version_choose(root, open_client):
    first = publish(root, "sample", license="one")
    second = publish(root, "sample", vectors=VECTORS[::-1].copy(), license="two")
    other = publish(root, "other", vectors=VECTORS * 2)
    client = open_client(default_model="sample")
    ask = lambda **choice: client.get("/vectors/king", **choice).json()  # noqa: E731
    assert ask()["version"] == second
    assert ask(version=first)["version"] == first
    assert ask(version=first)["results"][0]["vector"] == VECTORS[3].tolist()
    assert ask(model="sample", version=second) == ask()
    assert ask(model="other")["version"] == other
    assert ask(model="other")["results"][0]["vector"] == (VECTORS[3] * 2).tolist()
    chosen = client.post("/vectors", words=["king"], model="sample", version=first).json()
    assert chosen == ask(model="sample", version=first)
    for path, body in [
        ("/similar", {"positive": ["car"]}),
        ("/analogy", {"a": "king", "b": "man", "c": "queen"}),
        ("/similarity", {"a": ["car"], "b": ["bus"]}),
    ]:
        answer = client.post(path, model="other", **body).json()
        assert (answer["model"], answer["version"]) == ("other", other)
    assert client.get("/similarity", a="car", b="bus", model="other").json()["model"] == "other"


def test_top_is_bounded_by_the_setting(root, open_client):
    publish(root, "sample")
    client = open_client(max_top=3)
    assert len(client.get("/similar", word="car", top=3).json()["results"]) == 3
    for answer, where in [
        (client.get("/similar", word="car", top=4), "query"),
        (client.post("/similar", positive=["car"], top=4), "body"),
        (client.post("/analogy", a="king", b="man", c="queen", top=10**9), "body"),
    ]:
        problem = check_problem(answer, 422, "invalid-request")
        assert problem["limit"] == 3
        assert problem["errors"] == [{"location": [where, "top"], "message": "Input should be at most 3"}]


def test_words_in_one_request_are_bounded_by_the_setting(root, open_client):
    publish(root, "sample")
    client = open_client(max_words=4)
    assert client.post("/vectors", words=["car"] * 4).status_code == 200
    for answer in [
        client.post("/vectors", words=["car"] * 5),
        client.post("/similar", positive=["car"] * 3, negative=["king"] * 2),
        client.post("/similarity", a=["car"] * 3, b=["king"] * 2),
    ]:
        problem = check_problem(answer, 422, "invalid-request")
        assert problem["limit"] == 4
        assert "At most 4 words" in problem["detail"]
