"""What the server's tests share: a small model, a client in this process, and a server in its own."""

import contextlib
import functools
import http.client
import itertools
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import pytest
from anyio.from_thread import start_blocking_portal

from app.main import create_app
from app.settings import Settings
from artifact.draft import write_embedding, write_neighbours
from artifact.neighbours import NeighbourTable
from artifact.search import Search
from artifact.store import Store
from artifact.tokenizer import Tokenizer
from tests.language_serving.models import publish_model

TOKENS = ["car", "truck", "bus", "king", "queen", "man", "woman", "서울", "naïve", "a/b", "..", "zero"]
# Vehicles point one way; king - man = queen - woman; "zero" has no direction.
VECTORS = np.array(
    [
        [1.0, 0.1, 0.0, 0.0],
        [0.9, 0.2, 0.0, 0.0],
        [0.8, 0.4, 0.0, 0.0],
        [0.0, 0.0, 1.0, 1.0],
        [0.0, 0.0, 1.0, -1.0],
        [0.0, 0.0, 0.2, 1.0],
        [0.0, 0.0, 0.2, -1.0],
        [0.1, -1.0, 0.1, 0.0],
        [0.2, -1.0, -0.3, 0.0],
        [-1.0, 0.0, 0.0, 0.5],
        [-1.0, 0.3, 0.0, 0.1],
        [0.0, 0.0, 0.0, 0.0],
    ],
    dtype=np.float32,
)
SECONDS = itertools.count()


def publish(root, name, *, tokens=TOKENS, vectors=VECTORS, tokenizer="words", kind="embedding", **fields):
    """A small model in the store at ``root``, a second younger than the one before; returns its version."""
    if kind == "language-model":
        return publish_model(root, name, created=_pass_a_second(), **fields)
    fields = {"kind": kind, **fields}
    return publish_in(
        Store(root, create=True), name, tokens=tokens, vectors=vectors, tokenizer=tokenizer, **fields
    )


def publish_in(store, name, *, tokens=TOKENS, vectors=VECTORS, tokenizer="words", **fields):
    """A small embedding in ``store``, a second younger than the one before unless ``created`` says; its version."""
    counts = np.arange(len(tokens), 0, -1, dtype=np.int64)
    with store.draft(name) as draft:
        write_embedding(draft, tokens=tokens, counts=counts, vectors=vectors)
        return draft.publish(
            **{
                "kind": "embedding",
                "tokenizer": Tokenizer(tokenizer),
                "recipe": {"model": "cbow"},
                "metrics": {"loss": 1.5},
                "created": _pass_a_second(),
                **fields,
            }
        )


def publish_table(root, name, *, vectors=VECTORS, tokenizer="words"):
    """A small embedding with a table of 6 neighbours of each word in the store at ``root``; its version."""
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1).astype(np.float32)
    table = NeighbourTable(*Search(vectors, norms).neighbours(np.arange(len(vectors)), 6))
    with Store(root, create=True).draft(name) as draft:
        counts = np.arange(len(TOKENS), 0, -1, dtype=np.int64)
        write_embedding(draft, tokens=TOKENS, counts=counts, vectors=vectors)
        write_neighbours(draft, table)
        return draft.publish(
            kind="embedding", tokenizer=Tokenizer(tokenizer), recipe={}, metrics={}, created=_pass_a_second()
        )


def _pass_a_second():
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=next(SECONDS))


def damage(root, name, version):
    """Flip one bit of a published version's weights."""
    path = root / name / version / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@contextlib.contextmanager
def open_client_on(root, **options):
    """A client on the store at ``root``, with other settings where given, whose cache lies beside the store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORDKIN_CACHE", str(root.parent / "cache"))
        with Client(create_app(Settings(store=str(root), **options))) as client:
            yield client


class Client:
    """httpx against an application in this process, started and stopped as a server does it."""

    def __init__(self, app):
        self.app = app
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        self._portal = self._stack.enter_context(start_blocking_portal())
        wrap = self._portal.wrap_async_context_manager
        self._stack.enter_context(wrap(self.app.router.lifespan_context(self.app)))
        transport = httpx.ASGITransport(self.app)
        self._http = self._stack.enter_context(
            wrap(httpx.AsyncClient(transport=transport, base_url="http://wordkin"))
        )
        return self

    def __exit__(self, *error):
        return self._stack.__exit__(*error)

    def request(self, method, url, **options):
        return self._portal.call(functools.partial(self._http.request, method, url, **options))

    def get(self, url, **parameters):
        return self.request("GET", url, params=parameters or None)

    def post(self, url, **body):
        return self.request("POST", url, json=body)


def list_headers(answer, *, but=frozenset()):
    """The headers of an answer in their order, without those that each answer has of its own and those named."""
    own = {"x-request-id", "date"} | but
    return [(name, value) for name, value in answer.headers.multi_items() if name not in own]


def check_problem(response, status, slug=None):
    """The problem+json of an error answer, which must have this status and type."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["type"] == (f"urn:wordkin:problem:{slug}" if slug else "about:blank")
    assert problem["title"]
    assert "\n" not in problem["detail"]
    return problem


class Server:
    """python -m app in a process of its own."""

    def __init__(self, *arguments, environment=None, out=None):
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "app", "--port", "0", *map(str, arguments)],
            env={**os.environ, **(environment or {})},
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.lines = []
        self.port = 0
        for line in self.process.stderr:
            self.lines.append(line)
            if found := re.search(r"listening on http://127\.0\.0\.1:(\d+) ", line):
                self.port = int(found[1])
                break

    def __enter__(self):
        assert self.port, self.lines
        return self

    def __exit__(self, *_):
        # With its workers, which would keep its standard error open.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def stop(self, signal):
        """Send a signal; returns the exit code and what was written to standard error since the start."""
        self.process.send_signal(signal)
        _, rest = self.process.communicate(timeout=60)
        return self.process.returncode, "".join(self.lines) + rest

    def send(self, data, *, close=False):
        """The status line and the body of the answer to raw bytes (empty where the server only hung up)."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(data)
            if close:
                connection.shutdown(socket.SHUT_WR)
            answer = http.client.HTTPResponse(connection)
            try:
                answer.begin()
                return Answer(answer.status, httpx.Headers(answer.getheaders()), answer.read())
            except (http.client.BadStatusLine, ConnectionError):
                return None

    def send_slowly(self, start, rest):
        """The answer to raw bytes that arrive in pieces and never end."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(start)
            with contextlib.suppress(ConnectionError):
                for position in range(0, len(rest), 8192):
                    connection.sendall(rest[position : position + 8192])
                    if select.select([connection], [], [], 0.002)[0]:
                        break
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            return Answer(answer.status, httpx.Headers(answer.getheaders()), answer.read())

    def send_body(self, path, body, *, headers=()):
        """POST raw bytes as JSON."""
        lines = [f"POST {path} HTTP/1.1", "host: wordkin", "content-type: application/json", *headers]
        if not any(line.startswith("transfer-encoding") for line in headers):
            lines.append(f"content-length: {len(body)}")
        return self.send("\r\n".join([*lines, "", ""]).encode() + body)

    def wait(self, path="/health/ready"):
        """Wait until the server answers."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=60).status_code == 200:
                    return
            time.sleep(0.05)
        raise AssertionError("the server does not answer")


def read_answer(connection):
    """The answer that comes over a socket, which stays open."""
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return Answer(answer.status, httpx.Headers(answer.getheaders()), answer.read())


class Answer:
    """An answer read from a socket, with what the tests ask of an httpx response."""

    def __init__(self, status, headers, content):
        self.status_code = status
        self.headers = headers
        self.content = content
        self.text = content.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.content)
