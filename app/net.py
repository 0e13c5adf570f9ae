"""The outermost layer: request ids, counting, the line in the log, and the last net under everything that may fail."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from functools import partial
from random import getrandbits
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.draining import Draining
from app.errors import INTERNAL_ERROR, OVERLOADED, ProblemError, send_problem
from app.logs import ACCESS_LOGGER, request_id
from app.metrics import NO_ROUTE, Metrics

REQUEST_ID = b"x-request-id"
GONE = 499
"""The status that is counted where the client had gone before it was answered."""
_REQUEST_ID_FORM = re.compile(rb"[A-Za-z0-9._-]{1,64}\Z")

logger = logging.getLogger(__name__)
access_logger = logging.getLogger(ACCESS_LOGGER)


class Net:
    """ASGI: gives each request an id, counts it, and answers what nothing else answered, without its details."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        draining: Draining,
        access: bool,
        dress: Callable[[ASGIApp], ASGIApp],
    ) -> None:
        self.app = app
        self.metrics = metrics
        self.draining = draining
        self.access = access
        """Whether each request gets a line in the log."""
        self.dress = dress
        """Gives an answer of this layer what the layers within give to theirs."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = perf_counter()
        known = _choose_id(scope)
        request_id.set(known.decode())
        status = sent_bytes = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status, sent_bytes
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message.get("headers", ()), (REQUEST_ID, known)]
                if self.draining.begun:
                    headers.append((b"connection", b"close"))
                message = {**message, "headers": headers}
            else:
                sent_bytes += len(message.get("body", b""))
            await send(message)

        async def answer(problem: ProblemError) -> None:
            await self.dress(partial(send_problem, problem))(scope, receive, send_with_id)

        self.metrics.in_flight.inc()
        try:
            await self.app(scope, receive, send_with_id)
        except asyncio.CancelledError:
            # The server stops, and has waited for this request as long as it was told to.
            if not self.draining.begun or status:
                raise
            await answer(ProblemError(OVERLOADED, "the server is stopping"))
        except Exception:
            # The path may hold anything: ascii() keeps it on one line of the log.
            logger.exception("request %s failed: %s %a", known.decode(), scope["method"], scope["path"][:200])
            if status:
                raise
            await answer(
                ProblemError(INTERNAL_ERROR, f"the server's log has the cause under request {known.decode()}")
            )
        finally:
            self.metrics.in_flight.dec()
            seconds = perf_counter() - began
            route = getattr(scope.get("route"), "path", NO_ROUTE)
            self.metrics.count_request(scope["method"], route, status or GONE, seconds)
            if self.access:
                _write(
                    scope, known, route=route, status=status or GONE, seconds=seconds, sent_bytes=sent_bytes
                )


def _choose_id(scope: Scope) -> bytes:
    """The id that was sent, where it is harmless, else a new one."""
    for name, value in scope["headers"]:
        if name == REQUEST_ID and _REQUEST_ID_FORM.match(value):
            sent: bytes = value
            return sent
    # Told apart, not kept secret.
    return b"%016x" % getrandbits(64)


def _write(scope: Scope, known: bytes, *, route: str, status: int, seconds: float, sent_bytes: int) -> None:
    client = scope.get("client")
    key = scope.get("state", {}).get("key")
    fields = {
        "request_id": known.decode(),
        "method": scope["method"][:20],
        "route": route,
        "status": status,
        "duration_ms": round(1_000 * seconds, 3),
        "bytes": sent_bytes,
        "client": client[0] if client else None,
        "key": key.name if key else None,
    }
    access_logger.info("request", extra={"fields": fields})
