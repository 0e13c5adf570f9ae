"""The server in a process of its own: what cannot be seen from inside."""

import http.client
import json

import httpx
import pytest
from language_serving.models import publish_model

from tests.app.serving import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    root = tmp_path_factory.mktemp("language") / "store"
    publish_model(root, "news")
    with Server("--store", root, environment={"WORDKIN_CACHE": str(root.parent / "cache")}) as running:
        running.wait()
        yield running


def post(server, **body):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("POST", "/generate", json.dumps(body), {"content-type": "application/json"})
    return connection, connection.getresponse()


def test_a_stream_arrives_while_it_is_drawn(server):
    connection, answer = post(server, text="the", max_tokens=1000, seed=1, stream=True)
    lines = [answer.readline() for _ in range(6)]
    assert lines[0] == lines[3] == b"event: piece\n"
    rest = answer.read().decode()
    events = (b"".join(lines).decode() + rest).strip().split("\n\n")
    pieces = [json.loads(event.split("data: ")[1])["text"] for event in events[:-1]]
    end = json.loads(events[-1].split("data: ")[1])
    assert "".join(pieces) == end["text"]
    assert end["tokens"] == 1000
    connection.close()


def test_the_server_outlives_clients_that_leave(server):
    for _ in range(10):
        connection, answer = post(server, text="the", max_tokens=1000, stream=True)
        answer.readline()
        connection.close()
    url = f"http://127.0.0.1:{server.port}/next"
    assert httpx.get(url, params={"text": "the company"}).status_code == 200
    assert server.process.poll() is None


def test_ten_megabytes_are_turned_away(server):
    answer = server.send_body("/next", json.dumps({"text": "a " * (5 << 20)}).encode())
    assert answer is None or answer.status_code == 413
    assert httpx.get(f"http://127.0.0.1:{server.port}/health/live").status_code == 200
