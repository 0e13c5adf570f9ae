"""Reload, pin and unpin over HTTP, and swaps under requests to a server in a process of its own."""

import math
import signal
import threading
import time
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest

from app.keys import draw_key
from artifact.store import Store
from tests.app.serving import TOKENS, VECTORS, Server, check_problem, damage, publish, publish_table
from tests.language_serving.models import WORDS, make_tokens

ADMIN, ADMIN_KEY = draw_key("operator", "admin")
READER, READER_KEY = draw_key("reader", "read")
KEYS = f"{ADMIN_KEY.format()},{READER_KEY.format()}"


def publish_times(root, factor):
    return publish(root, "sample", vectors=VECTORS * np.float32(factor), license=str(factor))


@pytest.fixture
def send(root, open_client):
    """A function that sends a request with the admin key, or another."""
    publish_times(root, 1)
    client = open_client(keys=KEYS, poll_seconds=0)

    def send_it(method, url, body=None, *, key=ADMIN):
        return client.request(method, url, json=body, headers={"x-api-key": key} if key else {})

    return send_it


def test_reload_swaps_in_the_newest_version(root, send):
    before = Store(root).latest("sample")
    after = publish_times(root, 2)
    assert send("GET", "/similar?word=car").json()["version"] == before
    answer = send("POST", "/models/sample/reload")
    assert answer.status_code == 200
    seconds = answer.json().pop("seconds")
    assert seconds >= 0
    assert answer.json() == {
        "model": "sample",
        "result": "swapped",
        "before": before,
        "version": after,
        "pinned": None,
        "seconds": seconds,
        "faults": [],
    }
    assert send("GET", "/similar?word=car").json()["version"] == after
    assert send("POST", "/models/sample/reload").json()["result"] == "unchanged"

    broken = publish_times(root, 3)
    damage(root, "sample", broken)
    answer = send("POST", "/models/sample/reload").json()
    assert (answer["result"], answer["version"]) == ("failed", after)
    assert [fault["version"] for fault in answer["faults"]] == [broken]
    assert send("GET", "/health/ready").json()["status"] == "degraded"
    assert send("GET", "/models").json()["faults"] == answer["faults"]


def test_pin_and_unpin(root, send):
    first, second = Store(root).latest("sample"), publish_times(root, 2)
    send("POST", "/models/sample/reload")
    answer = send("POST", "/models/sample/pin", {"version": first})
    assert answer.status_code == 200
    assert (answer.json()["version"], answer.json()["pinned"]) == (first, first)
    assert send("GET", "/vectors/car").json()["version"] == first
    assert send("GET", "/models/sample").json()["pinned"] == first
    publish_times(root, 3)
    assert send("POST", "/models/sample/reload").json()["result"] == "unchanged"
    assert (root / "sample" / "pinned").read_text() == f"{first}\n"

    damage(root, "sample", second)
    check_problem(send("POST", "/models/sample/pin", {"version": second}), 503, "model-unavailable")
    check_problem(send("POST", "/models/sample/pin", {"version": "nothing"}), 404, "unknown-model")
    check_problem(send("POST", "/models/sample/pin", {"version": "../x"}), 422, "invalid-request")
    check_problem(send("POST", "/models/sample/pin", {}), 422, "invalid-request")
    assert send("GET", "/models/sample").json()["pinned"] == first

    answer = send("DELETE", "/models/sample/pin")
    assert answer.status_code == 200
    assert answer.json()["pinned"] is None
    assert answer.json()["version"] == Store(root).latest("sample")
    assert send("GET", "/models").json()["models"][0]["pinned"] is None


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/models/{}/reload", None),
        ("POST", "/models/{}/pin", {"version": "20260102T030405Z-0a1b2c3d"}),
        ("DELETE", "/models/{}/pin", None),
    ],
)
def test_who_may(root, send, open_client, method, path, body):
    url = path.format("sample")
    check_problem(send(method, url, body, key=None), 401, "unauthorized")
    check_problem(send(method, url, body, key="wk_wrong"), 401, "unauthorized")
    check_problem(send(method, url, body, key=READER), 403, "forbidden")
    check_problem(send(method, path.format("nothing"), body), 404, "unknown-model")
    check_problem(send(method, path.format(".x"), body), 422, "invalid-request")
    without_keys = open_client()
    problem = check_problem(without_keys.request(method, url, json=body), 403, "forbidden")
    assert "--keys-file" in problem["detail"]


def test_a_store_that_cannot_be_written_cannot_pin(root, send, monkeypatch):
    version = Store(root).latest("sample")

    def fail(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("artifact.store.replace_file", fail)
    problem = check_problem(
        send("POST", "/models/sample/pin", {"version": version}), 503, "model-unavailable"
    )
    assert "Permission denied" in problem["detail"]


def publish_marked(root, factor):
    """A version of each kind; what each kind of answer says of each, by version."""
    vectors = VECTORS * np.float32(factor)
    vectors[TOKENS.index("zero")] = [factor, 1, 0, 0]
    directions = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    # The nearest word to "zero", which turns with the factor.
    score = (directions[:-1] @ directions[-1]).max()
    embedding = publish_table(root, "sample", vectors=vectors)
    word = WORDS[factor % len(WORDS)]

    def prefer(weights):
        weights["output_bias"][make_tokens().index(word)] = 100

    language = publish(root, "story", kind="language-model", mixture=None, tamper=prefer)
    return {
        embedding: {"/vectors": factor, "/v1/embeddings": factor, "/similar": score},
        language: {"/next": word},
    }


def tell_mark(path, answer):
    """What an answer says of the data that it was made of."""
    if path == "/v1/embeddings":
        first, second, *_ = np.frombuffer(b64decode(answer["data"][0]["embedding"]), "<f4")
        return first / second
    result = answer["results"][0]
    match path:
        case "/vectors" if isinstance(result["vector"], str):
            return np.frombuffer(b64decode(result["vector"]), "<f4")[0]
        case "/vectors":
            return result["vector"][0]
        case "/similar":
            return result["score"]
        case _:
            return result["word"]


def is_alike(mark, expected):
    return mark == expected if isinstance(mark, str) else math.isclose(mark, expected, rel_tol=1e-5)


def test_swaps_under_requests_fail_none_and_mix_none(root):
    marks = publish_marked(root, 1)
    questions = [
        ("GET", "/similar", {"params": {"word": "zero", "top": 1}}),
        ("GET", "/next", {"params": {"text": "the company", "top": 1}}),
        ("POST", "/vectors", {"json": {"words": ["zero", "king"]}}),
        ("POST", "/vectors", {"json": {"words": ["zero", "king"], "encoding": "base64"}}),
        (
            "POST",
            "/v1/embeddings",
            {"json": {"model": "sample", "input": "zero", "encoding_format": "base64"}},
        ),
    ]
    with Server("--store", root, "--poll-seconds", "0", "--keys", KEYS) as server:
        server.wait()
        base = f"http://127.0.0.1:{server.port}"
        stop = threading.Event()

        def ask(number):
            seen = []
            with httpx.Client(base_url=base, headers={"x-api-key": READER}, timeout=30) as client:
                while not stop.is_set():
                    for method, path, options in questions:
                        answer = client.request(method, path, **options)
                        assert answer.status_code == 200, answer.text
                        told = answer.json()
                        seen.append((path, told["version"], tell_mark(path, told)))
            return seen

        with ThreadPoolExecutor(3) as pool:
            asked = [pool.submit(ask, number) for number in range(3)]
            try:
                for factor in range(2, 16):
                    published = publish_marked(root, factor)
                    marks |= published
                    for name, version in zip(("sample", "story"), published, strict=True):
                        answer = httpx.post(
                            f"{base}/models/{name}/reload", headers={"x-api-key": ADMIN}, timeout=30
                        )
                        assert answer.json()["version"] == version
                        Store(root).prune(name, keep=2)
            finally:
                stop.set()
            answers = [each for future in asked for each in future.result()]
    for asked_path in ("/similar", "/next", "/vectors", "/v1/embeddings"):
        assert len({version for path, version, _ in answers if path == asked_path}) > 5
    mixed = [each for each in answers if not is_alike(each[2], marks[each[1]][each[0]])]
    assert mixed == []


def test_all_workers_go_on_to_the_new_version_and_hold_to_the_pinned_one(root):
    first = publish_times(root, 1)
    with Server("--store", root, "--poll-seconds", "1", "--workers", "2", "--keys", KEYS) as server:
        server.wait("/health/ready")
        base = f"http://127.0.0.1:{server.port}"

        def wait_for(version):
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                # Each on a connection of its own: both workers get some.
                found = {
                    httpx.get(f"{base}/vectors/car", headers={"x-api-key": READER}, timeout=30).json()[
                        "version"
                    ]
                    for _ in range(12)
                }
                if found == {version}:
                    return
                time.sleep(0.1)
            raise AssertionError("the workers do not agree")

        try:
            wait_for(first)
            wait_for(publish_times(root, 2))
            answer = httpx.post(
                f"{base}/models/sample/pin", json={"version": first}, headers={"x-api-key": ADMIN}, timeout=30
            )
            assert answer.json()["pinned"] == first
            publish_times(root, 3)
            wait_for(first)
        finally:
            # In order, so that no worker outlives it.
            code, said = server.stop(signal.SIGTERM)
    assert code == 0, said
