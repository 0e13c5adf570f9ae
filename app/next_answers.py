"""GET /next answered before routing where the question is plain: of ten milliseconds, the way through the routes takes one.

What is answered here is exactly what the route answers, by the same functions. Whatever is not plain (a prefix, a parameter
that must be refused, a version that must be opened first) goes on to the route, which also documents this address.
"""

from __future__ import annotations

from pydantic_core import to_json
from starlette.types import ASGIApp, Receive, Scope, Send

from app.batching import Batcher
from app.errors import ProblemError, translate
from app.language_answers import tell_next
from app.language_questions import ask_next
from app.language_schemas import NextParameters
from app.plain_queries import PlainQuery, send_json
from app.plain_routes import PlainRoute, find_open
from app.settings import Settings
from artifact.errors import WordkinError

ROUTE = PlainRoute("GET", "/next")
DEFAULT_TOP: int = NextParameters.model_fields["top"].default


class NextAnswers:
    """ASGI: answers plain questions for the next word, and hands everything else on."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self.app = app
        self._query = PlainQuery(
            b"text",
            default_top=DEFAULT_TOP,
            most_top=settings.max_top,
            most_characters=settings.max_text_characters,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = self._query.read(scope["query_string"]) if ROUTE.takes(scope) else None
        if asked is None:
            await self.app(scope, receive, send)
            return
        state = scope["app"].state
        served = find_open(state.catalog, "language-model", model=asked.model, version=asked.version)
        if served is None:
            await self.app(scope, receive, send)
            return
        scope["route"] = ROUTE
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
