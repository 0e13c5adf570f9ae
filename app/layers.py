"""The layers before the routes, in their order. Each is plain ASGI, and there only where it has something to do."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.types import ASGIApp

from app.admission import Admission, RateLimit
from app.guards import Limits
from app.keys import KeyGate
from app.logs import writes_access
from app.net import Net
from app.next_answers import NextAnswers
from app.openai_errors import OpenAIErrors
from app.origins import share_with
from app.settings import Settings
from app.table_answers import TableAnswers
from app.vector_answers import VectorAnswers


def add_layers(app: FastAPI, settings: Settings) -> None:
    """Put the layers before the routes of ``app``, whose state has ``keys``, ``metrics`` and ``draining``.

    From outside: the net (id, count, log), other origins, OpenAI's errors, the key, the rate, the body, the turn, the tables
    of neighbours, plain questions for vectors, plain questions for the next word. So nothing is read of a request without a
    key, and no place is taken while a body arrives. InputError for origins that are none.
    """
    share = share_with(settings)

    def dress(answer: ASGIApp) -> ASGIApp:
        """An answer of the outermost layer, as the layers within would send it."""
        answer = OpenAIErrors(answer)
        return share(answer) if share else answer

    # The layer that is added last stands outermost.
    app.add_middleware(NextAnswers, settings=settings)
    app.add_middleware(VectorAnswers, settings=settings)
    app.add_middleware(TableAnswers, max_top=settings.max_top)
    app.add_middleware(
        Admission,
        max_in_work=settings.max_in_work,
        max_waiting=settings.max_waiting,
        max_wait_s=settings.max_wait_seconds,
        metrics=app.state.metrics,
    )
    app.add_middleware(
        Limits,
        max_body_bytes=settings.max_body_bytes,
        max_held_bytes=settings.max_held_bytes,
        body_timeout_s=settings.body_timeout_seconds,
        metrics=app.state.metrics,
    )
    if settings.rate_limit:
        burst = settings.rate_burst or settings.rate_limit
        app.add_middleware(RateLimit, rate=settings.rate_limit, burst=burst)
    if app.state.keys:
        app.add_middleware(KeyGate, ring=app.state.keys)
    app.add_middleware(OpenAIErrors)
    if share:
        app.add_middleware(share)
    app.add_middleware(
        Net,
        metrics=app.state.metrics,
        draining=app.state.draining,
        access=writes_access(settings),
        dress=dress,
    )
