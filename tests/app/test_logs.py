"""What is written down of requests and of failures."""

import json
import logging
import re
import signal
import subprocess
import sys

import httpx
import pytest

from app.keys import draw_key
from app.logs import JsonFormatter, TextFormatter, describe_logging, request_id, writes_access
from app.settings import Settings
from tests.app.serving import Server, publish

SECRET = "pa55word-that-nobody-may-see-again"


@pytest.fixture
def logged(caplog, monkeypatch):
    """The fields of the access lines."""
    monkeypatch.setattr(logging.getLogger("app.access"), "propagate", True)
    with caplog.at_level(logging.INFO, logger="app.access"):
        yield lambda: [record.fields for record in caplog.records if record.name == "app.access"]


def test_one_line_a_request(root, open_client, logged):
    publish(root, "sample")
    secret, key = draw_key("reader", "read")
    client = open_client(access_log="on", keys=key.format())
    headers = {"authorization": f"Bearer {secret}", "x-request-id": "job-1"}
    answer = client.request("GET", "/similar?word=car&top=2", headers=headers)
    client.request("GET", f"/vectors/{SECRET}?x={SECRET}", headers=headers)
    client.request("POST", "/similar", json={"positive": [SECRET]}, headers=headers)
    client.request("GET", f"/{SECRET}", headers=headers)
    client.request("GET", "/similar", headers={"x-api-key": SECRET})
    first, *others = logged()
    assert first == {
        "request_id": "job-1",
        "method": "GET",
        "route": "/similar",
        "status": 200,
        "duration_ms": first["duration_ms"],
        "bytes": len(answer.content),
        "client": "127.0.0.1",
        "key": "reader",
    }
    assert 0 < first["duration_ms"] < 60_000
    told = [(line["route"], line["status"], line["key"]) for line in others]
    assert told == [
        ("/vectors/{word:path}", 422, "reader"),
        ("/similar", 404, "reader"),
        ("none", 404, "reader"),
        ("none", 401, None),
    ]
    assert SECRET not in str(logged())
    assert len({line["request_id"] for line in logged()}) == 2


def test_no_line_unless_asked_for(root, open_client, logged):
    publish(root, "sample")
    open_client().get("/similar", word="car")
    assert logged() == []
    for options, writes in [
        ({}, False),
        ({"log_format": "json"}, True),
        ({"log_format": "json", "access_log": "off"}, False),
        ({"access_log": "on"}, True),
    ]:
        assert writes_access(Settings(store="x", **options)) is writes


@pytest.mark.parametrize(
    ("path", "status"), [("/health/live", 200), ("/nothing", 404), ("/similar?top=x", 422), ("/%00", 404)]
)
def test_every_answer_carries_an_id(root, open_client, path, status):
    publish(root, "sample")
    answer = open_client().get(path)
    assert answer.status_code == status
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])


def record(message, *arguments, fields=None, exc_info=None):
    made = logging.LogRecord("app.x", logging.WARNING, __file__, 1, message, arguments, exc_info)
    if fields:
        made.fields = fields
    return made


def test_a_json_line_is_one_line_whatever_it_says():
    formatter = JsonFormatter()
    token = request_id.set("job-2")
    try:
        try:
            raise RuntimeError("first\nsecond \ud800")
        except RuntimeError:
            line = formatter.format(record("broken %s", "a\nb\u2028", exc_info=sys.exc_info()))
    finally:
        request_id.reset(token)
    assert "\n" not in line
    assert line.isascii()
    entry = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["time"])
    assert (entry["level"], entry["logger"], entry["message"]) == ("warning", "app.x", "broken a\nb\u2028")
    assert entry["request_id"] == "job-2"
    assert entry["traceback"].endswith("RuntimeError: first\nsecond \ud800")
    assert "request_id" not in json.loads(formatter.format(record("x")))


def test_long_messages_are_cut():
    try:
        raise RuntimeError("x" * 100_000)
    except RuntimeError:
        line = JsonFormatter().format(record("m" * 100_000, exc_info=sys.exc_info()))
    assert len(line) < 25_000


def test_text_lines():
    formatter = TextFormatter("%(levelname)s %(message)s")
    assert formatter.format(record("cannot serve %s", "x")) == "WARNING:  cannot serve x"
    assert (
        formatter.format(record("request", fields={"status": 200, "key": None, "route": "/x"}))
        == "status=200 route=/x"
    )


def test_the_configuration_is_one_that_logging_takes(tmp_path):
    for format_name in ("text", "json"):
        described = json.loads(json.dumps(describe_logging(Settings(store="x", log_format=format_name))))
        code = (
            "import json, logging.config, sys; logging.config.dictConfig(json.load(sys.stdin)); "
            "logging.getLogger('app.catalog').warning('w'); logging.getLogger('uvicorn.error').info('i'); "
            "logging.getLogger('app.access').info('request', extra={'fields': {'status': 200}})"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(described),
            capture_output=True,
            text=True,
            check=True,
        )
        assert len(done.stdout.splitlines()) == len(done.stderr.splitlines()) == 1


def test_a_server_that_logs_json(root, tmp_path):
    publish(root, "sample")
    with (tmp_path / "out").open("w+") as out:
        with Server("--store", root, "--log-format", "json", out=out) as server:
            server.wait()
            url = f"http://127.0.0.1:{server.port}"
            headers = {"x-request-id": "job-3"}
            assert (
                httpx.get(f"{url}/similar?word={SECRET}", headers=headers).headers["x-request-id"] == "job-3"
            )
            server.stop(signal.SIGTERM)
        out.seek(0)
        lines = [json.loads(line) for line in out]
    [line] = [line for line in lines if line["request_id"] == "job-3"]
    assert (line["route"], line["status"], line["client"]) == ("/similar", 404, "127.0.0.1")
    assert (line["logger"], line["message"], line["level"]) == ("app.access", "request", "info")
    assert SECRET not in str(lines)
