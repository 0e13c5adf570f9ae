"""Requests drawn from the published schema for every operation: each answer is one that the schema promises.

The same as python -m bench.requests, which draws many more, over a socket.
"""

import pytest

pytest.importorskip("jsonschema")

from bench.drawing import Draw
from bench.requests import RAW_BODIES, Judge
from tests.app.serving import TOKENS

DRAWN_FOR_EACH = 12


@pytest.fixture(scope="module")
def operations(client):
    document = client.get("/openapi.json").json()
    return document, [
        (method, path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


def test_every_answer_is_one_that_the_schema_promises(client, operations, version):
    document, listed = operations
    known = {
        "model": ["sample", "story", "other"],
        "name": ["sample", "story"],
        "version": [version, "other"],
    }
    draw, judge = Draw(document, 1, known, words=TOKENS), Judge(document)
    answered = set()
    for _ in range(DRAWN_FOR_EACH):
        for method, path, operation in listed:
            request = draw.request(method, path, operation)
            answer = client.request(request[0], request[1], **request[2])
            judge.judge(operation, request, answer)
            if answer.status_code == 200:
                answered.add((method, path))
    assert judge.faults == []
    # What changes the served version takes a key, and this server has none.
    unanswered = {(method, path) for method, path, _ in listed} - answered
    assert all(path.startswith("/models/{name}/") for _, path in unanswered)


@pytest.mark.parametrize("body", RAW_BODIES, ids=range(len(RAW_BODIES)))
def test_bodies_that_are_no_requests(client, operations, body):
    document, listed = operations
    judge = Judge(document)
    for method, path, operation in listed:
        if "requestBody" in operation:
            options = {"content": body, "headers": {"content-type": "application/json"}}
            answer = client.request(method.upper(), path.replace("{name}", "sample"), **options)
            assert answer.status_code != 200
            judge.judge(operation, (method, path, options), answer)
    assert judge.faults == []
