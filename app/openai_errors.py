"""Errors under /v1 in the shape that OpenAI's clients read. The rest of the server knows problem+json alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import (
    EMPTY_QUERY,
    FORBIDDEN,
    INTERNAL_ERROR,
    INVALID_REQUEST,
    MEDIA_TYPE,
    MODEL_UNAVAILABLE,
    OVERLOADED,
    RATE_LIMITED,
    UNAUTHORIZED,
    UNKNOWN_MODEL,
    UNKNOWN_WORD,
    WRONG_KIND,
    ProblemType,
)
from app.openai_schemas import OpenAIError
from app.openapi import document

PREFIX = "/v1/"
# What OpenAI has a status and a code of its own for: the status, its `type` and its `code`.
_KNOWN: dict[str, tuple[int, str, str]] = {
    problem.uri: told
    for problem, told in {
        UNAUTHORIZED: (401, "invalid_request_error", "invalid_api_key"),
        FORBIDDEN: (403, "invalid_request_error", "insufficient_permissions"),
        UNKNOWN_MODEL: (404, "invalid_request_error", "model_not_found"),
        UNKNOWN_WORD: (400, "invalid_request_error", "unknown_words"),
        WRONG_KIND: (400, "invalid_request_error", "wrong_kind"),
        EMPTY_QUERY: (400, "invalid_request_error", "empty_input"),
        INVALID_REQUEST: (400, "invalid_request_error", "invalid_value"),
        RATE_LIMITED: (429, "rate_limit_error", "rate_limit_exceeded"),
        INTERNAL_ERROR: (500, "server_error", "internal_error"),
        OVERLOADED: (503, "server_error", "overloaded"),
        MODEL_UNAVAILABLE: (503, "server_error", "model_unavailable"),
    }.items()
}
_PARAMETERS = {
    UNKNOWN_MODEL.uri: "model",
    WRONG_KIND.uri: "model",
    UNKNOWN_WORD.uri: "input",
    EMPTY_QUERY.uri: "input",
}


def rephrase(problem: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """The status and the body that OpenAI would give where this server gives ``problem``."""
    uri = problem["type"]
    status, kind, code = _KNOWN.get(uri, (problem["status"], "", ""))
    if not kind:
        kind = "server_error" if status >= 500 else "invalid_request_error"
        code = uri.rpartition(":")[2].replace("-", "_") if uri != "about:blank" else ""
    error = {
        "message": problem["detail"],
        "type": kind,
        "param": _PARAMETERS.get(uri) or _name_parameter(problem),
        "code": code or None,
    }
    return status, {"error": error}


def document_openai(*problems: ProblemType) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route under /v1 that may answer with these problems, besides those that every route may."""
    documented: dict[int | str, dict[str, Any]] = {}
    for told in document(*problems).values():
        for slug, example in told["content"][MEDIA_TYPE]["examples"].items():
            status, value = rephrase(example["value"])
            answer = documented.setdefault(status, {"description": [], "model": OpenAIError, "content": {}})
            answer["description"].append(example["summary"])
            content = answer["content"].setdefault("application/json", {"examples": {}})
            content["examples"][slug] = {"summary": example["summary"], "value": value}
    for answer in documented.values():
        answer["description"] = "; ".join(dict.fromkeys(answer["description"]))
    return dict(sorted(documented.items(), key=lambda item: int(item[0])))


class OpenAIErrors:
    """ASGI, the outermost layer: what any layer or route under /v1 answers as problem+json leaves in OpenAI's shape."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            await self.app(scope, receive, _Translation(send).send)
        else:
            await self.app(scope, receive, send)


class _Translation:
    """One answer on its way out, held back where it is a problem until all of it is there."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if headers.get("content-type") == MEDIA_TYPE:
                self._start = message
                return
        elif self._start is not None:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._finish(self._start)
            return
        await self._send(message)

    async def _finish(self, start: Message) -> None:
        status, answer = rephrase(json.loads(self._body))
        body = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "backslashreplace"
        )
        headers = MutableHeaders(scope=start)
        headers["content-type"] = "application/json"
        headers["content-length"] = str(len(body))
        await self._send({**start, "status": status})
        await self._send({"type": "http.response.body", "body": body})


def _name_parameter(problem: Mapping[str, Any]) -> str | None:
    """The field that is wrong, where the problem tells."""
    for error in problem.get("errors", []):
        location = error["location"]
        if len(location) > 1:
            return str(location[1])
    return None
