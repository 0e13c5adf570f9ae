"""Clients that take their time, over real sockets: each is cut off, and the others are served meanwhile."""

import socket
import time

import httpx
import pytest

from tests.app.serving import Server, check_problem, publish, read_answer

HEAD = b"POST /vectors HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
BODY = b'{"words": ["car"]}'


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    """A server that waits a second for everything, and keeps ten connections."""
    root = tmp_path_factory.mktemp("patient") / "store"
    publish(root, "sample")
    times = ["head-timeout", "body-timeout", "send-timeout", "keep-alive"]
    options = [word for name in times for word in (f"--{name}-seconds", 1)]
    with Server("--store", root, *options, "--max-connections", 40, "--max-in-work", 2) as server:
        server.wait()
        yield server


def connect(server):
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def drip(connection, data, *, pause_s=0.1):
    """Send a byte at a time until the other side hangs up; whether it did before all was sent."""
    for position in range(len(data)):
        try:
            connection.sendall(data[position : position + 1])
        except ConnectionError:
            return True
        connection.setblocking(False)
        try:
            if connection.recv(1, socket.MSG_PEEK) == b"" or True:
                return True
        except BlockingIOError:
            time.sleep(pause_s)
        finally:
            connection.settimeout(20)
    return False


def is_closed(connection):
    """Whether the other side hangs up without a word."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def test_whoever_says_nothing(patient):
    with connect(patient) as connection:
        assert is_closed(connection)


def test_a_head_that_drips(patient):
    with connect(patient) as connection:
        assert drip(connection, b"GET /health/live HTTP/1.1\r\nhost: a\r\n" + b"x: y\r\n" * 100)
        answer = read_answer(connection)
        check_problem(answer, 408, "request-timeout")
        assert answer.headers["connection"] == "close"


def test_a_second_head_that_drips(patient):
    with connect(patient) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n")
        assert read_answer(connection).status_code == 200
        assert drip(connection, b"GET /health/live HTTP/1.1\r\nhost: a\r\n" + b"x: y\r\n" * 100)
        check_problem(read_answer(connection), 408, "request-timeout")


def test_empty_lines_between_requests(patient):
    with connect(patient) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n")
        assert read_answer(connection).status_code == 200
        assert drip(connection, b"\r\n" * 100)


@pytest.mark.parametrize("kind", ["stated", "chunked"])
def test_a_body_that_drips(patient, kind):
    with connect(patient) as connection:
        if kind == "stated":
            connection.sendall(HEAD + b"content-length: 100\r\n\r\n")
            assert drip(connection, b" " * 100)
        else:
            connection.sendall(HEAD + b"transfer-encoding: chunked\r\n\r\n")
            assert drip(connection, b"1\r\n \r\n" * 100)
        check_problem(read_answer(connection), 408, "request-timeout")


def test_a_body_that_goes_on_after_it_was_refused(patient):
    with connect(patient) as connection:
        connection.sendall(b"POST /nowhere HTTP/1.1\r\nhost: a\r\ncontent-length: 1048577\r\n\r\n")
        assert drip(connection, b" " * 100)


def test_a_connection_that_is_idle(patient):
    with connect(patient) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n")
        assert read_answer(connection).status_code == 200
        assert is_closed(connection)


def test_an_answer_that_nobody_reads(patient):
    with connect(patient) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        request = b"GET /openapi.json HTTP/1.1\r\nhost: a\r\n\r\n"
        began = time.monotonic()
        with pytest.raises(ConnectionError):
            # Answers pile up until the server takes no more requests, and then until it gives up.
            while time.monotonic() < began + 20:
                connection.sendall(request * 100)
                time.sleep(0.01)


def test_many_slow_clients_hold_up_nobody(patient):
    slow = []
    try:
        for number in range(30):
            slow.append(connect(patient))
            slow[-1].sendall(HEAD + b"content-length: 100\r\n\r\n{" if number % 2 else HEAD)
        # More than may be in work, but none of them is.
        for _ in range(10):
            answer = httpx.post(f"http://127.0.0.1:{patient.port}/vectors", json={"words": ["car"]})
            assert answer.status_code == 200
    finally:
        for connection in slow:
            connection.close()


def test_more_connections_than_are_kept(patient):
    open_ones = []
    try:
        for _ in range(60):
            connection = connect(patient)
            connection.sendall(b"GET /health/live HTTP/1.1\r\nhost: a\r\n")
            open_ones.append(connection)
        answer = read_answer(open_ones[-1])
        check_problem(answer, 503, "overloaded")
        assert answer.headers["retry-after"] == "1"
    finally:
        for connection in open_ones:
            connection.close()
    patient.wait()


def test_a_slow_client_that_is_still_in_time(patient):
    with connect(patient) as connection:
        request = HEAD + b"content-length: %d\r\n\r\n" % len(BODY) + BODY
        for position in range(0, len(request), 40):
            connection.sendall(request[position : position + 40])
            time.sleep(0.1)
        assert read_answer(connection).status_code == 200


def test_whoever_is_refused_and_asks_again_at_once_is_not_heard_before_time(root):
    publish(root, "sample")
    with Server("--store", root, "--rate-limit", 1, "--rate-burst", 1) as server:
        server.wait()
        request = b"GET /models HTTP/1.1\r\nhost: a\r\n\r\n"
        with connect(server) as connection:

            def ask():
                connection.sendall(request)
                return read_answer(connection).status_code

            while ask() != 429:
                pass
            refused_at = time.monotonic()
            # Others are heard meanwhile.
            assert httpx.get(f"http://127.0.0.1:{server.port}/health/live", timeout=60).status_code == 200
            assert ask() in (200, 429)
            assert time.monotonic() - refused_at >= 0.9
