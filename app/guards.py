"""Limits on what one request may be: its address, its body, the time that the body takes, and how much it may ask for."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import (
    BODY_TOO_LARGE,
    OVERLOADED,
    REQUEST_TIMEOUT,
    URI_TOO_LONG,
    ProblemError,
    refuse,
    send_problem,
)
from app.metrics import Metrics
from app.settings import Settings

MAX_URI_BYTES = 16_384
MAX_LENGTH_DIGITS = 18
# What is left of a body is not read, so the connection cannot be used again.
HANG_UP = {"connection": "close"}


def check_top(top: int, settings: Settings, *, where: str) -> None:
    """Refuse a ``top`` above the limit of this server; ``where`` is "query" or "body"."""
    if top > settings.max_top:
        message = f"Input should be at most {settings.max_top}"
        raise refuse([([where, "top"], message)], limit=settings.max_top)


def check_words(settings: Settings, *fields: tuple[str, int]) -> None:
    """Refuse more words in one body, over all its ``fields`` (name and count), than this server takes."""
    if sum(count for _, count in fields) > settings.max_words:
        message = f"At most {settings.max_words} words can be asked for in one request"
        raise refuse([(["body", name], message) for name, count in fields if count], limit=settings.max_words)


class Limits:
    """ASGI: refuses addresses and bodies over their limits, a body without a stated length once it has grown too far.

    Bodies are read here, before anything waits for its turn, so that a client that sends slowly holds up nobody; what all
    bodies together may take is bounded too. Also lets HEAD through as GET; the server leaves the body out.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_body_bytes: int,
        max_held_bytes: int,
        body_timeout_s: float,
        metrics: Metrics,
    ) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes
        self.max_held_bytes = max_held_bytes
        self.body_timeout_s = body_timeout_s
        self.metrics = metrics
        self._held_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        chunks: list[bytes] = []
        try:
            if self._expects_body(scope):
                if not await self._read(receive, chunks):
                    return
                receive = _replay(b"".join(chunks), receive)
        except ProblemError as problem:
            self._hold(-sum(map(len, chunks)))
            await send_problem(problem, scope, receive, send)
            return
        inner = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        try:
            await self.app(inner, receive, send)
        finally:
            if inner is not scope:
                scope["route"] = inner.get("route")
            if chunks:
                self._hold(-sum(map(len, chunks)))

    def _expects_body(self, scope: Scope) -> bool:
        """Whether a body follows the head. ProblemError for an address or a stated length over the limit."""
        if len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"]) > MAX_URI_BYTES:
            detail = f"an address may be {MAX_URI_BYTES} bytes long; POST takes longer questions"
            raise ProblemError(URI_TOO_LONG, detail, limit=MAX_URI_BYTES)
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit():
                if len(value) > MAX_LENGTH_DIGITS or int(value) > self.max_body_bytes:
                    raise self._too_large()
                return int(value) > 0
            if name == b"transfer-encoding":
                return True
        return False

    async def _read(self, receive: Receive, chunks: list[bytes]) -> bool:
        """Add the whole body to ``chunks``; False where the client went away. ProblemError where it goes too far."""
        received = 0
        try:
            async with asyncio.timeout(self.body_timeout_s):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        self._hold(-received)
                        return False
                    if chunk := message.get("body", b""):
                        chunks.append(chunk)
                        received += len(chunk)
                        self._hold(len(chunk))
                        if received > self.max_body_bytes:
                            raise self._too_large()
                        if self._held_bytes > self.max_held_bytes:
                            detail = "too many bodies are held; ask again later"
                            raise ProblemError(OVERLOADED, detail, headers={**HANG_UP, "retry-after": "1"})
                    if not message.get("more_body", False):
                        return True
        except TimeoutError:
            detail = f"the body did not arrive within {self.body_timeout_s:g} seconds"
            raise ProblemError(REQUEST_TIMEOUT, detail, headers=HANG_UP) from None

    def _hold(self, count: int) -> None:
        self._held_bytes += count
        self.metrics.bodies_bytes.inc(count)

    def _too_large(self) -> ProblemError:
        detail = f"a body may be {self.max_body_bytes} bytes long"
        return ProblemError(BODY_TOO_LARGE, detail, headers=HANG_UP, limit=self.max_body_bytes)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A ``receive`` that gives ``body`` and then goes on as the one that it was read from."""
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
