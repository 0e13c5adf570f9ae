"""Words that the vocabulary does not have, asked of models with and without subwords."""

import re

import numpy as np
import pytest

from artifact.draft import write_embedding, write_subwords
from artifact.store import Store
from artifact.subwords import Ngrams, Subwords
from artifact.tokenizer import Tokenizer
from tests.app.serving import check_problem, publish

TOKENS = ["walking", "walked", "talking", "talked", "car"]


@pytest.fixture
def model(root):
    """Words that are the sum of their n-grams' random vectors, and what composes others."""
    ngrams = Ngrams(3, 4, 10_000)
    bucket_ids = np.unique(ngrams.hash_words(TOKENS)[1])
    rows = np.random.default_rng(0).normal(size=(len(bucket_ids), 5)).astype(np.float32)
    subwords = Subwords(ngrams, bucket_ids=bucket_ids, rows=rows)
    vectors = np.array(subwords.compose(TOKENS))
    with Store(root, create=True).draft("grams") as draft:
        write_embedding(draft, tokens=TOKENS, counts=np.arange(5, 0, -1), vectors=vectors)
        requires = write_subwords(draft, subwords)
        draft.publish(
            kind="embedding", tokenizer=Tokenizer("words"), recipe={}, metrics={}, requires=requires
        )
    return Store(root).open("grams").embedding()


QUESTIONS = {
    "get similar": ("GET", "/similar", {"word": "{}"}),
    "post similar": ("POST", "/similar", {"positive": ["{}", "car"]}),
    "post similar, less": ("POST", "/similar", {"positive": ["car"], "negative": ["{}"]}),
    "analogy": ("POST", "/analogy", {"a": "walked", "b": "walking", "c": "{}"}),
    "get similarity": ("GET", "/similarity", {"a": "car", "b": "{}"}),
    "post similarity": ("POST", "/similarity", {"a": ["car"], "b": ["walked", "{}"]}),
    "get vector": ("GET", "/vectors/{}", {}),
    "post vectors": ("POST", "/vectors", {"words": ["car", "{}"]}),
}


def fill(value, word):
    if isinstance(value, list):
        return [fill(each, word) for each in value]
    return value.format(word)


def ask(client, question, word):
    method, path, fields = question
    fields = {key: fill(value, word) for key, value in fields.items()}
    options = {"params": fields} if method == "GET" else {"json": fields}
    return client.request(method, path.format(word), **options)


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_composed_words_are_answered_and_marked(model, open_client, question):
    client = open_client()
    known, composed = (ask(client, question, word) for word in ("talking", "Stalking"))
    assert known.status_code == composed.status_code == 200
    assert "oov" not in known.text
    body = composed.json()
    if "vectors" in question[1]:
        assert [result.get("oov") for result in body["results"]] == [None] * (len(body["results"]) - 1) + [
            True
        ]
        assert list(body["results"][-1]) == ["word", "vector", "oov"]
        assert "oov" not in body
    else:
        assert body["oov"] is True
        assert set(body) - {"oov"} == set(known.json())


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_words_without_known_ngrams_are_unknown(model, open_client, question):
    problem = check_problem(ask(open_client(), question, "zzzzz"), 404, "unknown-word")
    assert problem["oov"] == ["zzzzz"]


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_plain_models_compose_nothing(root, open_client, question):
    publish(root, "plain", tokens=TOKENS, vectors=np.eye(5, dtype=np.float32))
    problem = check_problem(ask(open_client(), question, "stalking"), 404, "unknown-word")
    assert problem["oov"] == ["stalking"]


def test_answers_are_those_of_the_model(model, open_client):
    client = open_client()
    results = client.get("/similar", word="stalking", top=2).json()["results"]
    assert [each["word"] for each in results] == [each.word for each in model.similar(["stalking"], top=2)]
    assert results[0]["word"] == "talking"
    [result] = client.get("/vectors/stalking").json()["results"]
    np.testing.assert_array_equal(np.float32(result["vector"]), model.vectors(["stalking"])[0])


def test_the_field_is_described(open_client, model):
    schemas = open_client().get("/openapi.json").json()["components"]["schemas"]
    for name in ("Neighbours", "Similarity", "SimilarityMatrix", "WordVector"):
        field = schemas[name]["properties"]["oov"]
        assert field["type"] == "boolean"
        assert "n-grams" in field["description"]
        assert field["examples"] == [True]
        assert "oov" not in schemas[name]["required"]


def count_answered(client, how):
    found = re.findall(
        rf'^wordkin_unknown_words_answered_total{{how="{how}"}} (\S+)$',
        client.get("/metrics").text,
        re.MULTILINE,
    )
    return sum(map(float, found))


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_composed_words_are_counted_once(model, open_client, question):
    client = open_client()
    assert ask(client, question, "talking").status_code == 200
    assert count_answered(client, "subwords") == 0
    assert ask(client, question, "Stalking").status_code == 200
    assert count_answered(client, "subwords") == 1
    assert count_answered(client, "case") == 0


def test_composed_words_of_texts_are_counted(model, open_client):
    client = open_client()
    texts = ["stalking car stalking", "stalking", "car balking"]
    assert client.post("/v1/embeddings", model="grams", input=texts).status_code == 200
    assert count_answered(client, "subwords") == 2
    assert client.post("/similarity", mode="texts", a=texts, b=texts).status_code == 200
    assert count_answered(client, "subwords") == 4


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/embeddings", {"model": "grams", "input": ["stalking car", "zzzzz"]}),
        ("/v1/embeddings", {"model": "grams", "input": ["stalking car", "…"]}),
        ("/similar", {"positive": ["stalking"], "negative": ["stalking"]}),
        ("/similar", {"positive": ["stalking", "zzzzz"]}),
        ("/similarity", {"mode": "sets", "a": [["stalking"]], "b": [["zzzzz"]]}),
        ("/doesnt-match", {"words": ["stalking", "car", "zzzzz"]}),
        ("/vectors", {"words": ["stalking", "zzzzz"]}),
    ],
)
def test_words_of_a_refused_question_are_not_counted_as_answered(model, open_client, path, body):
    client = open_client()
    assert client.post(path, **body).status_code in {400, 404, 422}
    assert count_answered(client, "subwords") == 0


def test_a_word_counts_once_in_a_question(root, model, open_client):
    tokens = ["car", "walked", "talking"]
    publish(root, "cased", tokens=tokens, vectors=np.eye(3, dtype=np.float32), tokenizer="whitespace")
    client = open_client()
    for name, how, word in (("grams", "subwords", "stalking"), ("cased", "case", "Talking")):
        for path, body in (
            ("/vectors", {"words": [word, "car", word]}),
            ("/doesnt-match", {"words": [word, "car", word]}),
            ("/similarity", {"a": [word], "b": ["car", word]}),
            ("/similarity", {"mode": "sets", "a": [[word, word]], "b": [["car"]]}),
            ("/similar", {"positive": [word, word], "exclude": [word]}),
        ):
            before = count_answered(client, how)
            assert client.post(path, model=name, **body).status_code == 200
            assert count_answered(client, how) == before + 1
        before = count_answered(client, how)
        queries = [{"positive": [word]}, {"positive": [word]}, {"positive": [word, "qqqqq"]}]
        assert client.post("/similar", model=name, queries=queries).status_code == 200
        assert count_answered(client, how) == before + 2


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_words_in_another_case_are_counted_once(root, open_client, question):
    publish(
        root,
        "cased",
        tokens=["car", "walked", "walking", "talking"],
        vectors=np.eye(4, dtype=np.float32),
        tokenizer="whitespace",
    )
    client = open_client()
    assert ask(client, question, "Talking").status_code == 200
    assert count_answered(client, "case") == 1
    assert count_answered(client, "subwords") == 0


def count_refused(client):
    return float(
        re.search(r"^wordkin_unknown_words_total (\S+)$", client.get("/metrics").text, re.MULTILINE)[1]
    )


def test_words_left_out_of_texts_are_counted(model, root, open_client):
    publish(root, "plain", tokens=TOKENS, vectors=np.eye(5, dtype=np.float32))
    client = open_client()
    texts = ["zzzzz car zzzzz", "stalking walked", "qqqqq zzzzz car"]
    for encoding in ("base64", "float"):
        before = count_answered(client, "left-out")
        body = {"model": "plain", "input": texts, "encoding_format": encoding}
        assert client.post("/v1/embeddings", **body).status_code == 200
        assert count_answered(client, "left-out") == before + 3
    assert client.post("/similarity", model="plain", mode="texts", a=texts, b=["car"]).status_code == 200
    assert count_answered(client, "left-out") == 9
    assert count_answered(client, "subwords") == 0
    # What subwords compose is not left out.
    assert client.post("/v1/embeddings", model="grams", input=texts).status_code == 200
    assert (count_answered(client, "left-out"), count_answered(client, "subwords")) == (11, 1)
    assert client.post("/v1/embeddings", model="plain", input=["car qqqqq", "zzzzz"]).status_code == 400
    assert count_answered(client, "left-out") == 11
    assert count_refused(client) == 1


@pytest.mark.parametrize(("unknown", "how"), [(True, "unk"), (False, "left-out")])
def test_unknown_words_of_language_models_are_counted(root, open_client, unknown, how):
    publish(root, "story", kind="language-model", unknown=unknown)
    client = open_client()
    text = "the zebra said zebra gnu"
    for number, ask_it in enumerate(
        (
            lambda: client.get("/next", text=text),
            lambda: client.get("/next", text=text, prefix="s"),
            lambda: client.post("/score", text=text),
            lambda: client.post("/generate", text=text, max_tokens=2),
            lambda: client.post("/generate", text=text, max_tokens=2, stream=True),
            lambda: client.post("/next", queries=[{"text": text}, {"text": "the"}]),
        ),
        start=1,
    ):
        assert ask_it().status_code == 200
        assert count_answered(client, how) == 2 * number
    assert count_answered(client, "unk") + count_answered(client, "left-out") == 2 * number


def test_unknown_words_of_queries_are_counted(root, open_client):
    publish(root, "plain", tokens=TOKENS, vectors=np.eye(5, dtype=np.float32))
    client = open_client()
    bad, good = {"positive": ["zzzzz", "car", "zzzzz", "qqqqq"]}, {"positive": ["car"]}
    assert client.post("/similar", **bad).status_code == 404
    assert count_refused(client) == 2
    assert client.post("/similar", queries=[bad, good, bad]).status_code == 200
    assert count_refused(client) == 6
    texts = {"mode": "texts", "a": ["zzzzz"], "b": ["car"]}
    assert client.post("/similarity", queries=[texts]).status_code == 200
    assert client.post("/doesnt-match", queries=[{"words": ["zzzzz", "car", "walked"]}]).status_code == 200
    assert count_refused(client) == 8
