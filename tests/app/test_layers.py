"""The layers before the routes, in this process: turns, rates, bodies, origins."""

import asyncio

import pytest

from app.admission import MAX_BUCKETS, Admission, RateLimit
from app.guards import Limits
from app.metrics import Metrics
from app.origins import list_origins
from artifact.errors import InputError
from tests.app.serving import check_problem, publish

PATH = "/similar"


def scope_of(path=PATH, *, method="GET", headers=(), client="192.0.2.1", **more):
    return {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": list(headers),
        "client": (client, 1),
        **more,
    }


async def ask(layer, scope=None, messages=()):
    """The status that a layer answers with, and its headers."""
    coming = list(messages)
    sent = []

    async def receive():
        if not coming:
            await asyncio.Event().wait()
        return coming.pop(0)

    async def send(message):
        sent.append(message)

    await layer(scope or scope_of(), receive, send)
    if not sent:
        return None, {}
    return sent[0]["status"], dict(sent[0]["headers"])


class Work:
    """An application whose requests end when they are let go."""

    def __init__(self):
        self.under_way = self.most = 0
        self.go = asyncio.Event()
        self.bodies = []

    async def __call__(self, scope, receive, send):
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.go.wait()
            if scope["method"] == "POST":
                self.bodies.append((await receive())["body"])
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body"})
        finally:
            self.under_way -= 1


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


def read(metrics, name):
    lines = metrics.render("")[0].decode().splitlines()
    return sum(
        float(line.rpartition(" ")[2]) for line in lines if line.partition("{")[0].partition(" ")[0] == name
    )


def admit(work, metrics=None, *, max_in_work=2, max_waiting=3, max_wait_s=60.0):
    return Admission(
        work,
        max_in_work=max_in_work,
        max_waiting=max_waiting,
        max_wait_s=max_wait_s,
        metrics=metrics or Metrics(),
    )


def test_so_many_work_so_many_wait_and_the_others_are_refused():
    async def run():
        work, metrics = Work(), Metrics()
        layer = admit(work, metrics)
        tasks = [asyncio.create_task(ask(layer)) for _ in range(9)]
        await settle()
        assert work.under_way == 2
        assert read(metrics, "wordkin_requests_waiting") == 3
        refused = [task.result() for task in tasks if task.done()]
        assert [status for status, _ in refused] == [503] * 4
        assert {headers[b"retry-after"] for _, headers in refused} == {b"1"}
        assert {task.done() for task in tasks[:5]} == {False}
        # Whoever asks how the server is gets an answer.
        work.go.set()
        assert [status for status, _ in await asyncio.gather(*tasks[:5])] == [200] * 5
        assert work.most == 2
        assert read(metrics, "wordkin_requests_waiting") == 0
        assert (await ask(layer))[0] == 200

    asyncio.run(run())


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics", "/v2/health/ready"])
def test_health_and_metrics_need_no_place(path):
    async def run():
        work = Work()
        layer = admit(work, max_in_work=1, max_waiting=0)
        busy = asyncio.create_task(ask(layer))
        await settle()
        assert (await ask(layer))[0] == 503
        probe = asyncio.create_task(ask(layer, scope_of(path)))
        await settle()
        assert work.under_way == 2
        work.go.set()
        assert (await probe)[0] == (await busy)[0] == 200

    asyncio.run(run())


def test_a_turn_that_does_not_come_in_time():
    async def run():
        work = Work()
        layer = admit(work, max_in_work=1, max_wait_s=0.01)
        busy = asyncio.create_task(ask(layer))
        await settle()
        assert (await ask(layer))[0] == 503
        work.go.set()
        assert (await busy)[0] == 200
        assert (await ask(layer))[0] == 200

    asyncio.run(run())


def test_whoever_goes_away_while_waiting_leaves_its_place_to_the_next():
    async def run():
        work = Work()
        layer = admit(work, max_in_work=1)
        busy, leaves, stays, given = (asyncio.create_task(ask(layer)) for _ in range(4))
        await settle()
        leaves.cancel()
        await settle()
        work.go.set()
        await busy
        # Given its place in this very moment, and gone in the same.
        stays.cancel()
        assert (await given)[0] == 200
        await asyncio.gather(leaves, stays, return_exceptions=True)
        assert (await ask(layer))[0] == 200
        assert layer._free == 1
        assert not layer._waiting

    asyncio.run(run())


def test_a_place_is_free_again_after_a_failure():
    async def fail(*_):
        raise RuntimeError

    async def run():
        layer = admit(fail, max_in_work=1, max_waiting=0)
        for _ in range(3):
            with pytest.raises(RuntimeError):
                await ask(layer)

    asyncio.run(run())


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


async def answer(_scope, _receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})


def test_a_rate_with_a_burst():
    async def run():
        clock = Clock()
        layer = RateLimit(answer, rate=2, burst=3, clock=clock)

        async def count(asked, **options):
            answers = [await ask(layer, scope_of(**options)) for _ in range(asked)]
            refused = [headers for status, headers in answers if status == 429]
            assert all(headers[b"retry-after"] == b"1" for headers in refused)
            return asked - len(refused)

        assert await count(5) == 3
        assert await count(5, client="192.0.2.2") == 3
        clock.now += 1.0
        assert await count(5) == 2
        clock.now += 0.25
        assert await count(1) == 0
        clock.now += 0.25
        assert await count(5) == 1
        clock.now += 1_000.0
        assert await count(10) == 3
        assert await count(10, path="/health/live") == 10

    asyncio.run(run())


def test_who_is_counted_together():
    async def run():
        layer = RateLimit(answer, rate=1, burst=1, clock=Clock())

        class Key:
            def __init__(self, name):
                self.name = name

        async def granted(**options):
            return (await ask(layer, scope_of(**options)))[0] == 200

        assert await granted(state={"key": Key("a")})
        # A key is the same from wherever it is used, and is no address.
        assert not await granted(state={"key": Key("a")}, client="192.0.2.9")
        assert await granted(state={"key": Key("b")})
        assert await granted(client="192.0.2.9", state={"key": None})
        assert await granted(client="2001:db8:0:1::1")
        assert not await granted(client="2001:db8:0:1:ffff::2")
        assert await granted(client="2001:db8:0:2::1")
        assert await granted(client="::ffff:192.0.2.77")
        assert not await granted(client="192.0.2.77")
        assert await granted(client="not:an:address")
        assert (await ask(layer, scope_of() | {"client": None}))[0] == 200

    asyncio.run(run())


def test_what_is_remembered_of_clients_is_bounded():
    layer = RateLimit(answer, rate=1, burst=1, clock=Clock())
    for number in range(MAX_BUCKETS + 100):
        layer._take(str(number))
    assert len(layer._buckets) == MAX_BUCKETS
    assert layer._take("0") == 0.0
    assert layer._take(str(MAX_BUCKETS + 99)) == 1.0


def limit(app, **options):
    defaults = {"max_body_bytes": 100, "max_held_bytes": 150, "body_timeout_s": 60.0, "metrics": Metrics()}
    return Limits(app, **{**defaults, **options})


def post(length=b"80"):
    return scope_of(method="POST", headers=[(b"content-length", length)])


def chunk(size, *, more=False):
    return {"type": "http.request", "body": b"x" * size, "more_body": more}


def test_a_body_that_comes_in_pieces_is_given_as_one():
    async def run():
        work = Work()
        work.go.set()
        layer = limit(work)
        assert (await ask(layer, post(), [chunk(30, more=True), chunk(0, more=True), chunk(50)]))[0] == 200
        assert work.bodies == [b"x" * 80]
        assert layer._held_bytes == 0

    asyncio.run(run())


def test_no_place_is_taken_before_the_body_is_there():
    async def run():
        work = Work()
        task = asyncio.create_task(ask(limit(work), post(), [chunk(30, more=True)]))
        await settle()
        assert work.under_way == 0
        task.cancel()

    asyncio.run(run())


def test_a_body_that_takes_too_long():
    async def run():
        work, metrics = Work(), Metrics()
        layer = limit(work, body_timeout_s=0.01, metrics=metrics)
        status, headers = await ask(layer, post(), [chunk(30, more=True)])
        assert (status, headers[b"connection"]) == (408, b"close")
        assert layer._held_bytes == read(metrics, "wordkin_request_bodies_bytes") == 0
        assert work.most == 0

    asyncio.run(run())


def test_all_bodies_together_are_bounded():
    async def run():
        work, metrics = Work(), Metrics()
        layer = limit(work, metrics=metrics)
        held = asyncio.create_task(ask(layer, post(), [chunk(80)]))
        await settle()
        assert read(metrics, "wordkin_request_bodies_bytes") == 80
        status, headers = await ask(layer, post(), [chunk(80)])
        assert (status, headers[b"connection"], headers[b"retry-after"]) == (503, b"close", b"1")
        work.go.set()
        assert (await held)[0] == 200
        assert (await ask(layer, post(), [chunk(80)]))[0] == 200
        assert layer._held_bytes == 0

    asyncio.run(run())


def test_a_client_that_goes_away_while_it_sends_is_not_answered():
    async def run():
        work = Work()
        layer = limit(work)
        assert (await ask(layer, post(), [chunk(30, more=True), {"type": "http.disconnect"}]))[0] is None
        assert work.most == layer._held_bytes == 0

    asyncio.run(run())


def test_a_time_limit_of_a_route_is_not_taken_for_one_of_the_body():
    async def fail(*_):
        raise TimeoutError

    async def run():
        with pytest.raises(TimeoutError):
            await ask(limit(fail), post(), [chunk(80)])

    asyncio.run(run())


def test_a_rate_on_a_server(root, open_client):
    publish(root, "sample")
    client = open_client(rate_limit=1, rate_burst=2)
    answers = [client.get(PATH, word="car") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    check_problem(answers[-1], 429, "rate-limited")
    assert client.get("/health/ready").status_code == 200


ORIGIN = "https://page.example"


@pytest.fixture
def sharing(root, open_client):
    publish(root, "sample")
    return open_client(cors_origins=f"{ORIGIN}, http://localhost:3000", keys=f"a:read:{'0' * 64}")


def test_a_page_of_a_known_origin_may_ask_and_read(sharing):
    preflight = sharing.request(
        "OPTIONS",
        "/vectors",
        headers={
            "origin": ORIGIN,
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type",
        },
    )
    # A preflight carries no key.
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert "x-request-id" in preflight.headers
    for path, status in [("/health/live", 200), ("/similar", 401)]:
        answer = sharing.request("GET", path, headers={"origin": ORIGIN})
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "access-control-allow-credentials" not in answer.headers
        assert "X-Request-Id" in answer.headers["access-control-expose-headers"]


def test_a_page_of_another_origin_may_not(sharing):
    headers = {"origin": "https://evil.example", "access-control-request-method": "GET"}
    assert sharing.request("OPTIONS", "/models", headers=headers).status_code == 400
    answer = sharing.request("GET", "/health/live", headers=headers)
    assert "access-control-allow-origin" not in answer.headers


def test_a_failure_can_be_read_by_a_page_too(root, open_client, monkeypatch):
    publish(root, "sample")
    client = open_client(cors_origins="*")

    def fail(*_, **__):
        raise RuntimeError

    monkeypatch.setattr("app.routes.operations._summarise", fail)
    answer = client.request("GET", "/models", headers={"origin": ORIGIN})
    check_problem(answer, 500, "internal-error")
    assert answer.headers["access-control-allow-origin"] == "*"


def test_origins():
    assert list_origins("") == []
    assert list_origins(" https://A.example:8080 , *,") == ["https://a.example:8080", "*"]
    for wrong in ["https://a.example/", "a.example", "https://", "https://a b", "file://x", "null"]:
        with pytest.raises(InputError, match="is not an origin"):
            list_origins(wrong)
