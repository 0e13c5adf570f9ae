"""The published description: every error of every route as problem+json, and the limits that this server has set."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from app.errors import (
    BODY_TOO_LARGE,
    EMPTY_QUERY,
    FORBIDDEN,
    INTERNAL_ERROR,
    INVALID_REQUEST,
    MALFORMED_JSON,
    MEDIA_TYPE,
    MODEL_CHOICE,
    MODEL_UNAVAILABLE,
    NOT_ACCEPTABLE,
    OVERLOADED,
    RATE_LIMITED,
    REQUEST_TIMEOUT,
    UNAUTHORIZED,
    UNKNOWN_MODEL,
    UNKNOWN_WORD,
    UNSUPPORTED_MEDIA_TYPE,
    URI_TOO_LONG,
    WRONG_KIND,
    ProblemType,
)
from app.keys import describe_security
from app.schemas import Problem
from app.settings import Settings

DESCRIPTION = """
Questions to word vectors, answered from the models in a store.

- Every answer names the `model` and the `version` that it came from; the fields of the same names choose another.
- Words are normalised and looked up as in training: where the model lower-cases, so does the question. Where it keeps case,
  a word that is not there as asked is looked for in lower, Title and UPPER case, and the answer says what was found
  (`matched`); without, the field is left out.
- Every error is `application/problem+json` (RFC 9457); its `type` tells errors apart. Under `/v1` errors have OpenAI's
  shape instead. An unknown word is a 404 that lists all unknown words (`oov`) and suggests known ones (`suggestions`).
  Where a model has subwords, it composes the vector of an unknown word from the word's character n-grams, before it looks
  for other cases, and the answer says `"oov": true`; without, the field is left out.
- A body with `queries`, a list, asks several questions at once; the answer has `answers` in their order. A query that is
  malformed fails the whole request; one that has no answer has its own `problem` in its place.
- Requests are read strictly: a field, parameter or number that makes no sense is refused, never guessed at.
- Answers to GET carry an `etag`; those to a question that names a version may be kept, for a version never changes.
- Every answer carries `x-request-id`, the one that was sent or a new one.
"""

QUESTION_PROBLEMS = (
    UNKNOWN_WORD,
    UNKNOWN_MODEL,
    MODEL_CHOICE,
    WRONG_KIND,
    INVALID_REQUEST,
    EMPTY_QUERY,
    MODEL_UNAVAILABLE,
)
LANGUAGE_PROBLEMS = (
    UNKNOWN_MODEL,
    MODEL_CHOICE,
    WRONG_KIND,
    INVALID_REQUEST,
    EMPTY_QUERY,
    MODEL_UNAVAILABLE,
    OVERLOADED,
)
BODY_PROBLEMS = (MALFORMED_JSON, REQUEST_TIMEOUT, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE)
# What the layers before the routes may answer.
GUARD_PROBLEMS = (UNAUTHORIZED, RATE_LIMITED, OVERLOADED)

_EXAMPLES: dict[str, dict[str, Any]] = {
    MALFORMED_JSON.slug: {
        "detail": "the body is not strict JSON in UTF-8: EOF while parsing an object at line 1 column 12"
    },
    UNAUTHORIZED.slug: {"detail": "a key is needed: Authorization: Bearer KEY, or X-API-Key: KEY"},
    FORBIDDEN.slug: {"detail": "this takes a key of scope admin; the one that was sent may only read"},
    REQUEST_TIMEOUT.slug: {"detail": "the body did not arrive within 30 seconds"},
    RATE_LIMITED.slug: {"detail": "more than 100 requests a second; ask again in 1 second"},
    UNKNOWN_WORD.slug: {
        "detail": "not in the vocabulary: 'trukc'",
        "oov": ["trukc"],
        "suggestions": ["truck"],
    },
    UNKNOWN_MODEL.slug: {
        "detail": "there is no model news; /models lists what there is",
        "choices": ["sample"],
    },
    MODEL_CHOICE.slug: {
        "detail": "several models could answer: name one with `model`",
        "choices": ["news", "sample"],
    },
    WRONG_KIND.slug: {
        "detail": "story is a language model; this question is for word vectors",
        "choices": ["sample"],
    },
    NOT_ACCEPTABLE.slug: {
        "detail": "vectors come as application/json, application/x-npy",
        "choices": ["application/json", "application/x-npy"],
    },
    BODY_TOO_LARGE.slug: {"detail": "a body may be 1048576 bytes long", "limit": 1048576},
    URI_TOO_LONG.slug: {
        "detail": "an address may be 16384 bytes long; POST takes longer questions",
        "limit": 16384,
    },
    UNSUPPORTED_MEDIA_TYPE.slug: {"detail": "send JSON, with the header content-type: application/json"},
    INVALID_REQUEST.slug: {
        "detail": "query.top: Input should be greater than or equal to 1",
        "errors": [{"location": ["query", "top"], "message": "Input should be greater than or equal to 1"}],
    },
    EMPTY_QUERY.slug: {"detail": "these vectors cancel out: no direction is left to search in"},
    OVERLOADED.slug: {"detail": "too many questions are waiting; ask again later"},
    INTERNAL_ERROR.slug: {"detail": "the server's log has the cause under request 0f1e2d3c4b5a6978"},
    MODEL_UNAVAILABLE.slug: {
        "detail": "sample/20260102T030405Z-0a1b2c3d/weights.safetensors: its sha256 is not the one in the manifest"
    },
}


def document(*problems: ProblemType, guarded: bool = True) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that may answer with these problems, besides those that every route may.

    What is not ``guarded`` asks for no key and is always let through.
    """
    by_status: dict[int, list[ProblemType]] = {}
    guards = GUARD_PROBLEMS if guarded else ()
    for problem in (*problems, *guards, URI_TOO_LONG, INTERNAL_ERROR):
        listed = by_status.setdefault(problem.status, [])
        if problem not in listed:
            listed.append(problem)
    return {
        status: {
            "description": "; ".join(dict.fromkeys(problem.title for problem in listed)),
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {
                        problem.slug: {"summary": problem.title, "value": _show(problem)}
                        for problem in listed
                    },
                }
            },
        }
        for status, listed in sorted(by_status.items())
    }


def publish_limits(app: FastAPI, settings: Settings) -> None:
    """Complete the schema that FastAPI makes: the problem schema, and the limits of ``settings`` where they apply."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = make()
            reference = "#/components/schemas/{model}"
            problem = Problem.model_json_schema(ref_template=reference)
            schemas = schema.setdefault("components", {}).setdefault("schemas", {})
            schemas.update(problem.pop("$defs", {}))
            schemas["Problem"] = problem
            _fill_limits(schema, settings)
            _drop_own_validation_errors(schema)
            if settings.keys or settings.keys_file:
                schema["components"]["securitySchemes"] = describe_security()
                schema["security"] = [{name: []} for name in describe_security()]
            for operation in (operation for item in schema["paths"].values() for operation in item.values()):
                # What must be given comes first on the documentation page.
                operation.get("parameters", []).sort(key=lambda parameter: not parameter["required"])
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]  # the way that FastAPI documents


def _show(problem: ProblemType) -> dict[str, Any]:
    start = {"type": problem.uri, "title": problem.title, "status": problem.status}
    return start | _EXAMPLES[problem.slug]


def _drop_own_validation_errors(schema: dict[str, Any]) -> None:
    """Take out the 422 that FastAPI adds where a route declares none: under /v1 a mistake is 400."""
    schemas = schema["components"]["schemas"]
    for operation in (operation for item in schema["paths"].values() for operation in item.values()):
        if "HTTPValidationError" in str(operation["responses"].get("422")):
            del operation["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)


def _fill_limits(node: Any, settings: Settings) -> None:
    if isinstance(node, dict):
        for keyword, setting in node.pop("x-limit", {}).items():
            node[keyword] = getattr(settings, setting)
        for child in node.values():
            _fill_limits(child, settings)
    elif isinstance(node, list):
        for child in node:
            _fill_limits(child, settings)
