"""The shapes of OpenAI's interface, for the clients that speak it: vectors of texts, and the models that give them."""

from __future__ import annotations

import re
from calendar import timegm
from time import strptime
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from app.bodies import StrictRoute
from app.catalog import Catalog, Served
from app.errors import (
    EMPTY_QUERY,
    INVALID_REQUEST,
    MODEL_UNAVAILABLE,
    UNKNOWN_MODEL,
    UNKNOWN_WORD,
    WRONG_KIND,
    ProblemError,
    refuse,
)
from app.freshness import FreshRoute
from app.openai_answers import write_embeddings
from app.openai_errors import document_openai
from app.openai_schemas import EmbeddingsBody, OpenAIModel, OpenAIModels, TextEmbeddings
from app.openapi import BODY_PROBLEMS
from app.routes.context import CatalogOf, SettingsOf
from artifact.texts import TokenizedTexts, describe_weighting, embed_tokens, tokenize_texts

router = APIRouter(prefix="/v1", tags=["openai"], route_class=StrictRoute)
models_router = APIRouter(prefix="/v1", tags=["openai"], route_class=FreshRoute)
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_MODEL_FORM = re.compile(rf"({_NAME})(?:@({_NAME}))?\Z")


@router.post(
    "/embeddings",
    summary="The vectors of texts",
    response_model=TextEmbeddings,
    responses=document_openai(
        UNKNOWN_WORD,
        UNKNOWN_MODEL,
        WRONG_KIND,
        INVALID_REQUEST,
        EMPTY_QUERY,
        MODEL_UNAVAILABLE,
        *BODY_PROBLEMS,
    ),
)
def post_embeddings(body: EmbeddingsBody, catalog: CatalogOf, settings: SettingsOf) -> Response:
    """One vector of length 1 for each text of `input`: the mean of the vectors of its words, frequent ones weighing less.

    Texts become words as in training; words that the model does not know are left out, and a text of such words only fails
    the whole request. The official clients work with this server's address and `/v1` as their base URL.
    """
    if len(body.input) > settings.max_texts:
        message = f"At most {settings.max_texts} texts can be embedded in one request"
        raise refuse([(["body", "input"], message)], limit=settings.max_texts)
    served = _find(catalog, body.model)
    embedding = served.embedding
    if body.dimensions not in (None, embedding.dim):
        message = f"{served.name} has {embedding.dim} dimensions; its vectors are not cut short"
        raise refuse([(["body", "dimensions"], message)])
    return respond_embeddings(served, body, tokenize_texts(embedding, body.input))


def respond_embeddings(
    served: Served, body: EmbeddingsBody, texts: TokenizedTexts, *, suggest: bool = True
) -> Response:
    """The answer for ``texts``, the tokens of ``body.input``. Raises as artifact.texts.embed_tokens."""
    embedding = served.embedding
    content = write_embeddings(
        embed_tokens(embedding, texts, normalise=True, suggest=suggest),
        base64=body.encoding_format == "base64",
        model=served.name,
        version=served.version,
        settings=describe_weighting(embedding, normalise=True),
        tokens=len(texts.tokens),
    )
    return Response(content, media_type="application/json")


@models_router.get(
    "/models", summary="The models that give vectors of texts", responses=document_openai(INVALID_REQUEST)
)
def list_openai_models(catalog: CatalogOf) -> OpenAIModels:
    """Every model that /v1/embeddings can be asked with. /models tells more, and lists language models too."""
    shelf = catalog.shelf
    return OpenAIModels(data=[_describe(shelf.served[name]) for name in shelf.names("embedding")])


@models_router.get(
    "/models/{model}",
    summary="One of these models",
    responses=document_openai(UNKNOWN_MODEL, WRONG_KIND, INVALID_REQUEST, MODEL_UNAVAILABLE),
)
def get_openai_model(
    model: Annotated[str, Path(max_length=200, description="NAME, or NAME@VERSION.", examples=["sample"])],
    catalog: CatalogOf,
) -> OpenAIModel:
    """A model by its name."""
    return _describe(_find(catalog, model))


def _find(catalog: Catalog, model: str) -> Served:
    """The word vectors that NAME or NAME@VERSION means."""
    found = _MODEL_FORM.match(model)
    if not found:
        # Names of other services' models often look otherwise; what was sent is not repeated.
        detail = "there is no such model: a name here is NAME or NAME@VERSION; /v1/models lists what there is"
        raise ProblemError(UNKNOWN_MODEL, detail)
    return catalog.find("embedding", model=found[1], version=found[2])


def _describe(served: Served) -> OpenAIModel:
    return OpenAIModel(
        id=served.name,
        created=timegm(strptime(served.manifest.created, "%Y%m%dT%H%M%SZ")),
        version=served.version,
        dimensions=served.embedding.dim,
    )
