"""What is refused, and how: in this process, through httpx."""

import logging

import pytest

from tests.app.serving import check_problem, publish

SECRET = "pa55word-that-nobody-may-see-again"


@pytest.mark.parametrize(
    ("query", "location"),
    [
        ("", ["query", "word"]),
        ("word=", ["query", "word"]),
        ("word=car&top=0", ["query", "top"]),
        ("word=car&top=-1", ["query", "top"]),
        ("word=car&top=ten", ["query", "top"]),
        ("word=car&top=", ["query", "top"]),
        ("word=car&top=1.5", ["query", "top"]),
        ("word=car&top=nan", ["query", "top"]),
        ("word=car&top=1e9", ["query", "top"]),
        ("word=car&top=1000000000", ["query", "top"]),
        ("word=car&top=" + "9" * 5000, ["query", "top"]),
        ("word=car&model=..%2Fetc", ["query", "model"]),
        ("word=car&model=sample%0A", ["query", "model"]),
        ("word=car&model=", ["query", "model"]),
        ("word=car&version=a%00b", ["query", "version"]),
        ("word=car&version=" + "v" * 65, ["query", "version"]),
        ("word=" + "w" * 1001, ["query", "word"]),
        ("word=car&word=bus", ["query", "word"]),
        ("word=car&top=3&top=3", ["query", "top"]),
        ("word=car&size=3", ["query"]),
        ("word=car&" + SECRET, ["query"]),
    ],
)
def test_wrong_query_parameters(client, query, location):
    problem = check_problem(client.get(f"/similar?{query}"), 422, "invalid-request")
    assert [error["location"] for error in problem["errors"]] == [location]
    assert problem["errors"][0]["message"]
    assert problem["detail"] == f"{'.'.join(location)}: {problem['errors'][0]['message']}"


@pytest.mark.parametrize(
    ("path", "body", "locations"),
    [
        ("/similar", {"positive": "car"}, [["body", "positive"]]),
        ("/similar", {"positive": ["car", 1]}, [["body", "positive", 1]]),
        ("/similar", {"positive": [""]}, [["body", "positive", 0]]),
        ("/similar", {"positive": ["car"], "top": "3"}, [["body", "top"]]),
        ("/similar", {"positive": ["car"], "top": True}, [["body", "top"]]),
        ("/similar", {"positive": ["car"], "top": 3.5}, [["body", "top"]]),
        ("/similar", {"positive": ["car"], "top": None}, [["body", "top"]]),
        ("/similar", {"positive": ["car"], "top": 10**300}, [["body", "top"]]),
        ("/similar", {"positive": None}, [["body", "positive"]]),
        ("/similar", {"positive": ["car"], "number": 3}, [["body"]]),
        ("/similar", {"positive": ["w" * 1001]}, [["body", "positive", 0]]),
        ("/similar", {"positive": ["car"], "model": "../other"}, [["body", "model"]]),
        ("/similar", {"positive": ["car"], "model": 7}, [["body", "model"]]),
        ("/similar", {"positive": ["car"], "version": ["x"]}, [["body", "version"]]),
        ("/analogy", {"a": "king"}, [["body", "b"], ["body", "c"]]),
        ("/vectors", {"words": []}, [["body", "words"]]),
        ("/vectors", {}, [["body", "words"]]),
        ("/similarity", {"a": [], "b": ["car"]}, [["body", "a"]]),
        ("/similarity", {"a": {"x": "car"}, "b": ["car"]}, [["body", "a"]]),
    ],
)
def test_wrong_bodies(client, path, body, locations):
    problem = check_problem(client.request("POST", path, json=body), 422, "invalid-request")
    assert [error["location"] for error in problem["errors"]] == locations


@pytest.mark.parametrize("body", [[], "car", 3, None, True, [{"positive": ["car"]}]])
def test_a_body_must_be_an_object(client, body):
    problem = check_problem(client.request("POST", "/similar", json=body), 422, "invalid-request")
    assert [error["location"] for error in problem["errors"]] == [["body"]]


@pytest.mark.parametrize(
    "answer",
    [
        lambda client: client.post("/similar", positive=["car"], top=SECRET),
        lambda client: client.post("/similar", positive={SECRET: SECRET}),
        lambda client: client.post("/similar", **{SECRET: SECRET, "positive": SECRET}),
        lambda client: client.post("/similar", positive=["car"], model=f"{SECRET}/"),
        lambda client: client.request("POST", "/similar", json=SECRET),
        lambda client: client.request(
            "POST",
            "/similar",
            content=f'{{"{SECRET}": {SECRET}}}',
            headers={"content-type": "application/json"},
        ),
        lambda client: client.request(
            "POST", "/similar", content=SECRET, headers={"content-type": "text/plain"}
        ),
        lambda client: client.get("/similar", word="car", top=SECRET),
        lambda client: client.get("/similar", **{SECRET: SECRET}),
        lambda client: client.get(f"/similar?word=car&{SECRET}=1&{SECRET}=2"),
        lambda client: client.get(f"/models/{SECRET}$"),
        lambda client: client.get(f"/{SECRET}"),
    ],
)
def test_what_was_sent_does_not_come_back(client, caplog, answer):
    response = answer(client)
    assert 400 <= response.status_code < 500
    assert SECRET not in response.text + str(response.headers)
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/similar/", "/similar/car", "/vectors//", "/docs/files/..%2f..%2fcore.py", "/%00"],
)
def test_addresses_that_are_not_there(client, path):
    problem = check_problem(client.get(path), 404, "unknown-word" if path == "/vectors//" else None)
    assert problem["detail"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/similar", "GET, HEAD, POST"),
        ("PUT", "/vectors", "POST"),
        ("GET", "/vectors", "POST"),
        ("GET", "/analogy", "POST"),
        ("POST", "/vectors/car", "GET, HEAD"),
        ("OPTIONS", "/models", "GET, HEAD"),
        ("PATCH", "/health/live", "GET, HEAD"),
    ],
)
def test_methods_that_an_address_does_not_have(client, method, path, allowed):
    answer = client.request(method, path)
    problem = check_problem(answer, 405)
    assert answer.headers.get_list("allow") == [allowed]
    assert problem["detail"] == f"this address answers to {allowed}"


def test_an_empty_word_in_the_path_is_refused(client):
    problem = check_problem(client.get("/vectors/"), 422, "invalid-request")
    assert problem["errors"][0]["location"] == ["path", "word"]


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "ÿ/ÿ", "a/b/c"],
)
def test_a_body_that_is_not_called_json(client, content_type):
    headers = {"content-type": content_type.encode("latin-1")}
    answer = client.request("POST", "/similar", content=b'{"positive": ["car"]}', headers=headers)
    assert "content-type: application/json" in check_problem(answer, 415, "unsupported-media-type")["detail"]


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON; charset=utf-8", "application/vnd.wordkin+json"]
)
def test_a_body_that_is_called_json(client, content_type):
    headers = {"content-type": content_type}
    answer = client.request("POST", "/similar", content=b'{"positive": ["car"]}', headers=headers)
    assert answer.status_code == 200


def test_a_compressed_body_is_refused(client):
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    answer = client.request("POST", "/similar", content=b"\x1f\x8b", headers=headers)
    assert "content-encoding" in check_problem(answer, 415, "unsupported-media-type")["detail"]


def test_no_body_at_all(client):
    problem = check_problem(client.request("POST", "/similar"), 422, "invalid-request")
    assert problem["detail"] == "body: A JSON body is required"


def test_query_parameters_beside_a_body_are_refused(client):
    answer = client.request("POST", "/similar?model=sample", json={"positive": ["car"]})
    assert "there are no query parameters here" in check_problem(answer, 422, "invalid-request")["detail"]


def test_probes_may_add_parameters(client):
    assert client.get("/health/live", now="1").status_code == 200


def test_a_body_over_the_limit(root, open_client):
    publish(root, "sample")
    client = open_client(max_body_bytes=2000)
    body = b'{"positive": ["car"]%s}'
    headers = {"content-type": "application/json"}
    fits = body % (b" " * (2000 - len(body) + 2))
    assert client.request("POST", "/similar", content=fits, headers=headers).status_code == 200
    answer = client.request("POST", "/similar", content=fits + b" ", headers=headers)
    assert check_problem(answer, 413, "body-too-large")["limit"] == 2000
    assert answer.headers["connection"] == "close"


def test_a_chunked_body_over_the_limit(root, open_client):
    publish(root, "sample")

    async def chunks():
        for _ in range(100):
            yield b" " * 1000

    answer = open_client(max_body_bytes=2000).request(
        "POST", "/similar", content=chunks(), headers={"content-type": "application/json"}
    )
    check_problem(answer, 413, "body-too-large")


def test_an_address_over_the_limit(client):
    problem = check_problem(client.get("/similar", word="w" * 20_000), 414, "uri-too-long")
    assert problem["limit"] == 16_384


def test_a_request_id_is_kept_where_it_is_harmless(client):
    def answer(request_id):
        return client.request("GET", "/health/live", headers={"x-request-id": request_id}).headers[
            "x-request-id"
        ]

    assert answer("job-7.a_B") == "job-7.a_B"
    for bad in ["", "a b", "x" * 65, "a;b"]:
        assert answer(bad) != bad
    assert answer("") != answer("")


def test_an_unforeseen_failure_is_answered_without_details_and_logged(client, monkeypatch, caplog):
    def fail(*_, **__):
        raise RuntimeError(SECRET)

    monkeypatch.setattr("artifact.embedding.Embedding.similar", fail)
    with caplog.at_level(logging.ERROR):
        answer = client.request("GET", "/similar?word=car", headers={"x-request-id": "r-1"})
    problem = check_problem(answer, 500, "internal-error")
    assert SECRET not in answer.text
    assert "r-1" in problem["detail"]
    assert SECRET in caplog.text
    assert "request r-1 failed: GET '/similar'" in caplog.text


def test_a_log_line_stays_one_line_whatever_the_path(client, monkeypatch, caplog):
    def fail(*_, **__):
        raise RuntimeError

    monkeypatch.setattr("app.routes.vectors.look_up", fail)
    check_problem(client.get("/vectors/a%0Dforged line"), 500, "internal-error")
    assert "\rforged" not in caplog.text


def test_a_lone_surrogate_can_be_written():
    from app.errors import respond_problem

    body = {"status": 404, "detail": "\ud800 서울"}
    assert respond_problem(body).body.decode("utf-8") == '{"status":404,"detail":"\\ud800 서울"}'
