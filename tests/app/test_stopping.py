"""A server that is told to stop while it has work."""

import signal
import socket
import threading
import time

import httpx
import pytest

from tests.app.serving import Server, check_problem, publish, read_answer

BODY = b'{"words": ["car"]}'
HEAD = b"POST /vectors HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


def begin(server):
    """A request in work: it is there but for its last byte."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    connection.sendall(HEAD % len(BODY) + BODY[:-1])
    return connection


def ready(server):
    return httpx.get(f"http://127.0.0.1:{server.port}/health/ready")


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_in_work_is_finished(root, workers):
    publish(root, "sample")
    with Server("--store", root, "--drain-seconds", 2, "--workers", workers) as server:
        server.wait()
        url = f"http://127.0.0.1:{server.port}"
        in_work = begin(server)
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: ready(server).status_code == 503)
        problem = check_problem(ready(server), 503, "overloaded")
        assert problem["detail"] == "the server is stopping"
        assert httpx.get(f"{url}/v2/health/ready").status_code == 503
        assert httpx.get(f"{url}/health/live").status_code == 200
        # Not ready, and still there for those who have not heard of it.
        answer = httpx.get(f"{url}/similar", params={"word": "car"})
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        wait_for(lambda: not accepts(server))
        in_work.sendall(BODY[-1:])
        assert read_answer(in_work).status_code == 200
        in_work.close()
        _, said = server.process.communicate(timeout=20)
        assert server.process.returncode == 0
        assert "Traceback" not in said


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


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_skips_the_draining(root, second):
    publish(root, "sample")
    with Server("--store", root, "--drain-seconds", 600) as server:
        server.wait()
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: ready(server).status_code == 503)
        code, _ = server.stop(second)
    assert code == 0


def test_no_answer_is_lost_while_it_stops(root):
    publish(root, "sample")
    with Server("--store", root, "--drain-seconds", 1) as server:
        server.wait()
        url = f"http://127.0.0.1:{server.port}/similar?word=car"
        told = threading.Event()
        statuses = []

        def ask():
            with httpx.Client() as client:
                while not told.is_set():
                    statuses.append(client.get(url).status_code)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        wait_for(lambda: len(statuses) > 50)
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: ready(server).status_code == 503)
        before = len(statuses)
        wait_for(lambda: len(statuses) > before + 50)
        # A load balancer that has asked for readiness sends nothing more.
        told.set()
        for thread in threads:
            thread.join()
        server.process.communicate(timeout=20)
    assert set(statuses) == {200}
