"""Bytes that no client library would send, over a socket, against a server in its own process."""

import http.client
import json

import httpx
import pytest

from tests.app.serving import check_problem

GOOD = b'{"positive": ["car"], "top": 1}'


@pytest.fixture(autouse=True)
def still_serving(server):
    """Whatever was sent, the next one is answered."""
    yield
    answer = server.send_body("/similar", GOOD)
    assert answer.status_code == 200
    assert [result["word"] for result in answer.json()["results"]] == ["truck"]


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b"{",
        b'{"positive": ["car"]',
        b'{"positive": ["car"]} trailing',
        b'{"positive": ["car"],}',
        b"{'positive': ['car']}",
        b'{"positive": ["car"], "top": NaN}',
        b'{"positive": ["car"], "top": Infinity}',
        b'{"positive": ["car"], "top": -Infinity}',
        b'{"positive": ["car"], "top": ' + b"1" * 5000 + b"}",
        b'{"positive": ["car"], "top": 0x10}',
        b'{"positive": ["\\ud800"]}',
        b'{"positive": ["\\udc00\\ud800"]}',
        b'{"positive": ["\\u12"]}',
        b'{"positive": ["\xff\xfe"]}',
        b'{"positive": ["\xed\xa0\x80"]}',
        b'{"positive": ["\xc0\x80"]}',
        b'{"positive": ["a\x00b"]}',
        b'{"positive": ["a\nb"]}',
        b"\x00" * 100,
        b"\xff" * 100,
        b"\xef\xbb\xbf" + GOOD,
        GOOD.decode().encode("utf-16"),
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 50_000,
        b'{"positive": ' + b"[" * 300 + b"]" * 300 + b"}",
        b"nul",
        b" ",
    ],
    ids=range(29),
)
def test_what_is_not_strict_json(server, body):
    problem = check_problem(server.send_body("/similar", body), 400, "malformed-json")
    assert len(problem["detail"]) < 200


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        (b'{"positive": ["car"], "top": 1e999}', 422, "invalid-request"),
        (b'{"positive": ["car"], "top": -0}', 422, "invalid-request"),
        (b'{"positive": ["car"], "top": 1e1}', 422, "invalid-request"),
        (b'{"positive": ["car"], "top": ' + b"1" * 4000 + b"}", 422, "invalid-request"),
        (b'{"positive": ["a\\u0000b"]}', 404, "unknown-word"),
        (b'{"positive": ["\\u202ecar"]}', 404, "unknown-word"),
        (b'{"positive": ["' + b"w" * 1_000_000 + b'"]}', 422, "invalid-request"),
        (b'{"positive": ["' + b"w" * 2_000_000 + b'"]}', 413, "body-too-large"),
        (b'{"' + b"k" * 1_000_000 + b'": 1}', 422, "invalid-request"),
        (b'{"positive": [' + b'"a",' * 5000 + b'"a"]}', 422, "invalid-request"),
        (b'{"positive": [' + b"1," * 100_000 + b"1]}", 422, "invalid-request"),
        (b'{"positive": ["car"], "' + b'a": 1, "' * 1000 + b'b": 1}', 422, "invalid-request"),
        (b"{" + b",".join(b'"k%d": 1' % number for number in range(75_000)) + b"}", 422, "invalid-request"),
        (b'{"positive": ["x"], "positive": ["y"]}', 404, "unknown-word"),
        (b"null", 422, "invalid-request"),
        (b"", 422, "invalid-request"),
    ],
    ids=range(16),
)
def test_json_that_asks_nonsense(server, body, status, slug):
    answer = server.send_body("/similar", body)
    check_problem(answer, status, slug)
    # Not a list of a hundred thousand complaints, nor the word that was sent.
    assert len(answer.content) < 5_000


def chunked(*chunks, end=b"0\r\n\r\n"):
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + end


def test_a_chunked_body_is_read(server):
    answer = server.send_body(
        "/similar", chunked(GOOD[:10], GOOD[10:]), headers=["transfer-encoding: chunked"]
    )
    assert answer.status_code == 200


def test_a_chunked_body_over_the_limit(server):
    body = chunked(*[b" " * 65_536] * 32)
    check_problem(
        server.send_body("/similar", body, headers=["transfer-encoding: chunked"]), 413, "body-too-large"
    )


def test_an_endless_chunked_body_is_cut_off(server):
    head = b"POST /similar HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    answer = server.send(head + chunked(*[b" " * 65_536] * 24, end=b""))
    check_problem(answer, 413, "body-too-large")


@pytest.mark.parametrize("length", ["999999999999", "9" * 18, "1048577"])
def test_a_stated_length_over_the_limit_is_refused_before_it_is_sent(server, length):
    head = f"POST /similar HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    check_problem(server.send(head.encode()), 413, "body-too-large")


@pytest.mark.parametrize(
    "head",
    [
        b"content-length: -1",
        b"content-length: five",
        b"content-length: " + b"9" * 100,
        b"content-length: 5\r\ncontent-length: 6",
        b"content-length: 5\r\ntransfer-encoding: chunked",
        b"transfer-encoding: wrong",
        b"bad header\x00: x",
        b": nameless",
    ],
)
def test_broken_framing_never_reaches_the_routes(server, head):
    answer = server.send(b"POST /similar HTTP/1.1\r\nhost: a\r\n" + head + b"\r\n\r\n" + GOOD, close=True)
    check_problem(answer, 400)


def test_a_body_that_stops_early(server):
    head = (
        b"POST /similar HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n"
    )
    answer = server.send(head + GOOD, close=True)
    assert answer is None or answer.status_code == 400


@pytest.mark.parametrize(
    ("target", "status", "slug"),
    [
        (b"/vectors/../../etc/passwd", 404, "unknown-word"),
        (b"/vectors/..%2f..%2fetc%2fpasswd", 404, "unknown-word"),
        (b"/vectors/%2e%2e/%00", 404, "unknown-word"),
        (b"/vectors/%ff%fe", 404, "unknown-word"),
        (b"/vectors/%ed%a0%80", 404, "unknown-word"),
        (b"/vectors/%", 404, "unknown-word"),
        (b"/vectors/%zz", 404, "unknown-word"),
        (b"/vectors/%0d%0aset-cookie:%20a=b", 404, None),
        (b"/vectors/" + b"w" * 1001, 422, "invalid-request"),
        (b"/vectors/" + b"w" * 17_000, 414, "uri-too-long"),
        (b"/vectors/" + b"w" * 1_000_000, 414, "uri-too-long"),
        (b"/similar?word=" + b"w" * 1_000_000, 414, "uri-too-long"),
        (b"/similar?word=%ff", 404, "unknown-word"),
        (b"/similar?word=%00", 404, "unknown-word"),
        (b"/similar?word=a%0Ab", 404, "unknown-word"),
        (b"/similar?word=car&top=%EF%BC%91%00", 422, "invalid-request"),
        (b"/similar?" + b"&" * 5000, 422, "invalid-request"),
        (b"/similar?" + b"word=car&" * 1000, 422, "invalid-request"),
        (b"/similar?" + b"a=1&" * 4000, 422, "invalid-request"),
        (b"/similar?=car", 422, "invalid-request"),
        (b"/models/%2e%2e", 422, "invalid-request"),
        (b"/models/../../x", 404, None),
        (b"//similar?word=car", 404, None),
        (b"/similar;x=1?word=car", 404, None),
    ],
    ids=range(24),
)
def test_addresses_sent_as_they_are(server, target, status, slug):
    answer = server.send(b"GET " + target + b" HTTP/1.1\r\nhost: wordkin\r\nconnection: close\r\n\r\n")
    check_problem(answer, status, slug)
    assert "set-cookie" not in answer.headers


def test_dots_in_the_path_are_a_word_like_any_other(server):
    answer = server.send(b"GET /vectors/.. HTTP/1.1\r\nhost: wordkin\r\n\r\n")
    assert answer.json()["results"][0]["word"] == ".."


@pytest.mark.parametrize("target", [b"http://[", b"/\xff", b"/a b", b"", b"similar"])
def test_targets_that_are_no_addresses(server, target):
    answer = server.send(b"GET " + target + b" HTTP/1.1\r\nhost: wordkin\r\nconnection: close\r\n\r\n")
    check_problem(answer, 400)


@pytest.mark.parametrize("head", [b"x: " + b"a" * 200_000, b"x: a\r\n" * 50_000, b"x" * 200_000])
def test_an_endless_head_is_cut_off(server, head):
    check_problem(server.send_slowly(b"GET /health/live HTTP/1.1\r\nhost: wordkin\r\n", head), 431)


def test_an_endless_address_is_cut_off(server):
    check_problem(server.send_slowly(b"GET /vectors/", b"w" * 200_000), 414, "uri-too-long")


def test_head_is_answered_without_a_body(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("HEAD", "/similar?word=car")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"")
    connection.request("GET", "/similar?word=car")
    assert str(len(connection.getresponse().read())) == answer.headers["content-length"]
    connection.close()


def test_a_connection_is_kept_after_a_refusal(server):
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as http_client:
        for _ in range(3):
            assert (
                http_client.post(
                    "/similar", content=b"{", headers={"content-type": "application/json"}
                ).status_code
                == 400
            )
            assert http_client.post("/similar", json=json.loads(GOOD)).status_code == 200
