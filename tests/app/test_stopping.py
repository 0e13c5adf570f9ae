"""A server that is told to stop while it has work."""

import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.app.serving import Server, check_problem, publish, read_answer

BODY = b'{"words": ["car"]}'
HEAD = b"POST /vectors HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


def begin(server):
    """A request in work: it is there but for its last byte."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    connection.sendall(HEAD % len(BODY) + BODY[:-1])
    return connection


def ready(server):
    return httpx.get(f"http://127.0.0.1:{server.port}/health/ready", timeout=60)


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_in_work_is_finished(root, workers):
    publish(root, "sample")
    with Server("--store", root, "--drain-seconds", 600, "--workers", workers) as server:
        server.wait()
        url = f"http://127.0.0.1:{server.port}"
        in_work = begin(server)
        server.process.send_signal(signal.SIGTERM)
        # Each worker is told by itself.
        wait_for(lambda: all(ready(server).status_code == 503 for _ in range(6 * workers)))
        problem = check_problem(ready(server), 503, "overloaded")
        assert problem["detail"] == "the server is stopping"
        assert httpx.get(f"{url}/v2/health/ready", timeout=60).status_code == 503
        assert httpx.get(f"{url}/health/live", timeout=60).status_code == 200
        # Not ready, and still there for those who have not heard of it.
        answer = httpx.get(f"{url}/similar", params={"word": "car"}, timeout=60)
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        # A second signal skips the rest of the draining.
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: not accepts(server))
        in_work.sendall(BODY[-1:])
        assert read_answer(in_work).status_code == 200
        in_work.close()
        _, said = server.process.communicate(timeout=60)
        assert server.process.returncode == 0
        assert "Traceback" not in said


def test_the_draining_ends_by_itself(root):
    publish(root, "sample")
    with Server("--store", root, "--drain-seconds", 1) as server:
        server.wait()
        began = time.monotonic()
        code, _ = server.stop(signal.SIGTERM)
        assert code == 0
        assert time.monotonic() - began >= 1


def accepts(server):
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=1) as connection:
            # Of several workers one may have stopped before another.
            connection.sendall(b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n")
            return connection.recv(1) != b""
    except OSError:
        return False


def test_the_wait_is_bounded(root):
    publish(root, "sample")
    with Server("--store", root, "--grace-seconds", 1) as server:
        server.wait()
        in_work = begin(server)
        time.sleep(0.2)
        code, said = server.stop(signal.SIGTERM)
        assert code == 0
        assert "Traceback" not in said
        check_problem(read_answer(in_work), 503, "overloaded")
        in_work.close()


def test_an_interrupt_is_not_held_back(root):
    publish(root, "sample")
    with Server("--store", root, "--drain-seconds", 600) as server:
        server.wait()
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: ready(server).status_code == 503)
        code, _ = server.stop(signal.SIGINT)
    assert code == 0


def test_no_answer_is_lost_while_it_drains(root):
    publish(root, "sample")
    with Server("--store", root, "--drain-seconds", 600) as server:
        server.wait()
        url = f"http://127.0.0.1:{server.port}/similar?word=car"
        told = threading.Event()
        statuses = []

        def ask():
            with httpx.Client(timeout=60) as client:
                while not told.is_set():
                    statuses.append(client.get(url).status_code)

        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(ask) for _ in range(4)]
            wait_for(lambda: len(statuses) > 20)
            server.process.send_signal(signal.SIGTERM)
            wait_for(lambda: ready(server).status_code == 503)
            before = len(statuses)
            wait_for(lambda: len(statuses) > before + 20)
            # Whoever shares out requests has seen that it is not ready, and sends nothing more.
            told.set()
        for future in asked:
            future.result()
        code, _ = server.stop(signal.SIGTERM)
    assert code == 0
    assert set(statuses) == {200}
