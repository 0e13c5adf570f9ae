"""Plain questions in a query string, read and answered before routing: what must be refused is left to the route."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from starlette.types import Scope, Send

from app.answers import JSON
from app.catalog import Catalog, Served
from app.errors import ProblemError
from app.freshness import has_it, list_marks
from artifact.manifest import Kind

_JSON = (b"content-type", JSON.encode())
_PLAIN_NUMBER = re.compile(rb"[1-9][0-9]{0,5}\Z")


@dataclass(frozen=True, slots=True)
class PlainRoute:
    """Stands in a scope for the route that would have answered: its ``path`` is counted and logged."""

    path: str


def read_parameters(query: bytes, names: frozenset[bytes]) -> dict[bytes, bytes] | None:
    """The values in a query string, not decoded; None where a name is not among ``names`` or stands twice."""
    if not query.isascii():
        return None
    values: dict[bytes, bytes] = {}
    for part in query.split(b"&"):
        name, equals, value = part.partition(b"=")
        if not equals or name not in names or name in values:
            return None
        values[name] = value
    return values


def read_text(value: bytes) -> str | None:
    """The text that ``value`` encodes; None where it is none."""
    if b"%" in value or b"+" in value:
        value = unquote_to_bytes(value.replace(b"+", b" "))
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return None


def read_top(value: bytes | None, *, default: int, most: int) -> int | None:
    """The number of results that is asked for; None where it is not a plain number from 1 to ``most``."""
    if value and not _PLAIN_NUMBER.match(value):
        return None
    number = default if value is None else int(value or 0)
    return number if 1 <= number <= most else None


def read_name(value: bytes | None) -> str | None:
    """A model's or a version's name. It needs no decoding: what does is no name, and no model has it."""
    return None if value is None else value.decode("ascii")


def find_open(catalog: Catalog, kind: Kind, *, model: str | None, version: str | None) -> Served | None:
    """As Catalog.find, but None where that raises or would have to open a version."""
    try:
        served = catalog.find(kind) if model is None else catalog.shelf.served.get(model)
    except ProblemError:
        return None
    if served is None or served.kind != kind or version not in (None, served.version):
        return None
    return served


async def send_json(scope: Scope, send: Send, body: bytes, *, forever: bool) -> None:
    """Answer with ``body`` as app.freshness marks it, or with 304."""
    marks = list_marks(body, forever=forever)
    if has_it(scope, marks):
        await send({"type": "http.response.start", "status": 304, "headers": marks})
        await send({"type": "http.response.body", "body": b""})
        return
    headers = [(b"content-length", b"%d" % len(body)), _JSON, *marks]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
