import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from language_serving.models import publish_model

from app.main import create_app
from app.settings import Settings
from artifact.store import Store
from tests.app.serving import Client, check_problem, damage, publish

TEXT = "the company said it"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("language") / "store"
    publish(root, "vectors")
    publish_model(root, "news", seed=2)
    publish_model(root, "news")
    return root


@pytest.fixture(scope="module")
def client(root):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORDKIN_CACHE", str(root.parent / "cache"))
        with Client(create_app(Settings(store=str(root), max_text_characters=9_000))) as client:
            yield client


@pytest.fixture(scope="module")
def model(root):
    return Store(root).open("news").language_model()


def check_same(found, expected):
    """Equal but for the rounding of numbers: how a text is divided, and what is computed with it, decides the order of sums."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            check_same(found[key], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            check_same(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-5)
    else:
        assert found == expected


def test_the_next_words_are_those_of_the_model(client, model):
    answer = client.get("/next", text=TEXT, top=4)
    assert answer.status_code == 200
    body = answer.json()
    words, remaining = model.next_words(model.advance(model.start(), model.encode(TEXT)[0]), top=4)
    assert (body["model"], body["version"]) == ("news", model.version)
    assert [result["word"] for result in body["results"]] == [word for word, _ in words]
    np.testing.assert_allclose(
        [result["probability"] for result in body["results"]],
        [probability for _, probability in words],
        rtol=1e-4,
    )
    assert body["remaining"] == pytest.approx(remaining, abs=1e-5)
    assert (body["unknown"], body["mixture"]) == ([], True)
    check_same(client.post("/next", text=TEXT, top=4).json(), body)


def test_the_network_can_be_asked_alone(client, model):
    body = client.get("/next", text=TEXT, mixture="false").json()
    alone = model.next_words(model.advance(model.start(), model.encode(TEXT)[0]), top=10, mixture=False)[0]
    assert [result["word"] for result in body["results"]] == [word for word, _ in alone]
    assert body["mixture"] is False
    assert body["results"] != client.get("/next", text=TEXT).json()["results"]


def test_a_word_begun_is_completed(client):
    body = client.get("/next", text=TEXT, prefix="S").json()
    assert {result["word"] for result in body["results"]} == {"said", "shares", "sell", "stock", "saying"}
    assert client.get("/next", text=TEXT, prefix="qq").json()["results"] == []


def test_the_same_text_told_in_two_ways_gives_the_same_answer(client):
    long = " ".join([TEXT] * 200)
    whole = client.post("/next", text=long).json()
    client.post("/next", text=" ".join([TEXT] * 199))
    again = client.post("/next", text=long).json()
    check_same(again, whole)
    for text in (TEXT, f"{TEXT} would", f"{TEXT} would buy"):
        body = client.get("/next", text=text).json()
        assert sum(result["probability"] for result in body["results"]) + body["remaining"] == pytest.approx(
            1
        )


def test_an_empty_text_is_the_beginning_of_a_line(client, model):
    body = client.get("/next", text="").json()
    assert [result["word"] for result in body["results"]] == [
        word for word, _ in model.next_words(model.start(), top=10)[0]
    ]
    assert client.get("/next", text="  \n ").json()["results"] == body["results"]
    check_problem(client.get("/next"), 422, "invalid-request")


def test_unknown_words_are_listed_not_refused(client):
    body = client.get("/next", text="the zebra and the gnu").json()
    assert body["unknown"] == ["zebra", "and", "gnu"]
    body = client.post("/score", text="zebra gnu").json()
    assert body["unknown"] == ["zebra", "gnu"]
    assert all(token["log_probability"] < 0 for token in body["tokens"])
    assert client.post("/generate", text="zebra", max_tokens=2).json()["unknown"] == ["zebra"]


@pytest.mark.parametrize("mixture", [True, False])
def test_a_score_is_that_of_the_model(client, model, mixture):
    text = f"{TEXT}\nthe market would sell\n" * 30
    body = client.post("/score", text=text, mixture=mixture).json()
    expected = model.score(text, mixture=mixture)
    assert [token["token"] for token in body["tokens"]] == [token.token for token in expected.tokens]
    np.testing.assert_allclose(
        [token["log_probability"] for token in body["tokens"]],
        [token.log_probability for token in expected.tokens],
        rtol=1e-4,
    )
    assert body["perplexity"] == pytest.approx(expected.perplexity, rel=1e-4)
    check_problem(client.post("/score", text=" \n"), 422, "empty-query")
    check_problem(client.post("/score", text="…"), 422, "empty-query")


def test_generation_is_reproducible_by_its_seed(client):
    first = client.post("/generate", text=TEXT, max_tokens=30).json()
    assert first["tokens"] == 30
    assert first["finish_reason"] == "length"
    again = client.post("/generate", text=TEXT, max_tokens=30, seed=first["seed"]).json()
    assert again == first
    assert client.post("/generate", text=TEXT, max_tokens=30).json()["text"] != first["text"]
    greedy = [client.post("/generate", text=TEXT, temperature=0, seed=seed).json()["text"] for seed in (1, 2)]
    assert greedy[0] == greedy[1]
    one = client.post("/generate", text=TEXT, top_k=1).json()["text"]
    assert one == greedy[0] == client.post("/generate", text=TEXT, top_p=1e-6).json()["text"]


def test_generation_ends_at_a_stop(client):
    whole = client.post("/generate", text="", max_tokens=40, seed=3).json()["text"]
    words = whole.split()
    stop = f"{words[4]} {words[5]}"
    cut = client.post("/generate", text="", max_tokens=40, seed=3, stop=[stop]).json()
    assert cut["finish_reason"] == "stop"
    assert whole.startswith(cut["text"])
    assert stop not in cut["text"]
    check_problem(client.post("/generate", text="", stop=["!"]), 422, "invalid-request")


def read_events(answer):
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    events = []
    for block in answer.text.strip().split("\n\n"):
        event, data = block.split("\n")
        events.append((event.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return events


@pytest.mark.parametrize("options", [{}, {"stop": ["\n"]}, {"mixture": False}])
def test_a_stream_shows_the_same_text_word_by_word(client, options):
    whole = client.post("/generate", text=TEXT, max_tokens=25, seed=5, **options).json()
    events = read_events(client.post("/generate", text=TEXT, max_tokens=25, seed=5, stream=True, **options))
    *pieces, (last, answer) = events
    assert {name for name, _ in pieces} == {"piece"}
    assert len(pieces) > 1
    assert "".join(data["text"] for _, data in pieces) == whole["text"]
    assert (last, answer) == ("end", whole)


def test_a_stream_that_cannot_begin_is_a_problem(client):
    answer = client.post("/generate", text=TEXT, stop=["!"], stream=True)
    check_problem(answer, 422, "invalid-request")
    check_problem(client.post("/generate", text=TEXT, model="vectors", stream=True), 409, "wrong-kind")


def test_a_stream_that_fails_says_so(client, model, monkeypatch):
    from artifact.errors import Corrupt
    from artifact.language import LanguageModel

    predict, calls = LanguageModel.predict, []

    def fail(*arguments, **options):
        calls.append(1)
        if len(calls) > 3:
            raise Corrupt("the disk went away")
        return predict(*arguments, **options)

    monkeypatch.setattr(LanguageModel, "predict", fail)
    events = read_events(client.post("/generate", text="it", stream=True))
    assert [name for name, _ in events] == ["piece", "piece", "piece", "error"]
    assert events[-1][1]["type"] == "urn:wordkin:problem:model-unavailable"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/next", {"text": "it", "top": 0}),
        ("/next", {"text": "it", "top": 1001}),
        ("/next", {"text": "it", "prefix": "a" * 1001}),
        ("/next", {"text": 5}),
        ("/next", {}),
        ("/score", {"text": "it", "top": 5}),
        ("/generate", {"text": "it", "temperature": -0.1}),
        ("/generate", {"text": "it", "temperature": 101}),
        ("/generate", {"text": "it", "top_k": 0}),
        ("/generate", {"text": "it", "top_p": 0}),
        ("/generate", {"text": "it", "top_p": 1.5}),
        ("/generate", {"text": "it", "max_tokens": 0}),
        ("/generate", {"text": "it", "max_tokens": 1001}),
        ("/generate", {"text": "it", "seed": -1}),
        ("/generate", {"text": "it", "stop": [""]}),
        ("/generate", {"text": "it", "stop": ["a"] * 17}),
        ("/generate", {"text": "it", "stop": "a"}),
    ],
)
def test_mistakes_are_refused_by_name(client, path, body):
    problem = check_problem(client.post(path, **body), 422, "invalid-request")
    wrong = next(iter(set(body) - {"text"}), "text")
    assert problem["errors"][0]["location"][:2] in (["body", wrong], ["body"])


@pytest.mark.parametrize("path", ["/next", "/score", "/generate"])
def test_long_texts_are_refused_with_the_limit(client, path):
    assert check_problem(client.post(path, text="it " * 3001), 422, "invalid-request")["limit"] == 9000
    assert check_problem(client.post(path, text="it " * 3_500_000), 413, "body-too-large")["limit"] == 1 << 20
    if path != "/generate":
        assert client.post(path, text="it " * 3000).status_code == 200


def test_models_and_versions_are_chosen_as_everywhere(client, root, model):
    problem = check_problem(client.get("/next", text="it", model="vectors"), 409, "wrong-kind")
    assert problem["choices"] == ["news"]
    check_problem(client.get("/next", text="it", model="nobody"), 404, "unknown-model")
    older = Store(root).versions("news")[0]
    body = client.get("/next", text="it", version=older, model="news").json()
    assert body["version"] == older != model.version
    assert body["results"] != client.get("/next", text="it").json()["results"]
    check_problem(client.get("/next", text="it", model="news", version="19990101"), 404, "unknown-model")


def test_without_a_language_model_the_question_is_a_conflict(tmp_path):
    publish(tmp_path, "vectors")
    with Client(create_app(Settings(store=str(tmp_path)))) as client:
        for answer in [client.get("/next", text="it"), client.post("/score", text="it")]:
            problem = check_problem(answer, 409, "model-choice")
            assert problem["choices"] == []
            assert problem["detail"] == "no model here is a language model; loaded: vectors (word vectors)"


def test_of_many_models_the_first_few_are_named(tmp_path):
    for number in range(7):
        publish(tmp_path, f"vectors-{number}")
    with Client(create_app(Settings(store=str(tmp_path)))) as client:
        detail = check_problem(client.get("/next", text="it"), 409, "model-choice")["detail"]
    assert detail.endswith("vectors-3 (word vectors), vectors-4 (word vectors), 2 more")
    assert "vectors-5" not in detail


def test_a_broken_language_model_is_a_fault(tmp_path):
    publish(tmp_path, "vectors")
    damage(tmp_path, "news", publish_model(tmp_path, "news"))
    with Client(create_app(Settings(store=str(tmp_path)))) as client:
        assert client.get("/health/ready").json()["status"] == "degraded"
        check_problem(client.get("/next", text="it", model="news"), 503, "model-unavailable")


def test_a_model_without_a_mixture_says_so(tmp_path):
    publish_model(tmp_path, "news", mixture=None)
    with Client(create_app(Settings(store=str(tmp_path)))) as client:
        assert client.get("/next", text="it").json()["mixture"] is False
        assert client.post("/score", text="it").json()["mixture"] is False


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60), prefix=st.text(max_size=3), mixture=st.booleans())
def test_any_text_has_a_next_word(client, text, prefix, mixture):
    body = client.post("/next", text=text, prefix=prefix, mixture=mixture, top=1000).json()
    listed = sum(result["probability"] for result in body["results"])
    assert 0 <= listed <= 1 + 1e-5
    assert listed + body["remaining"] == pytest.approx(1, abs=1e-5)
    assert not {"<unk>", "<eos>"} & {result["word"] for result in body["results"]}


SEVERAL = {
    "/next": [{"text": TEXT, "top": 3}, {"text": "the company", "mixture": False}, {"text": ""}],
    "/score": [{"text": TEXT}, {"text": "it said\n", "mixture": False}],
    "/generate": [{"text": TEXT, "max_tokens": 4, "seed": 1}, {"text": "it", "seed": 2, "temperature": 0}],
}


@pytest.mark.parametrize(("path", "queries"), SEVERAL.items(), ids=SEVERAL)
def test_several_questions_are_answered_as_each_alone(client, model, path, queries):
    body = client.post(path, queries=queries).json()
    assert (body["model"], body["version"]) == ("news", model.version)
    alone = [client.post(path, **query).json() for query in queries]
    check_same([{"model": "news", "version": model.version, **answer} for answer in body["answers"]], alone)


def test_a_question_without_an_answer_leaves_the_others_theirs(client):
    good, bad = client.post("/score", queries=[{"text": TEXT}, {"text": ""}]).json()["answers"]
    assert "perplexity" in good
    assert bad == {"problem": client.post("/score", text="").json()}
    assert bad["problem"]["status"] == 422


@pytest.mark.parametrize(
    ("path", "query", "location"),
    [
        ("/next", {"text": "a", "top": 1001}, ["body", "queries", 1, "top"]),
        ("/next", {"text": "a" * 9_001}, ["body", "queries", 1, "text"]),
        ("/score", {"text": "a" * 9_001}, ["body", "queries", 1, "text"]),
        ("/generate", {"text": "a", "stream": True}, ["body", "queries", 1]),
        ("/generate", {"text": "a", "max_tokens": 1001}, ["body", "queries"]),
        ("/generate", {"text": "a", "max_tokens": 0}, ["body", "queries", 1, "max_tokens"]),
    ],
)
def test_wrong_questions_among_several(client, path, query, location):
    answer = client.post(path, queries=[{"text": "a"}, query])
    assert check_problem(answer, 422, "invalid-request")["errors"][0]["location"] == location


def test_many_questions_in_one_body_do_not_fill_the_queue(root):
    with Client(create_app(Settings(store=str(root)))) as client:
        client.app.state.batcher.most_waiting = 40
        answer = client.post("/next", queries=[{"text": "the", "top": 1}] * 200)
        assert len(answer.json()["answers"]) == 200
        client.app.state.batcher.most_waiting = 0
        check_problem(client.post("/next", queries=[{"text": "the"}] * 3), 503, "overloaded")
