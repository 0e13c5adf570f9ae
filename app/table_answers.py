"""The commonest question, GET /similar?word=, answered by reading a row of a neighbours table: microseconds, before routing.

What is answered here is exactly what the route answers. Whatever is not plain (an unknown word, a parameter that must be
refused, a model without a table, more results than it holds) goes on to the route, which also documents this address.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from pydantic_core import to_json
from starlette.types import ASGIApp, Receive, Scope, Send

from app.catalog import Catalog, Served, Shelf
from app.errors import ProblemError
from app.plain_queries import Asked, PlainQuery, send_json
from app.plain_routes import PlainRoute
from app.schemas import MAX_WORD_CHARACTERS, SCORE_DECIMALS, SimilarParameters

ROUTE = PlainRoute("GET", "/similar")
DEFAULT_TOP: int = SimilarParameters.model_fields["top"].default


class TableAnswers:
    """ASGI: answers GET /similar where a table has the answer, and hands everything else on."""

    def __init__(self, app: ASGIApp, *, max_top: int) -> None:
        self.app = app
        self._query = PlainQuery(
            b"word", default_top=DEFAULT_TOP, most_top=max_top, most_characters=MAX_WORD_CHARACTERS
        )
        self._shelf: Shelf | None = None
        self._tables: dict[str | None, Served] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = self._query.read(scope["query_string"]) if ROUTE.takes(scope) else None
        served = asked and self._find_served(scope["app"].state.catalog, asked)
        # The empty word is refused by the route, in whatever vocabulary.
        found = served and asked and asked.text and served.embedding.recall(asked.text, top=asked.top)
        if not (asked and served and found):
            await self.app(scope, receive, send)
            return
        scope["route"] = ROUTE
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


def _describe(served: Served, words: list[str], scores: list[float]) -> dict[str, Any]:
    results = [
        {"word": word, "score": round(score, SCORE_DECIMALS)}
        for word, score in zip(words, scores, strict=True)
    ]
    return {"model": served.name, "version": served.version, "results": results}
