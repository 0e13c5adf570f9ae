"""Errors over HTTP: one table of problem types, and one place where every exception becomes problem+json (RFC 9457).

What a client sent is not repeated to it, except the unknown words of a question, which it needs to repair it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from artifact.errors import (
    ArtifactError,
    EmptyQuery,
    InputError,
    NameRefused,
    NotFound,
    StoreError,
    UnknownWords,
    WordkinError,
    WrongKind,
)

MEDIA_TYPE = "application/problem+json"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class ProblemType:
    """A kind of error that clients can tell apart by its ``type``."""

    slug: str
    status: int
    title: str

    @property
    def uri(self) -> str:
        """The value of ``type``: a name, not an address."""
        return f"urn:wordkin:problem:{self.slug}"


MALFORMED_JSON = ProblemType("malformed-json", 400, "The body is not valid JSON")
UNAUTHORIZED = ProblemType("unauthorized", 401, "A key is needed")
FORBIDDEN = ProblemType("forbidden", 403, "The key may not do this")
UNKNOWN_WORD = ProblemType("unknown-word", 404, "A word is not in the vocabulary")
UNKNOWN_MODEL = ProblemType("unknown-model", 404, "There is no such model or version")
MODEL_CHOICE = ProblemType("model-choice", 409, "The request must say which model it asks")
WRONG_KIND = ProblemType("wrong-kind", 409, "This kind of model does not answer this question")
REQUEST_TIMEOUT = ProblemType("request-timeout", 408, "The request came too slowly")
NOT_ACCEPTABLE = ProblemType("not-acceptable", 406, "The answer has none of the forms that are accepted")
BODY_TOO_LARGE = ProblemType("body-too-large", 413, "The body is too large")
URI_TOO_LONG = ProblemType("uri-too-long", 414, "The address is too long")
UNSUPPORTED_MEDIA_TYPE = ProblemType("unsupported-media-type", 415, "The body must be JSON")
INVALID_REQUEST = ProblemType("invalid-request", 422, "The request is not valid")
EMPTY_QUERY = ProblemType("empty-query", 422, "The question has no answer")
RATE_LIMITED = ProblemType("rate-limited", 429, "Too many requests")
INTERNAL_ERROR = ProblemType("internal-error", 500, "The server failed")
OVERLOADED = ProblemType("overloaded", 503, "The server is busy")
MODEL_UNAVAILABLE = ProblemType("model-unavailable", 503, "The model cannot be served")


class ProblemError(HTTPException):
    """An error that is a problem of a known type; ``members`` are added to what every problem has."""

    def __init__(
        self, problem: ProblemType, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(status_code=problem.status, detail=detail, headers=headers)
        self.problem = problem
        self.members = members

    def describe(self) -> dict[str, Any]:
        """The members of the problem."""
        return {
            "type": self.problem.uri,
            "title": self.problem.title,
            "status": self.status_code,
            "detail": self.detail,
            **self.members,
        }

    def respond(self) -> Response:
        """The problem+json answer."""
        return respond_problem(self.describe(), headers=self.headers)


def refuse(errors: Sequence[tuple[Sequence[str | int], str]], **members: Any) -> ProblemError:
    """An invalid-request error from pairs of location and message."""
    listed = [{"location": list(location), "message": message} for location, message in errors]
    where = ".".join(map(str, errors[0][0]))
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return ProblemError(INVALID_REQUEST, f"{where}: {errors[0][1]}{more}", errors=listed, **members)


def respond_problem(body: Mapping[str, Any], *, headers: Mapping[str, str] | None = None) -> Response:
    """``body`` as problem+json with the status that it names."""
    # A lone surrogate, which UTF-8 cannot hold, is written as the JSON escape that it would be.
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    return Response(content, status_code=body["status"], media_type=MEDIA_TYPE, headers=dict(headers or {}))


def respond_plain(status: HTTPStatus, detail: str, *, headers: Mapping[str, str] | None = None) -> Response:
    """A problem without a type of its own, which would say no more than the status does."""
    body = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    return respond_problem(body, headers=headers)


async def send_problem(problem: ProblemError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request with ``problem`` from outside the routes, as the ASGI layers before them do."""
    await problem.respond()(scope, receive, send)


def translate(error: WordkinError) -> ProblemError:
    """The HTTP face of an error from the artifact package."""
    match error:
        case UnknownWords():
            # Words may hold anything; the sentence about them stays one readable line.
            detail = "".join(character if character.isprintable() else "\ufffd" for character in str(error))
            return ProblemError(UNKNOWN_WORD, detail, oov=error.oov, suggestions=error.suggestions)
        case EmptyQuery():
            return ProblemError(EMPTY_QUERY, str(error))
        case WrongKind():
            return ProblemError(WRONG_KIND, str(error))
        case NotFound():
            return ProblemError(UNKNOWN_MODEL, str(error))
        case NameRefused() | InputError():
            return ProblemError(INVALID_REQUEST, str(error))
        case ArtifactError() | StoreError():
            return ProblemError(MODEL_UNAVAILABLE, str(error))
        case _:
            return ProblemError(INTERNAL_ERROR, "the server's log has the cause")


def install_handlers(app: FastAPI) -> None:
    """Turn every exception that a route may raise into problem+json. What is unforeseen, the outer guard answers."""
    for kind in (WordkinError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _answer)


async def _answer(request: Request, error: Exception) -> Response:
    match error:
        case ProblemError():
            return error.respond()
        case WordkinError():
            if isinstance(error, UnknownWords):
                request.app.state.metrics.count_unknown_words(len(error.oov))
            return translate(error).respond()
        case RequestValidationError():
            return refuse([_describe(item) for item in error.errors()]).respond()
        case HTTPException():
            return _answer_plain(request, error)
        case _:
            raise error


def _answer_plain(request: Request, error: HTTPException) -> Response:
    """Problem+json for what Starlette and FastAPI raise themselves."""
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = "there is nothing at this address; /docs lists what there is"
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["allow"] = ", ".join(_list_methods(request))
        detail = f"this address answers to {headers['allow']}"
    else:
        detail = error.detail
    return respond_plain(HTTPStatus(error.status_code), detail, headers=headers)


def _describe(item: Mapping[str, Any]) -> tuple[list[str | int], str]:
    """Location and message of one validation error, without anything that the client sent."""
    # Tags, as <word>, tell the members of a union apart; they stand nowhere in the request.
    parts = item["loc"][:-1] if item["type"] == "extra_forbidden" else item["loc"]
    location = [part for part in parts if not str(part).startswith("<")]
    match item["type"]:
        case "extra_forbidden":
            # The last part was a name that the client made up.
            return location, "Unknown field; /docs lists the fields of this address"
        case "missing" if location == ["body"]:
            return location, "A JSON body is required"
        case "model_attributes_type" | "model_type" | "dict_type":
            return location, "Input should be a JSON object"
        case "string_pattern_mismatch":
            return location, "1 to 64 of A-Z a-z 0-9 . _ - are allowed, beginning with a letter or digit"
        case _:
            return location, str(item["msg"])


def _list_methods(request: Request) -> list[str]:
    # Starlette names the methods of the first route only, where several share an address.
    allowed = [
        method
        for method in _METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]
    return sorted([*allowed, "HEAD"] if "GET" in allowed else allowed)
