"""The commonest question, GET /similar?word=, answered by reading a row of a neighbours table: microseconds, before routing.

What is answered here is exactly what the route answers. Whatever is not plain (an unknown word, a parameter that must be
refused, a model without a table, more results than it holds) goes on to the route, which also documents this address.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json
from starlette.types import ASGIApp, Receive, Scope, Send

from app.catalog import Catalog, Served, Shelf
from app.errors import ProblemError
from app.plain_queries import PlainRoute, read_name, read_parameters, read_text, read_top, send_json
from app.schemas import MAX_WORD_CHARACTERS, SCORE_DECIMALS, SimilarParameters

PATH = "/similar"
DEFAULT_TOP: int = SimilarParameters.model_fields["top"].default
_NAMES = frozenset({b"word", b"top", b"model", b"version"})
_ROUTE = PlainRoute(PATH)


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of a plain question."""

    word: str
    top: int
    model: str | None
    version: str | None


class TableAnswers:
    """ASGI: answers GET /similar where a table has the answer, and hands everything else on."""

    def __init__(self, app: ASGIApp, *, max_top: int) -> None:
        self.app = app
        self._max_top = max_top
        self._shelf: Shelf | None = None
        self._tables: dict[str | None, Served] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        asked = read_plainly(scope["query_string"], max_top=self._max_top)
        served = asked and self._find_served(scope["app"].state.catalog, asked)
        found = served and asked and served.embedding.recall(asked.word, top=asked.top)
        if not (asked and served and found):
            await self.app(scope, receive, send)
            return
        scope["route"] = _ROUTE
        body = to_json(_describe(served, *found))
        await send_json(scope, send, body, forever=asked.version is not None)

    def _find_served(self, catalog: Catalog, asked: Asked) -> Served | None:
        """The open model with a table that answers; None where there is none, or where it must be opened first."""
        shelf = catalog.shelf
        if shelf is not self._shelf:
            self._shelf, self._tables = shelf, _find_tables(catalog, shelf)
        served = self._tables.get(asked.model)
        return served if served and asked.version in (None, served.version) else None


def _find_tables(catalog: Catalog, shelf: Shelf) -> dict[str | None, Served]:
    """The served models that have a table, by name; the one that answers where none is named stands under None too."""
    embeddings = [shelf.served[name] for name in shelf.names("embedding")]
    tables: dict[str | None, Served] = {
        served.name: served for served in embeddings if served.embedding.neighbours is not None
    }
    with suppress(ProblemError):
        chosen = catalog.find("embedding")
        if tables.get(chosen.name) is chosen:
            tables[None] = chosen
    return tables


def read_plainly(query: bytes, *, max_top: int) -> Asked | None:
    """The parameters in a query string; None where they are to be read, and perhaps refused, by the route."""
    values = read_parameters(query, _NAMES)
    if values is None:
        return None
    word = read_text(values.get(b"word", b""))
    top = read_top(values.get(b"top"), default=DEFAULT_TOP, most=max_top)
    if not word or len(word) > MAX_WORD_CHARACTERS or top is None:
        return None
    return Asked(word, top, read_name(values.get(b"model")), read_name(values.get(b"version")))


def _describe(served: Served, words: list[str], scores: list[float]) -> dict[str, Any]:
    results = [
        {"word": word, "score": round(score, SCORE_DECIMALS)}
        for word, score in zip(words, scores, strict=True)
    ]
    return {"model": served.name, "version": served.version, "results": results}
