"""What stands before the routes: request ids, limits on size, and the last net under everything that may fail."""

from __future__ import annotations

import logging
import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import BODY_TOO_LARGE, INTERNAL_ERROR, URI_TOO_LONG, ProblemError, refuse
from app.settings import Settings

MAX_URI_BYTES = 16_384
REQUEST_ID = "x-request-id"
_REQUEST_ID_FORM = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")

logger = logging.getLogger(__name__)


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


class Net:
    """The outermost layer: gives each request an id, and answers what nothing else answered, without its details."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        asked = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = asked if _REQUEST_ID_FORM.match(asked) else secrets.token_hex(8)
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except Exception:
            # The path may hold anything: ascii() keeps it on one line of the log.
            logger.exception("request %s failed: %s %a", request_id, scope["method"], scope["path"][:200])
            if started:
                raise
            problem = ProblemError(
                INTERNAL_ERROR, f"the server's log has the cause under request {request_id}"
            )
            await problem.respond()(scope, receive, send_with_id)


class Limits:
    """Refuses addresses and bodies over their limits, a body without a stated length as soon as it has grown too far.

    Also lets HEAD through as GET; the server leaves the body out.
    """

    def __init__(self, app: ASGIApp, *, max_body_bytes: int) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        uri_bytes = len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"])
        if uri_bytes > MAX_URI_BYTES:
            detail = f"an address may be {MAX_URI_BYTES} bytes long; POST takes longer questions"
            problem = ProblemError(URI_TOO_LONG, detail, limit=MAX_URI_BYTES)
            await problem.respond()(scope, receive, send)
            return
        stated = Headers(scope=scope).get("content-length", "0")
        if stated.isascii() and stated.isdigit() and (len(stated) > 18 or int(stated) > self.max_body_bytes):
            await self._too_large().respond()(scope, receive, send)
            return
        received = 0

        async def receive_some() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_body_bytes:
                raise self._too_large()
            return message

        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await self.app(scope, receive_some, send)

    def _too_large(self) -> ProblemError:
        detail = f"a body may be {self.max_body_bytes} bytes long"
        # What is left of the body is not read, so the connection cannot be used again.
        return ProblemError(
            BODY_TOO_LARGE, detail, headers={"connection": "close"}, limit=self.max_body_bytes
        )
