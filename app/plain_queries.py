"""Plain questions in a query string, read before routing: what must be refused is left to the route."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote_to_bytes

from starlette.types import Scope, Send

from app.answers import JSON
from app.freshness import has_it, list_marks

_JSON = (b"content-type", JSON.encode())
_PLAIN_NUMBER = re.compile(rb"[1-9][0-9]{0,5}\Z")


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of a plain question."""

    text: str
    top: int
    model: str | None
    version: str | None


@dataclass(frozen=True)
class PlainQuery:
    """What a plain question may ask: a text under the name ``about``, ``top``, ``model`` and ``version``, each once."""

    about: bytes
    default_top: int
    most_top: int
    most_characters: int

    def read(self, query: bytes) -> Asked | None:
        """The parameters in a query string; None where they are to be read, and perhaps refused, by the route."""
        values = read_parameters(query, self._names)
        if values is None or self.about not in values:
            return None
        text = read_text(values[self.about])
        top = read_top(values.get(b"top"), default=self.default_top, most=self.most_top)
        if text is None or len(text) > self.most_characters or top is None:
            return None
        return Asked(text, top, read_name(values.get(b"model")), read_name(values.get(b"version")))

    @cached_property
    def _names(self) -> frozenset[bytes]:
        return frozenset({self.about, b"top", b"model", b"version"})


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
