"""GET /next answered before routing where the question is plain: of ten milliseconds, the way through the routes takes one.

What is answered here is exactly what the route answers, by the same functions. Whatever is not plain (a prefix, a parameter
that must be refused, a version that must be opened first) goes on to the route, which also documents this address.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic_core import to_json
from starlette.types import ASGIApp, Receive, Scope, Send

from app.batching import Batcher
from app.errors import ProblemError, translate
from app.language_answers import tell_next
from app.language_questions import ask_next
from app.language_schemas import NextParameters
from app.plain_queries import (
    PlainRoute,
    find_open,
    read_name,
    read_parameters,
    read_text,
    read_top,
    send_json,
)
from app.settings import Settings
from artifact.errors import WordkinError

PATH = "/next"
DEFAULT_TOP: int = NextParameters.model_fields["top"].default
_NAMES = frozenset({b"text", b"top", b"model", b"version"})
_ROUTE = PlainRoute(PATH)


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of a plain question."""

    text: str
    top: int
    model: str | None
    version: str | None


class NextAnswers:
    """ASGI: answers plain questions for the next word, and hands everything else on."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self.app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        state = scope["app"].state
        asked = read_plainly(scope["query_string"], self._settings)
        served = asked and find_open(
            state.catalog, "language-model", model=asked.model, version=asked.version
        )
        if not (asked and served):
            await self.app(scope, receive, send)
            return
        scope["route"] = _ROUTE
        model = served.language_model
        batcher: Batcher = state.batcher
        question = ask_next(model, asked.text, kept=batcher.kept, top=asked.top, prefix="", mixture=True)
        try:
            answer = await batcher.answer(question)
        except ProblemError as problem:
            await problem.respond()(scope, receive, send)
            return
        except WordkinError as error:
            await translate(error).respond()(scope, receive, send)
            return
        told = {"model": served.name, "version": served.version, **tell_next(model, answer, mixture=True)}
        await send_json(scope, send, to_json(told), forever=asked.version is not None)


def read_plainly(query: bytes, settings: Settings) -> Asked | None:
    """The parameters in a query string; None where they are to be read, and perhaps refused, by the route."""
    values = read_parameters(query, _NAMES)
    if values is None or b"text" not in values:
        return None
    text = read_text(values[b"text"])
    top = read_top(values.get(b"top"), default=DEFAULT_TOP, most=settings.max_top)
    if text is None or len(text) > settings.max_text_characters or top is None:
        return None
    return Asked(text, top, read_name(values.get(b"model")), read_name(values.get(b"version")))
