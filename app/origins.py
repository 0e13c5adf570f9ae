"""Pages of other origins: which may ask (CORS), and what they may read of an answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from app.settings import Settings
from artifact.errors import InputError

METHODS = ("GET", "HEAD", "POST", "DELETE")
REQUEST_HEADERS = ("Authorization", "Content-Type", "X-API-Key", "X-Request-Id", "If-None-Match")
ANSWER_HEADERS = ("X-Request-Id", "ETag", "Retry-After", "WWW-Authenticate")
_ORIGIN_FORM = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?\Z")


def list_origins(text: str) -> list[str]:
    """The origins in a comma-separated list; InputError for what is none. Browsers send them without a slash at the end."""
    origins = [part.strip() for part in text.split(",") if part.strip()]
    for origin in origins:
        if origin != "*" and not _ORIGIN_FORM.match(origin):
            raise InputError(f"--cors-origins: {origin[:100]!a} is not an origin such as https://example.org")
    return [origin.lower() for origin in origins]


def share_with(settings: Settings) -> Callable[[ASGIApp], ASGIApp] | None:
    """The ASGI layer that lets pages of ``--cors-origins`` read the answers, or None where there are no such origins.

    Cookies are not allowed: a page that has a key sends it in a header.
    """
    origins = list_origins(settings.cors_origins)
    if not origins:
        return None
    return partial(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=METHODS,
        allow_headers=REQUEST_HEADERS,
        expose_headers=ANSWER_HEADERS,
        max_age=600,
    )
