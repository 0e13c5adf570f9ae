"""POST /similar, /analogy and /doesnt-match in full, one question or several; GET /words."""

import numpy as np
import pytest

from artifact.draft import write_embedding
from artifact.store import Store
from artifact.tokenizer import Tokenizer
from tests.app.serving import TOKENS, VECTORS, check_problem, publish

UNITS = VECTORS[:-1] / np.linalg.norm(VECTORS[:-1].astype(float), axis=1, keepdims=True)


def unit(word):
    return UNITS[TOKENS.index(word)]


def words_of(answer):
    assert answer.status_code == 200, answer.text
    return [result["word"] for result in answer.json()["results"]]


def scores_of(answer):
    assert answer.status_code == 200, answer.text
    return {result["word"]: result["score"] for result in answer.json()["results"]}


def expected_scores(query, *left_out):
    query = query / np.linalg.norm(query)
    return {
        word: pytest.approx(float(vector @ query), abs=1e-6)
        for word, vector in zip(TOKENS, UNITS, strict=False)
        if word not in left_out
    }


def test_weights_count(client):
    answer = client.post(
        "/similar",
        positive=["king", {"word": "car", "weight": 0.25}],
        negative=[{"word": "man", "weight": 2}],
        top=99,
    )
    query = unit("king") + 0.25 * unit("car") - 2 * unit("man")
    assert scores_of(answer) == expected_scores(query, "king", "car", "man")


def test_raw_vectors_count_by_their_direction(client):
    answer = client.post(
        "/similar", positive=[{"vector": [0, 0, 7, 7]}, "car"], negative=[{"vector": [1, 0, 0, 0]}], top=99
    )
    query = np.array([0, 0, 1, 1]) / 2**0.5 + unit("car") - np.array([1, 0, 0, 0])
    assert scores_of(answer) == expected_scores(query, "car")


def test_a_vector_from_the_server_finds_its_word(client):
    [result] = client.post("/vectors", words=["queen"]).json()["results"]
    assert words_of(client.post("/similar", positive=[{"vector": result["vector"]}], top=1)) == ["queen"]


def test_cosmul_multiplies(client):
    answer = client.post("/similar", positive=["king", "woman"], negative=["man"], method="3cosmul", top=99)
    shifted = {word: (1 + UNITS @ unit(word)) / 2 for word in ("king", "woman", "man")}
    scores = shifted["king"] * shifted["woman"] / (shifted["man"] + 0.001)
    assert scores_of(answer) == {
        word: pytest.approx(score, rel=1e-5)
        for word, score in zip(TOKENS, scores, strict=False)
        if word not in shifted
    }
    assert words_of(answer) == sorted(scores_of(answer), key=lambda word: -scores_of(answer)[word])


def test_answers_can_be_narrowed(client):
    ask = lambda **fields: words_of(client.post("/similar", positive=["car"], **fields))  # noqa: E731
    assert ask(among=["king", "bus", "truck", "car", "bus"]) == ["truck", "bus", "king"]
    assert ask(exclude=["truck"], top=1) == ["bus"]
    assert ask(restrict_vocab=2) == ["truck"]
    assert ask(min_score=0.9) == ["truck", "bus"]
    assert ask(min_score=1.1) == []
    assert ask(among=["truck", "서울"], exclude=["truck"], restrict_vocab=3) == []


def test_analogies_multiply_too(client):
    body = {"a": "king", "b": "man", "c": "queen"}
    similar = client.post("/similar", positive=["man", "queen"], negative=["king"], method="3cosmul", top=5)
    assert client.post("/analogy", **body, method="3cosmul").json() == similar.json()
    assert "woman" not in words_of(client.post("/analogy", **body, restrict_vocab=6))


def test_several_questions_are_answered_as_each_alone(client, version):
    queries = [
        {"positive": ["car"], "top": 2},
        {"positive": ["king", "woman"], "negative": ["man"], "method": "3cosmul"},
        {"positive": [{"vector": [1, 0, 0, 0]}], "among": ["bus", "서울"]},
    ]
    body = client.post("/similar", queries=queries).json()
    assert (body["model"], body["version"]) == ("sample", version)
    assert list(body) == ["model", "version", "answers"]
    alone = [client.post("/similar", **query).json() for query in queries]
    assert [{"model": "sample", "version": version, **answer} for answer in body["answers"]] == alone


def test_a_question_without_an_answer_leaves_the_others_theirs(client):
    queries = [
        {"a": "king", "b": "man", "c": "queen", "top": 1},
        {"a": "king", "b": "mann", "c": "quene"},
        {"a": "king", "b": "man", "c": "zero"},
    ]
    good, bad, other = client.post("/analogy", queries=queries).json()["answers"]
    assert [result["word"] for result in good["results"]] == ["woman"]
    assert list(bad) == ["problem"]
    assert bad["problem"] == client.post("/analogy", **queries[1]).json()
    assert bad["problem"]["status"] == 404
    assert bad["problem"]["oov"] == ["mann", "quene"]
    assert {"man", "queen"} <= set(bad["problem"]["suggestions"])
    assert "results" in other


def test_directions_that_cancel_out_are_problems_of_their_own(client):
    queries = [{"positive": ["car"], "negative": ["car"]}, {"positive": ["car"]}, {}]
    answers = client.post("/similar", queries=queries).json()["answers"]
    assert [answer.get("problem", {}).get("type") for answer in answers] == [
        "urn:wordkin:problem:empty-query",
        None,
        "urn:wordkin:problem:empty-query",
    ]


def test_doesnt_match_names_the_word_farthest_from_the_mean(client):
    words = ["car", "truck", "King", "bus"]
    body = client.post("/doesnt-match", words=words).json()
    assert body["word"] == "King"
    units = [unit(word.lower()) for word in words]
    mean = np.mean(units, axis=0) / np.linalg.norm(np.mean(units, axis=0))
    assert [result["word"] for result in body["results"]] == words
    assert [result["score"] for result in body["results"]] == pytest.approx(
        [u @ mean for u in units], abs=1e-6
    )
    queries = [{"words": words}, {"words": ["car", "x", "y"]}, {"words": ["zero", "zero", "zero"]}]
    answers = client.post("/doesnt-match", queries=queries).json()["answers"]
    assert answers[0]["word"] == "King"
    assert answers[1]["problem"]["oov"] == ["x", "y"]
    assert answers[2]["problem"]["status"] == 422


def test_words_are_completed_by_how_frequent_they_are(client, version):
    body = client.get("/words", prefix="B").json()
    assert body == {"model": "sample", "version": version, "results": [{"word": "bus", "count": 10}]}
    assert words_of(client.get("/words", top=3)) == TOKENS[:3]
    assert words_of(client.get("/words", prefix="서")) == ["서울"]
    assert words_of(client.get("/words", prefix="x")) == []
    counts = [result["count"] for result in client.get("/words", top=1000).json()["results"]]
    assert counts == sorted(counts, reverse=True)
    assert len(counts) == len(TOKENS)


def test_words_without_counts_stand_in_their_files_order(root, open_client):
    with Store(root, create=True).draft("imported") as draft:
        write_embedding(draft, tokens=TOKENS, counts=np.zeros(len(TOKENS), np.int64), vectors=VECTORS)
        draft.publish(kind="embedding", tokenizer=Tokenizer("words"), recipe={}, metrics={})
    results = open_client().get("/words", top=len(TOKENS)).json()["results"]
    assert results == [{"word": word, "count": None} for word in TOKENS]


@pytest.mark.parametrize(
    ("path", "body", "locations"),
    [
        ("/similar", {"positive": [{"word": "car", "weight": 0}]}, [["body", "positive", 0, "weight"]]),
        ("/similar", {"positive": [{"word": "car", "weight": "1"}]}, [["body", "positive", 0, "weight"]]),
        ("/similar", {"positive": [{"word": "car", "wait": 1}]}, [["body", "positive", 0]]),
        ("/similar", {"positive": [{"weight": 1}]}, [["body", "positive", 0, "word"]]),
        ("/similar", {"positive": [{"word": "car", "vector": [1]}]}, [["body", "positive", 0]]),
        ("/similar", {"positive": [["car"]]}, [["body", "positive", 0]]),
        ("/similar", {"positive": [{"vector": []}]}, [["body", "positive", 0, "vector"]]),
        ("/similar", {"positive": [{"vector": [1, 2, 3]}]}, [["body", "positive", 0, "vector"]]),
        ("/similar", {"positive": [{"vector": [1, 2, 3, "4"]}]}, [["body", "positive", 0, "vector", 3]]),
        ("/similar", {"positive": [{"vector": [1, 2, 3, True]}]}, [["body", "positive", 0, "vector", 3]]),
        ("/similar", {"positive": [{"vector": [1, 2, 3, 10**400]}]}, [["body", "positive", 0, "vector", 3]]),
        ("/similar", {"positive": ["car"], "method": "cosine"}, [["body", "method"]]),
        ("/similar", {"positive": ["car"], "restrict_vocab": 0}, [["body", "restrict_vocab"]]),
        ("/similar", {"positive": ["car"], "restrict_vocab": 2**31}, [["body", "restrict_vocab"]]),
        ("/similar", {"positive": ["car"], "among": []}, [["body", "among"]]),
        ("/similar", {"positive": ["car"], "among": ["a", 1]}, [["body", "among", 1]]),
        ("/similar", {"positive": ["car"], "min_score": "0"}, [["body", "min_score"]]),
        ("/similar", {"queries": []}, [["body", "queries"]]),
        ("/similar", {"queries": {}}, [["body", "queries"]]),
        ("/similar", {"queries": [3]}, [["body", "queries", 0]]),
        ("/similar", {"queries": [{"positive": ["car"]}], "top": 3}, [["body"]]),
        ("/similar", {"queries": [{"positive": ["car"], "model": "sample"}]}, [["body", "queries", 0]]),
        ("/similar", {"queries": [{}, {"top": 0}]}, [["body", "queries", 1, "top"]]),
        ("/similar", {"queries": [{}, {"top": 1001}]}, [["body", "queries", 1, "top"]]),
        (
            "/similar",
            {"queries": [{}, {"negative": ["car", {"vector": [1]}]}]},
            [["body", "queries", 1, "negative", 1, "vector"]],
        ),
        ("/analogy", {"queries": [{"a": "king"}]}, [["body", "queries", 0, "b"]]),
        ("/doesnt-match", {"words": ["car", "bus"]}, [["body", "words"]]),
        ("/doesnt-match", {}, [["body", "words"]]),
    ],
)
def test_wrong_bodies(client, path, body, locations):
    problem = check_problem(client.request("POST", path, json=body), 422, "invalid-request")
    # FailFast lists stop at the first wrong item; within one item every wrong part is told.
    assert [error["location"] for error in problem["errors"]][: len(locations)] == locations


def test_batches_are_bounded(root, open_client):
    publish(root, "sample")
    client = open_client(max_batch=3, max_words=5, max_top=20)
    ask = lambda *queries: client.post("/similar", queries=list(queries))  # noqa: E731
    assert ask(*[{"positive": ["car"]}] * 3).status_code == 200
    problem = check_problem(ask(*[{"positive": ["car"]}] * 4), 422, "invalid-request")
    assert (problem["limit"], problem["errors"][0]["location"]) == (3, ["body", "queries"])
    problem = check_problem(ask(*[{"positive": ["car", "bus"]}] * 3), 422, "invalid-request")
    assert (problem["limit"], problem["errors"][0]["location"]) == (5, ["body", "queries"])
    entry = {"word": "car"}
    problem = check_problem(
        client.post("/similar", positive=[entry] * 2, among=["bus"] * 2, exclude=["car"] * 2),
        422,
        "invalid-request",
    )
    assert [error["location"][1] for error in problem["errors"]] == ["positive", "among", "exclude"]
    client = open_client(max_top=2)
    check_problem(
        client.post("/similar", queries=[{"positive": ["car"], "top": 2}] * 11), 422, "invalid-request"
    )
    assert client.post("/similar", queries=[{"positive": ["car"], "top": 2}] * 10).status_code == 200
