"""How many requests are worked on at once and how many may wait; and how many a second each client may send."""

from __future__ import annotations

import asyncio
import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import OVERLOADED, RATE_LIMITED, ProblemError, send_problem
from app.explorer import FILES_URL
from app.metrics import Metrics

EXEMPT_PATHS = frozenset({"/health/live", "/health/ready", "/metrics"})
EXEMPT_FOLDER = "/v2/health/"
PAGE_FOLDER = f"{FILES_URL}/"
MAX_BUCKETS = 65_536
RETRY_S = 1
SLOW_DOWN = "slow_down"
"""Where the server's protocol leaves, in the state of a request, a function that holds back the next one."""


def is_exempt(path: str) -> bool:
    """Whether ``path`` is answered however much there is to do: health and metrics."""
    return path in EXEMPT_PATHS or path.startswith(EXEMPT_FOLDER)


def has_no_rate(path: str) -> bool:
    """Whether requests for ``path`` are not counted: what is exempt, and the page's files, a part of which would be no page."""
    return is_exempt(path) or path.startswith(PAGE_FOLDER)


class Admission:
    """ASGI: lets ``max_in_work`` requests through at once; ``max_waiting`` more wait in line, for a bounded time."""

    def __init__(
        self, app: ASGIApp, *, max_in_work: int, max_waiting: int, max_wait_s: float, metrics: Metrics
    ) -> None:
        self.app = app
        self._free = max_in_work
        self._max_waiting = max_waiting
        self._max_wait_s = max_wait_s
        self._metrics = metrics
        self._waiting: OrderedDict[asyncio.Future[bool], None] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_exempt(scope["path"]):
            await self.app(scope, receive, send)
            return
        if self._free:
            self._free -= 1
        elif not await self._wait():
            detail = "too many requests are waiting; ask again later"
            await _send_away(ProblemError(OVERLOADED, detail), RETRY_S, scope, receive, send)
            return
        try:
            await self.app(scope, receive, send)
        finally:
            self._hand_over()

    async def _wait(self) -> bool:
        """Stand in line; whether there is a place now."""
        if len(self._waiting) >= self._max_waiting:
            return False
        loop = asyncio.get_running_loop()
        place: asyncio.Future[bool] = loop.create_future()
        self._waiting[place] = None
        self._metrics.waiting.inc()
        timer = loop.call_later(self._max_wait_s, self._give_up, place)
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.result():
                self._hand_over()
            raise
        finally:
            timer.cancel()
            self._waiting.pop(place, None)
            self._metrics.waiting.dec()

    def _give_up(self, place: asyncio.Future[bool]) -> None:
        self._waiting.pop(place, None)
        if not place.done():
            place.set_result(False)

    def _hand_over(self) -> None:
        """The place of a request that is answered goes to the one that has waited longest."""
        while self._waiting:
            place, _ = self._waiting.popitem(last=False)
            if not place.done():
                place.set_result(True)
                return
        self._free += 1


class RateLimit:
    """ASGI: each key, or each client address where there is no key, may send ``rate`` requests a second, ``burst`` at once.

    A token bucket each, in this process; the ones that were not used for longest are forgotten where there are too many.
    """

    def __init__(
        self, app: ASGIApp, *, rate: int, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.app = app
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not has_no_rate(scope["path"]):
            wait_s = self._take(_tell_client(scope))
            if wait_s:
                seconds = math.ceil(wait_s)
                detail = f"more than {self._rate} requests a second; ask again in {seconds} s"
                await _send_away(ProblemError(RATE_LIMITED, detail), seconds, scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _take(self, client: str) -> float:
        """Take a token of ``client``: 0.0, or the seconds until it has one again."""
        now = self._clock()
        tokens, before = self._buckets.pop(client, (float(self._burst), now))
        tokens = min(float(self._burst), tokens + (now - before) * self._rate)
        granted = tokens >= 1.0
        self._buckets[client] = (tokens - granted, now)
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        return 0.0 if granted else (1.0 - tokens) / self._rate


async def _send_away(problem: ProblemError, seconds: int, scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse for ``seconds``. A connection that asks again sooner is not read before, so that refusals stay few."""
    problem.headers = {"retry-after": str(seconds)}
    if slow_down := scope.get("state", {}).get(SLOW_DOWN):
        slow_down(float(seconds))
    await send_problem(problem, scope, receive, send)


def _tell_client(scope: Scope) -> str:
    """Who asks: the name of the key, else the address; of an IPv6 address the half that a network is given."""
    key = scope.get("state", {}).get("key")
    if key is not None:
        return f"key {key.name}"
    host = str((scope.get("client") or ("",))[0])
    if ":" not in host:
        return host
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    return str(address.ipv4_mapped or ipaddress.IPv6Network((address, 64), strict=False))
