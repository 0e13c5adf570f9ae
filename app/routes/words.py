"""Questions to word vectors: neighbours, analogies, vectors, similarity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query

from app.bodies import StrictRoute
from app.catalog import Served
from app.guards import check_top, check_words
from app.openapi import BODY_PROBLEMS, QUESTION_PROBLEMS, document
from app.routes.context import CatalogOf, SettingsOf
from app.schemas import (
    AnalogyBody,
    Neighbours,
    Parameters,
    ScoredWord,
    SimilarBody,
    Similarity,
    SimilarityBody,
    SimilarityMatrix,
    SimilarityParameters,
    SimilarParameters,
    Vectors,
    VectorsBody,
    Word,
    WordVector,
)
from artifact.embedding import Neighbour

router = APIRouter(tags=["words"], route_class=StrictRoute)
asks = document(*QUESTION_PROBLEMS)
asks_with_body = document(*QUESTION_PROBLEMS, *BODY_PROBLEMS)


@router.get(
    "/similar", summary="Words most similar to a word", responses=asks, response_model_exclude_defaults=True
)
def get_similar(
    query: Annotated[SimilarParameters, Query()], catalog: CatalogOf, settings: SettingsOf
) -> Neighbours:
    """The words whose vectors have the largest cosine with that of `word`, over the whole vocabulary.

    The word itself is left out. Several words, or words to move away from: POST /similar.
    """
    check_top(query.top, settings, where="query")
    served = catalog.find("embedding", model=query.model, version=query.version)
    return _list_neighbours(served, [query.word], served.embedding.similar([query.word], top=query.top))


@router.post(
    "/similar",
    summary="Words most similar to several",
    responses=asks_with_body,
    response_model_exclude_defaults=True,
)
def post_similar(body: SimilarBody, catalog: CatalogOf, settings: SettingsOf) -> Neighbours:
    """The words nearest to the sum of the unit vectors of `positive`, less those of `negative`.

    The words of the question are left out. At least one word is needed.
    """
    check_top(body.top, settings, where="body")
    check_words(settings, ("positive", len(body.positive)), ("negative", len(body.negative)))
    served = catalog.find("embedding", model=body.model, version=body.version)
    neighbours = served.embedding.similar(body.positive, body.negative, top=body.top)
    return _list_neighbours(served, [*body.positive, *body.negative], neighbours)


@router.post(
    "/analogy",
    summary="a is to b as c is to what?",
    responses=asks_with_body,
    response_model_exclude_defaults=True,
)
def post_analogy(body: AnalogyBody, catalog: CatalogOf, settings: SettingsOf) -> Neighbours:
    """The words nearest to `b` - `a` + `c`, on unit vectors. With king, man and queen: woman."""
    check_top(body.top, settings, where="body")
    served = catalog.find("embedding", model=body.model, version=body.version)
    neighbours = served.embedding.analogy(body.a, body.b, body.c, top=body.top)
    return _list_neighbours(served, [body.a, body.b, body.c], neighbours)


@router.get(
    "/vectors/{word:path}",
    summary="The vector of a word",
    responses=asks,
    response_model_exclude_defaults=True,
)
def get_vector(
    word: Annotated[Word, Path(description="The word; it may hold slashes.", examples=["car"])],
    query: Annotated[Parameters, Query()],
    catalog: CatalogOf,
) -> Vectors:
    """The vector as trained, not normalised."""
    served = catalog.find("embedding", model=query.model, version=query.version)
    return _list_vectors(served, [word])


@router.post(
    "/vectors",
    summary="The vectors of several words",
    responses=asks_with_body,
    response_model_exclude_defaults=True,
)
def post_vectors(body: VectorsBody, catalog: CatalogOf, settings: SettingsOf) -> Vectors:
    """One vector for each of `words`, in their order. One unknown word fails the whole; all unknown ones are named."""
    check_words(settings, ("words", len(body.words)))
    served = catalog.find("embedding", model=body.model, version=body.version)
    return _list_vectors(served, body.words)


@router.get(
    "/similarity", summary="How similar two words are", responses=asks, response_model_exclude_defaults=True
)
def get_similarity(query: Annotated[SimilarityParameters, Query()], catalog: CatalogOf) -> Similarity:
    """The cosine of two words."""
    served = catalog.find("embedding", model=query.model, version=query.version)
    scores = served.embedding.similarity([query.a], [query.b]).tolist()
    oov = bool(served.embedding.oov([query.a, query.b]))
    return Similarity(model=served.name, version=served.version, score=scores[0][0], oov=oov)


@router.post(
    "/similarity",
    summary="How similar words are to each other",
    responses=asks_with_body,
    response_model_exclude_defaults=True,
)
def post_similarity(body: SimilarityBody, catalog: CatalogOf, settings: SettingsOf) -> SimilarityMatrix:
    """A matrix of cosines: a row for each word of `a`, a column for each word of `b`."""
    check_words(settings, ("a", len(body.a)), ("b", len(body.b)))
    served = catalog.find("embedding", model=body.model, version=body.version)
    scores = served.embedding.similarity(body.a, body.b).tolist()
    oov = bool(served.embedding.oov([*body.a, *body.b]))
    return SimilarityMatrix(model=served.name, version=served.version, scores=scores, oov=oov)


def _list_neighbours(served: Served, asked: Sequence[str], neighbours: Sequence[Neighbour]) -> Neighbours:
    results = [ScoredWord(word=neighbour.word, score=neighbour.score) for neighbour in neighbours]
    oov = bool(served.embedding.oov(asked))
    return Neighbours(model=served.name, version=served.version, results=results, oov=oov)


def _list_vectors(served: Served, words: Sequence[str]) -> Vectors:
    rows = served.embedding.vectors(words).tolist()
    oov = set(served.embedding.oov(words))
    results = [
        WordVector(word=word, vector=row, oov=word in oov) for word, row in zip(words, rows, strict=True)
    ]
    return Vectors(model=served.name, version=served.version, results=results)
