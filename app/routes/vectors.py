"""Vectors of words, in the form that the client accepts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from app.answers import JSON
from app.catalog import Served
from app.errors import NOT_ACCEPTABLE, ProblemError
from app.freshness import VersionedRoute
from app.guards import check_words
from app.media_types import choose, read_accept
from app.openapi import BODY_PROBLEMS, QUESTION_PROBLEMS, document
from app.routes.context import CatalogOf, SettingsOf
from app.schemas import Word
from app.vector_encodings import (
    ARROW,
    ARROW_EXTRA,
    NPY,
    AskedVectors,
    has_arrow,
    write_arrow,
    write_base64,
    write_floats,
    write_npy,
)
from app.vector_schemas import Encoding, VectorParameters, Vectors, VectorsBody
from artifact.lookup import Lookup, look_up, tell_found

router = APIRouter(tags=["words"], route_class=VersionedRoute)

_BINARY = {"type": "string", "format": "binary"}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            NPY: {"schema": {**_BINARY, "description": "The matrix of the vectors, float32."}},
            ARROW: {
                "schema": {
                    **_BINARY,
                    "description": (
                        "An Arrow stream with the columns word, vector, oov and matched; its metadata names model and "
                        f"version. Where the server has the extra {ARROW_EXTRA}."
                    ),
                }
            },
        },
        "headers": {
            "wordkin-model": {"schema": {"type": "string"}, "description": "The model that answered."},
            "wordkin-version": {"schema": {"type": "string"}, "description": "Its version."},
            "wordkin-oov": {
                "schema": {"type": "integer"},
                "description": "How many words are not in the vocabulary, their vectors composed from character n-grams.",
            },
            "wordkin-matched": {
                "schema": {"type": "integer"},
                "description": "How many words were found in another case only.",
            },
        },
    }
}
_WRITERS: dict[str, Callable[[AskedVectors], bytes]] = {
    JSON: write_floats,
    NPY: write_npy,
    ARROW: write_arrow,
}


@router.get(
    "/vectors/{word:path}",
    summary="The vector of a word",
    response_model=Vectors,
    responses=_ANSWERS | document(*QUESTION_PROBLEMS, NOT_ACCEPTABLE),
)
def get_vector(
    word: Annotated[Word, Path(description="The word; it may hold slashes.", examples=["car"])],
    query: Annotated[VectorParameters, Query()],
    request: Request,
    catalog: CatalogOf,
) -> Response:
    """The vector as trained, not normalised: as JSON, .npy or an Arrow stream, as the Accept header asks."""
    media_type = _choose(request)
    served = catalog.find("embedding", model=query.model, version=query.version)
    return respond_vectors(served, [word], look_up(served.embedding, [word]), media_type, query.encoding)


@router.post(
    "/vectors",
    summary="The vectors of several words",
    response_model=Vectors,
    responses=_ANSWERS | document(*QUESTION_PROBLEMS, *BODY_PROBLEMS, NOT_ACCEPTABLE),
)
def post_vectors(body: VectorsBody, request: Request, catalog: CatalogOf, settings: SettingsOf) -> Response:
    """One vector for each of `words`, in their order: as JSON, .npy or an Arrow stream, as the Accept header asks.

    One unknown word fails the whole; all unknown ones are named.
    """
    media_type = _choose(request)
    check_words(settings, ("words", len(body.words)))
    served = catalog.find("embedding", model=body.model, version=body.version)
    lookup = look_up(served.embedding, body.words)
    return respond_vectors(served, body.words, lookup, media_type, body.encoding)


def respond_vectors(
    served: Served, words: Sequence[str], lookup: Lookup, media_type: str, encoding: Encoding
) -> Response:
    """The answer for ``words``, which ``lookup`` found. Tells of those that it found otherwise than as asked."""
    asked = AskedVectors(served.name, served.version, words, lookup)
    write = write_base64 if media_type == JSON and encoding == "base64" else _WRITERS[media_type]
    headers = {
        "vary": "accept",
        "wordkin-model": served.name,
        "wordkin-version": served.version,
        "wordkin-oov": str(len(lookup.composed)),
        "wordkin-matched": str(len(lookup.matched)),
    }
    response = Response(write(asked), media_type=media_type, headers=headers)
    tell_found(served.embedding, lookup.composed, lookup.matched)
    return response


def _choose(request: Request) -> str:
    """The media type to answer with; 406 where the client takes none of those that there are."""
    accept = read_accept(request)
    media_type = choose(accept, [JSON, NPY, ARROW])
    if media_type != ARROW or has_arrow():
        if media_type is None:
            offered = [JSON, NPY, ARROW] if has_arrow() else [JSON, NPY]
            raise ProblemError(NOT_ACCEPTABLE, f"vectors come as {', '.join(offered)}", choices=offered)
        return media_type
    media_type = choose(accept, [JSON, NPY])
    if media_type is None:
        detail = (
            f"this server cannot write Arrow: it lacks the extra {ARROW_EXTRA} "
            f"(pip install 'wordkin[{ARROW_EXTRA}]')"
        )
        raise ProblemError(NOT_ACCEPTABLE, detail, choices=[JSON, NPY])
    return media_type
