"""How alike words, sets of words and texts are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from app.answers import mark_words, respond_json
from app.batches import Batch
from app.catalog import Served
from app.errors import refuse
from app.freshness import VersionedRoute
from app.openapi import BODY_PROBLEMS, QUESTION_PROBLEMS, document
from app.routes.context import CatalogOf, SettingsOf
from app.schemas import SCORE_DECIMALS, Similarity, SimilarityParameters
from app.settings import Settings
from app.similarity_schemas import (
    SetsSimilarity,
    SimilarityMatrices,
    SimilarityMatrix,
    SimilarityRequest,
    TextsSimilarity,
    WordsSimilarity,
)
from artifact.comparisons import Comparison, compare_sets, compare_texts, compare_words
from artifact.errors import QueryError
from artifact.texts import describe_weighting

router = APIRouter(tags=["words"], route_class=VersionedRoute)
_Query = WordsSimilarity | SetsSimilarity | TextsSimilarity


@router.get(
    "/similarity",
    summary="How similar two words are",
    response_model=Similarity,
    responses=document(*QUESTION_PROBLEMS),
)
def get_similarity(query: Annotated[SimilarityParameters, Query()], catalog: CatalogOf) -> Response:
    """The cosine of two words."""
    served = catalog.find("embedding", model=query.model, version=query.version)
    compared = compare_words(served.embedding, [query.a], [query.b])
    score = round(float(compared.scores[0, 0]), SCORE_DECIMALS)
    return respond_json(
        {
            "model": served.name,
            "version": served.version,
            "score": score,
            **mark_words(compared.composed, compared.matched),
        }
    )


@router.post(
    "/similarity",
    summary="How similar words, sets of words or texts are to each other",
    response_model=SimilarityMatrix | SimilarityMatrices,
    responses=document(*QUESTION_PROBLEMS, *BODY_PROBLEMS),
)
def post_similarity(body: SimilarityRequest, catalog: CatalogOf, settings: SettingsOf) -> Response:
    """A matrix of cosines: a row for each of `a`, a column for each of `b`.

    `mode` says what they hold: words, sets of words (the cosine of the means of their unit vectors) or texts (the cosine
    of the means of their words' vectors, frequent words weighing less: Arora, Liang and Ma 2017). `queries` asks several
    such questions at once.
    """
    batch: Batch[_Query] = Batch.of(body)
    batch.check(settings, count_words=_count_words)
    _check_texts(batch, settings)
    served = catalog.find("embedding", model=body.model, version=body.version)
    return batch.respond(
        served, batch.answer_each(lambda query, suggest: _compare(served, query, suggest=suggest))
    )


def _compare(served: Served, query: _Query, *, suggest: bool) -> Mapping[str, Any] | QueryError:
    embedding = served.embedding
    said: dict[str, Any] = {}
    try:
        match query:
            case WordsSimilarity():
                compared = compare_words(embedding, query.a, query.b, suggest=suggest)
            case SetsSimilarity():
                compared = compare_sets(embedding, query.a, query.b, suggest=suggest)
            case TextsSimilarity():
                compared = compare_texts(embedding, query.a, query.b, smoothing=query.smoothing)
                said["settings"] = describe_weighting(embedding, a=query.smoothing, normalise=True)
    except QueryError as error:
        return error
    return {"scores": _round(compared), **said, **mark_words(compared.composed, compared.matched)}


def _round(compared: Comparison) -> list[list[float]]:
    rounded: list[list[float]] = compared.scores.round(SCORE_DECIMALS).tolist()
    return rounded


def _count_words(query: _Query) -> Mapping[str, int]:
    match query:
        case WordsSimilarity():
            return {"a": len(query.a), "b": len(query.b)}
        case SetsSimilarity():
            return {"a": sum(map(len, query.a)), "b": sum(map(len, query.b))}
        case TextsSimilarity():
            return {}


def _check_texts(batch: Batch[_Query], settings: Settings) -> None:
    """Refuse more texts in one body, or longer ones, than this server takes."""
    count = 0
    for place, query in enumerate(batch.queries):
        if not isinstance(query, TextsSimilarity):
            continue
        for name, texts in (("a", query.a), ("b", query.b)):
            count += len(texts)
            if count > settings.max_texts:
                message = f"At most {settings.max_texts} texts can be compared in one request"
                raise refuse([(batch.locate(place, name), message)], limit=settings.max_texts)
            for number, text in enumerate(texts):
                if len(text) > settings.max_text_characters:
                    message = f"String should have at most {settings.max_text_characters} characters"
                    raise refuse(
                        [(batch.locate(place, name, number), message)], limit=settings.max_text_characters
                    )
