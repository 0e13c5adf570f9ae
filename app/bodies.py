"""Strict reading of requests: bodies are JSON as RFC 8259 has it, and nothing in a query string is passed over."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from email.message import Message
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic_core import from_json

from app.errors import MALFORMED_JSON, UNSUPPORTED_MEDIA_TYPE, ProblemError, refuse

MAX_FIELDS = 100


class StrictRequest(Request):
    """A request whose JSON is parsed strictly: no NaN or Infinity, no lone surrogates, bounded depth and digits."""

    async def json(self) -> Any:
        """The body's value; ProblemError where it is not JSON in UTF-8."""
        try:
            value = from_json(await self.body(), allow_inf_nan=False)
        except ValueError as error:
            # The parser says what it expected and at which line and column, never what it found.
            raise ProblemError(MALFORMED_JSON, f"the body is not strict JSON in UTF-8: {error}") from None
        if isinstance(value, dict) and len(value) > MAX_FIELDS:
            # Each unknown field would become an error of its own.
            raise refuse([(["body"], f"At most {MAX_FIELDS} fields are read")], limit=MAX_FIELDS)
        return value


class StrictRoute(APIRoute):
    """A route that reads its request strictly: misspelt, repeated and misplaced parameters are refused too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler behind the checks that it does not make."""
        handle = super().get_route_handler()
        takes_body = self.body_field is not None
        parameters = _list_parameters(self)

        async def handle_strictly(request: Request) -> Response:
            if request.scope["query_string"]:
                _check_parameters(request, parameters)
            if takes_body:
                _check_body_headers(request)
            return await handle(StrictRequest(request.scope, request.receive))

        return handle_strictly


def _list_parameters(route: APIRoute) -> list[str]:
    """The names of the query parameters that a route takes, those that it needs first."""
    fields: dict[str, bool] = {}
    for parameter in route.dependant.query_params:
        model = parameter.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            fields |= {name: field.is_required() for name, field in model.model_fields.items()}
        else:
            fields[parameter.alias] = parameter.field_info.is_required()
    return sorted(fields, key=lambda name: not fields[name])


def _check_parameters(request: Request, names: list[str]) -> None:
    sent = [name for name, _ in request.query_params.multi_items()]
    if not set(sent) <= set(names):
        known = (
            f"the query parameters here are {', '.join(names)}"
            if names
            else "there are no query parameters here"
        )
        raise refuse([(["query"], f"Unknown parameter; {known}")])
    twice = [name for name in names if sent.count(name) > 1]
    if twice:
        raise refuse([(["query", name], "Stands more than once") for name in twice])


def _check_body_headers(request: Request) -> None:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise ProblemError(
            UNSUPPORTED_MEDIA_TYPE, "compressed bodies are not read: send it without content-encoding"
        )
    if request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers:
        return
    header = Message()
    header["content-type"] = request.headers.get("content-type", "")
    media_type = header.get_content_type()
    if not (
        media_type == "application/json"
        or (media_type.startswith("application/") and media_type.endswith("+json"))
    ):
        raise ProblemError(
            UNSUPPORTED_MEDIA_TYPE, "send JSON, with the header content-type: application/json"
        )
