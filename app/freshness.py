"""Answers that clients and caches may keep: ETag, Cache-Control, and 304 where the client has the answer already.

A version never changes, so neither does an answer to a question that names one: it may be kept for a year. Any other answer
may be kept too, but must be asked after each time; its ETag, made of its bytes, tells whether it is still the same.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from hashlib import blake2b
from typing import Any, ClassVar

from fastapi import Request, Response
from starlette.types import Scope

from app.bodies import StrictRoute

FOREVER = b"max-age=31536000, immutable"
ASK_AGAIN = b"no-cache"
_RESPONSES: dict[int, dict[str, Any]] = {
    200: {
        "headers": {
            "etag": {
                "schema": {"type": "string"},
                "description": "Stands for these bytes: sent back as `If-None-Match`, it asks whether they are still the answer.",
            },
            "cache-control": {
                "schema": {"type": "string"},
                "description": "`no-cache`: ask each time. `immutable`: the version was named, and its answers stay.",
            },
        }
    },
    304: {"description": "The client has this answer: `If-None-Match` names its `etag`"},
}
_ETAG_BYTES = 12


class FreshRoute(StrictRoute):
    """A route whose answers to GET carry an ETag, and must be asked after each time."""

    keeps_versions: ClassVar[bool] = False

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        if "GET" in (options.get("methods") or ()):
            options["responses"] = _add_responses(options.get("responses") or {})
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of a StrictRoute, with what it answers marked."""
        handle = super().get_route_handler()
        if "GET" not in (self.methods or ()):
            return handle
        keeps_versions = self.keeps_versions

        async def handle_marked(request: Request) -> Response:
            response = await handle(request)
            if response.status_code != 200 or not isinstance(getattr(response, "body", None), bytes):
                return response
            query: bytes = request.scope["query_string"]
            named = keeps_versions and (query.startswith(b"version=") or b"&version=" in query)
            return mark(request, response, forever=named)

        return handle_marked


class VersionedRoute(FreshRoute):
    """The same for answers that come from one version alone: where the request names it, they may be kept."""

    keeps_versions: ClassVar[bool] = True


def _add_responses(responses: Mapping[int | str, dict[str, Any]]) -> dict[int | str, dict[str, Any]]:
    """What a route documents of its answers, and that they are marked."""
    added = dict(responses)
    for status, told in _RESPONSES.items():
        given = added.get(status, {})
        headers = {**given.get("headers", {}), **told.get("headers", {})}
        added[status] = {**told, **given, **({"headers": headers} if headers else {})}
    return added


def mark(request: Request, response: Response, *, forever: bool) -> Response:
    """``response`` with the headers of a cache; 304 instead where the request says that the client has it."""
    marks = list_marks(bytes(response.body), forever=forever)
    if has_it(request.scope, marks):
        kept = Response(status_code=304)
        kept.raw_headers = [*(pair for pair in response.raw_headers if pair[0] == b"vary"), *marks]
        return kept
    response.raw_headers += marks
    return response


def list_marks(body: bytes, *, forever: bool) -> list[tuple[bytes, bytes]]:
    """The headers of a cache for an answer: its tag, and how long it may be kept."""
    etag = b'"%b"' % blake2b(body, digest_size=_ETAG_BYTES).hexdigest().encode()
    return [(b"etag", etag), (b"cache-control", FOREVER if forever else ASK_AGAIN)]


def has_it(scope: Scope, marks: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether the request says that the client has the answer with these marks."""
    etag = marks[0][1]
    return any(name == b"if-none-match" and _matches(value, etag) for name, value in scope["headers"])


def _matches(condition: bytes, etag: bytes) -> bool:
    """If-None-Match as RFC 9110 section 13.1.2 has it: a list of tags, weak ones like strong ones, or ``*``."""
    tags = [tag.strip().removeprefix(b"W/") for tag in condition.split(b",")]
    return etag in tags or tags == [b"*"]
