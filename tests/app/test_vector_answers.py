"""Plain questions for vectors answered before routing must not be told apart from the same answered by the routes."""

import asyncio
import contextlib
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import app.vector_answers
from app.logs import request_id
from app.main import create_app
from app.settings import Settings
from app.vector_answers import VectorAnswers, has_plain_head
from artifact.draft import write_embedding, write_subwords
from artifact.store import Store
from artifact.subwords import Ngrams, Subwords
from artifact.tokenizer import Tokenizer
from tests.app.serving import TOKENS, VECTORS, Client, check_problem, list_headers, open_client_on, publish

MOST_WORDS = 20


def publish_subwords(root, name):
    ngrams = Ngrams(2, 3, 50)
    rows = np.random.default_rng(1).normal(size=(50, VECTORS.shape[1])).astype(np.float32)
    subwords = Subwords(ngrams, bucket_ids=np.arange(50, dtype=np.int32), rows=rows)
    with Store(root, create=True).draft(name) as draft:
        counts = np.arange(len(TOKENS), 0, -1, dtype=np.int64)
        write_embedding(draft, tokens=TOKENS, counts=counts, vectors=VECTORS)
        requires = write_subwords(draft, subwords)
        return draft.publish(
            kind="embedding", tokenizer=Tokenizer("words"), recipe={}, metrics={}, requires=requires
        )


@pytest.fixture(scope="module")
def plain_root(tmp_path_factory):
    return tmp_path_factory.mktemp("plain") / "store"


@pytest.fixture(scope="module")
def version(plain_root):
    publish(plain_root, "story", kind="language-model")
    publish_subwords(plain_root, "parts")
    return publish(plain_root, "plain")


@pytest.fixture(scope="module")
def client(plain_root, version):
    with open_client_on(plain_root, default_model="plain", max_words=MOST_WORDS, max_texts=5) as client:
        yield client


@contextlib.contextmanager
def count_shortcuts():
    """How many requests are answered before routing, meanwhile."""
    counted = []
    answer = VectorAnswers._answer

    def count(*arguments):
        response = answer(*arguments)
        counted.append(response is not None)
        return response

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VectorAnswers, "_answer", count)
        yield counted


def ask(client, path, body, **headers):
    """The answer, which must be the one of the route, and whether it was given before routing."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": "application/json", **headers}
    with count_shortcuts() as counted:
        short = client.request("POST", path, content=content, headers=headers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app.vector_answers, "SHORTCUTS", {})
        full = client.request("POST", path, content=content, headers=headers)
    assert short.status_code == full.status_code
    assert short.content == full.content
    assert list_headers(short) == list_headers(full)
    return short, any(counted)


@pytest.mark.parametrize(
    ("body", "is_plain"),
    [
        ({"words": ["car"]}, True),
        ({"words": ["car", "CAR", "서울", "a/b", "car"]}, True),
        ({"words": ["car"], "model": "plain"}, True),
        ({"words": ["car"], "model": "parts"}, True),
        ({"words": ["car"] * MOST_WORDS}, True),
        ({"words": ["car"] * (MOST_WORDS + 1)}, False),
        ({"words": ["unheard"], "model": "parts"}, False),
        ({"words": ["car"], "model": "story"}, False),
        ({"words": ["car"], "model": "none"}, False),
        ({"words": ["car"], "model": ""}, False),
        ({"words": ["car"], "version": "20260101T000000Z-00000000"}, False),
        ({"words": ["car", "trukc"]}, False),
        ({"words": []}, False),
        ({"words": [""]}, False),
        ({"words": [3]}, False),
        ({"words": "car"}, False),
        ({"words": ["car"], "encoding": "float"}, False),
        ({"words": ["car"], "encoding": "hex"}, False),
        ({"words": ["car"], "top": 3}, False),
        ({}, False),
        ([], False),
        (b"", False),
        (b'{"words": ["car"], "encoding": "base64", "words": ["bus"]}', True),
        (b'{"words": ["\\ud800"], "encoding": "base64"}', False),
        (b'{"words": ["car\\u0000"], "encoding": "base64"}', False),
        (b'{"words": ["car"], "encoding": NaN}', False),
        (b'{"words": ["car"', False),
        (b'{"words": ["\xff"]}', False),
        (b"[" * 1_000, False),
    ],
)
def test_words_by_hand(client, body, is_plain):
    if isinstance(body, dict) and body:
        body = {"encoding": "base64", **body}
    answer, was_plain = ask(client, "/vectors", body)
    assert was_plain == is_plain
    assert answer.status_code == 200 or not is_plain


@pytest.mark.parametrize(
    ("fields", "is_plain"),
    [
        ({"input": "the car"}, True),
        ({"input": ["the car", "서울 King nowhere"]}, True),
        ({"input": ["car"] * 5, "user": "someone", "dimensions": 4}, True),
        ({"input": ["car"] * 6}, False),
        ({"input": ["car"], "dimensions": 3}, False),
        ({"input": ["nowhere to be found"]}, False),
        ({"input": ["..."]}, False),
        ({"input": [""]}, False),
        ({"input": []}, False),
        ({"input": [[1, 2]]}, False),
        ({"input": ["car"], "model": "parts"}, True),
        ({"input": ["an unheard car"], "model": "parts"}, False),
        ({"input": ["car"], "model": "plain@"}, False),
        ({"input": ["car"], "model": "plain@other"}, False),
        ({"input": ["car"], "model": "story"}, False),
        ({"input": ["car"], "model": "text-embedding-3-small"}, False),
        ({"input": ["car"], "model": "../plain"}, False),
        ({"input": ["car"], "encoding_format": "float"}, False),
    ],
)
def test_texts_by_hand(client, fields, is_plain):
    _, was_plain = ask(client, "/v1/embeddings", {"model": "plain", "encoding_format": "base64"} | fields)
    assert was_plain == is_plain


def test_a_version_that_is_served_may_be_named(client, version):
    _, was_plain = ask(client, "/vectors", {"words": ["car"], "encoding": "base64", "version": version})
    assert was_plain
    body = {"model": f"plain@{version}", "input": "car", "encoding_format": "base64"}
    assert ask(client, "/v1/embeddings", body)[1]


@pytest.mark.parametrize(
    ("headers", "is_plain"),
    [
        ({}, True),
        ({"accept": "application/json"}, True),
        ({"accept": "application/x-npy"}, False),
        ({"accept": "text/html"}, False),
        ({"content-encoding": "gzip"}, False),
        ({"content-type": "application/problem+json"}, False),
        ({"content-type": "text/plain"}, False),
    ],
)
def test_heads(client, headers, is_plain):
    assert ask(client, "/vectors", {"words": ["car"], "encoding": "base64"}, **headers)[1] == is_plain


def test_what_is_not_announced_as_json_is_not_plain():
    head = {"query_string": b"", "headers": [(b"host", b"here")]}
    assert not has_plain_head(head)
    head["headers"].append((b"content-type", b"application/json"))
    assert has_plain_head(head)
    assert not has_plain_head({**head, "query_string": b"top=3"})


def test_long_bodies_and_large_answers_are_left_to_the_route(client, monkeypatch):
    body = {"words": ["car", "bus"], "encoding": "base64"}
    assert ask(client, "/vectors", body)[1]
    monkeypatch.setattr(app.vector_answers, "MOST_NUMBERS", 7)
    assert not ask(client, "/vectors", body)[1]
    texts = {"model": "plain", "input": ["car", "bus"], "encoding_format": "base64"}
    assert not ask(client, "/v1/embeddings", texts)[1]
    monkeypatch.undo()
    assert ask(client, "/v1/embeddings", texts)[1]
    monkeypatch.setattr(app.vector_answers, "MOST_BODY_BYTES", 20)
    assert not ask(client, "/vectors", body)[1]


@pytest.fixture
def noted(monkeypatch):
    """The thread of each answer before routing, and the request that its messages would name."""
    found = []
    answer = VectorAnswers._answer

    def note(*arguments):
        found.append((threading.current_thread(), request_id.get()))
        return answer(*arguments)

    monkeypatch.setattr(VectorAnswers, "_answer", note)
    return found


def test_the_event_loop_does_not_answer(client, noted):
    for _ in range(3):
        ask(client, "/vectors", {"words": ["car"], "encoding": "base64"})
    [thread] = {thread for thread, _ in noted}
    assert thread.name.startswith("vector-answers")


words = st.sampled_from([*TOKENS, "Car", "KING"]) | st.text(max_size=5)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chosen=st.lists(words, max_size=6),
    fields=st.dictionaries(
        st.sampled_from(["model", "version", "encoding", "dimensions", "x"]),
        st.sampled_from(["plain", "parts", "story", "float", 4, None]),
        max_size=2,
    ),
)
def test_at_random(client, chosen, fields):
    ask(client, "/vectors", {"words": chosen, "encoding": "base64"} | fields)
    ask(
        client,
        "/v1/embeddings",
        {"model": "plain", "input": chosen, "encoding_format": "base64"} | fields,
    )


@pytest.mark.parametrize("form", [{}, {"encoding": "float"}, {"encoding": "ba\\u0073e64"}])
def test_what_asks_for_another_form_is_parsed_once(client, form):
    content = json.dumps({"words": ["car"]} | form).replace("\\\\", "\\").encode()
    with count_shortcuts() as counted:
        answer = client.request(
            "POST", "/vectors", content=content, headers={"content-type": "application/json"}
        )
    assert answer.status_code == 200
    assert counted == []


@contextlib.contextmanager
def hold_up(client, monkeypatch, *, questions):
    """Meanwhile ``questions`` plain questions are under way and are not answered; their answers, once it ends."""
    release = threading.Event()
    answer = VectorAnswers._answer

    def answer_late(*arguments):
        if not release.wait(20):
            release.set()
            raise AssertionError("something waits for what is held up")
        return answer(*arguments)

    monkeypatch.setattr(VectorAnswers, "_answer", answer_late)
    thread = client.app.state.vector_thread
    answers = []
    with ThreadPoolExecutor(questions) as pool:
        asked = [
            pool.submit(client.post, "/vectors", words=["car"], encoding="base64") for _ in range(questions)
        ]
        try:
            while len(thread._under_way) < questions:
                time.sleep(0.001)
            yield answers
        finally:
            release.set()
        answers += [future.result() for future in asked]


def test_what_would_have_to_wait_goes_to_the_route(client, monkeypatch):
    expected = client.post("/vectors", words=["car"], encoding="base64")
    with hold_up(client, monkeypatch, questions=app.vector_answers.MOST_UNDER_WAY) as answers:
        for _ in range(3):
            assert client.post("/vectors", words=["car"], encoding="base64").content == expected.content
        texts = {"model": "plain", "input": ["car"], "encoding_format": "base64"}
        assert client.post("/v1/embeddings", **texts).status_code == 200
    assert [answer.content for answer in answers] == [expected.content] * app.vector_answers.MOST_UNDER_WAY
    assert client.app.state.vector_thread.has_room


def test_a_failure_is_counted_under_the_route(client, monkeypatch):
    def fail(*_):
        raise RuntimeError("nobody expected this")

    monkeypatch.setattr(VectorAnswers, "_answer", fail)
    check_problem(client.post("/vectors", words=["car"], encoding="base64"), 500, "internal-error")
    counted = [line for line in client.get("/metrics").text.splitlines() if 'status="500"' in line]
    assert counted
    assert all('route="/vectors"' in line for line in counted)


def test_a_cancelled_question_has_its_route(client, monkeypatch):
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/vectors",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "app": client.app,
    }

    async def receive():
        return {"type": "http.request", "body": b'{"words": ["car"], "encoding": "base64"}'}

    async def ask_and_go():
        asking = asyncio.create_task(VectorAnswers(None, settings=Settings(store="x"))(scope, receive, None))
        await asyncio.sleep(0)
        assert len(client.app.state.vector_thread._under_way) == 2
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    with hold_up(client, monkeypatch, questions=1):
        asyncio.run(ask_and_go())
        assert scope["route"].path == "/vectors"
        # It had not begun: its place is free again.
        assert len(client.app.state.vector_thread._under_way) == 1


def test_messages_carry_the_id_of_their_request(client, noted):
    for number in range(3):
        body = {"words": ["car"], "encoding": "base64"}
        client.request("POST", "/vectors", json=body, headers={"x-request-id": f"job-{number}"})
    assert [known for _, known in noted] == ["job-0", "job-1", "job-2"]


def test_the_thread_ends_with_the_application(plain_root, version):
    with open_client_on(plain_root, default_model="plain") as client:
        client.post("/vectors", words=["car"], encoding="base64")
        [thread] = client.app.state.vector_thread._executor._threads
        assert thread.is_alive()
    assert not thread.is_alive()


def test_a_request_is_counted_under_its_route(client):
    ask(client, "/vectors", {"words": ["car"], "encoding": "base64"})
    ask(client, "/v1/embeddings", {"model": "plain", "input": "car", "encoding_format": "base64"})
    metrics = client.get("/metrics").text
    assert 'route="/vectors"' in metrics
    assert 'route="/v1/embeddings"' in metrics
    assert 'route="none"' not in metrics


def test_keys_are_asked_for_first(plain_root, version, monkeypatch):
    monkeypatch.setenv("WORDKIN_CACHE", str(plain_root.parent / "cache"))
    keys = "reader:read:" + "0" * 64
    with Client(create_app(Settings(store=str(plain_root), default_model="plain", keys=keys))) as client:
        check_problem(client.post("/vectors", words=["car"], encoding="base64"), 401, "unauthorized")
