"""Questions for words: neighbours, analogies, the one that does not match, completion."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from app.answers import respond_json
from app.batches import Batch
from app.catalog import Served
from app.freshness import VersionedRoute
from app.guards import check_top
from app.openapi import BODY_PROBLEMS, QUESTION_PROBLEMS, document
from app.routes.context import CatalogOf, SettingsOf
from app.schemas import Neighbours, ScoredWord, SimilarParameters
from app.word_questions import (
    check_dimensions,
    count_similar,
    list_neighbours,
    read_analogy,
    read_similar,
    tell_odd_word,
)
from app.word_schemas import (
    AnalogyQuery,
    AnalogyRequest,
    CountedWords,
    NeighboursBatch,
    OddWord,
    OddWordQuery,
    OddWordRequest,
    OddWords,
    SimilarQuery,
    SimilarRequest,
    WordsParameters,
)
from artifact.errors import QueryError
from artifact.questions import Question, Term

router = APIRouter(tags=["words"], route_class=VersionedRoute)
asks = document(*QUESTION_PROBLEMS)
asks_with_body = document(*QUESTION_PROBLEMS, *BODY_PROBLEMS)


@router.get(
    "/similar", summary="Words most similar to a word", responses=asks, response_model_exclude_defaults=True
)
def get_similar(
    query: Annotated[SimilarParameters, Query()], catalog: CatalogOf, settings: SettingsOf
) -> Neighbours:
    """The words whose vectors have the largest cosine with that of `word`, over the whole vocabulary.

    The word itself is left out. Several words, or words to move away from: POST /similar. Where the model has an index and
    no table of neighbours that holds the answer, the index finds the words, unless `exact` is asked for.
    """
    check_top(query.top, settings, where="query")
    served = catalog.find("embedding", model=query.model, version=query.version)
    embedding = served.embedding
    by_index = served.has_index and not query.exact and embedding.recall(query.word, top=query.top) is None
    if by_index or embedding.find(query.word) is None:
        # By an index, composed from subwords, or there in another case: the answer then says so.
        return _list_alike(served, query)
    neighbours = embedding.similar([query.word], top=query.top)
    results = [ScoredWord(word=neighbour.word, score=neighbour.score) for neighbour in neighbours]
    return Neighbours(model=served.name, version=served.version, results=results)


@router.post(
    "/similar",
    summary="Words most similar to several words or vectors",
    response_model=Neighbours | NeighboursBatch,
    responses=asks_with_body,
)
def post_similar(body: SimilarRequest, catalog: CatalogOf, settings: SettingsOf) -> Response:
    """The words nearest to `positive` and far from `negative`: words, weighted words, or raw vectors.

    Each counts by its direction, a unit vector, times its weight. The words of the question are left out, and those of
    `exclude`; `among` ranks the words that it names only. Every word must be known. `queries` asks several such questions
    at once: each is answered in its place, with a `problem` where it has no answer. Where an index answered, `path` says so.
    """
    batch: Batch[SimilarQuery] = Batch.of(body)
    batch.check(settings, count_words=count_similar, get_top=lambda query: query.top)
    served = catalog.find("embedding", model=body.model, version=body.version)
    check_dimensions(batch, served)
    return batch.respond(served, list_neighbours(served, list(map(read_similar, batch.queries))))


@router.post(
    "/analogy",
    summary="a is to b as c is to what?",
    response_model=Neighbours | NeighboursBatch,
    responses=asks_with_body,
)
def post_analogy(body: AnalogyRequest, catalog: CatalogOf, settings: SettingsOf) -> Response:
    """The words nearest to `b` - `a` + `c`, on unit vectors. With king, man and queen: woman.

    `queries` asks several such questions at once: each is answered in its place, with a `problem` where it has no answer.
    """
    batch: Batch[AnalogyQuery] = Batch.of(body)
    batch.check(settings, count_words=lambda _: {"a": 1, "b": 1, "c": 1}, get_top=lambda query: query.top)
    served = catalog.find("embedding", model=body.model, version=body.version)
    return batch.respond(served, list_neighbours(served, list(map(read_analogy, batch.queries))))


@router.post(
    "/doesnt-match",
    summary="The word that does not match the others",
    response_model=OddWord | OddWords,
    responses=asks_with_body,
)
def post_doesnt_match(body: OddWordRequest, catalog: CatalogOf, settings: SettingsOf) -> Response:
    """The word that is farthest from the mean of the unit vectors of all, and the cosine of each with that mean.

    `queries` asks several such questions at once.
    """
    batch: Batch[OddWordQuery] = Batch.of(body)
    batch.check(settings, count_words=lambda query: {"words": len(query.words)})
    served = catalog.find("embedding", model=body.model, version=body.version)
    answers = batch.answer_each(lambda query, suggest: tell_odd_word(served, query, suggest=suggest))
    return batch.respond(served, answers)


@router.get("/words", summary="Words that begin with something", response_model=CountedWords, responses=asks)
def get_words(
    query: Annotated[WordsParameters, Query()], catalog: CatalogOf, settings: SettingsOf
) -> Response:
    """The first words of the vocabulary that begin with `prefix`, which is normalised as words are; without one, of all.

    They stand in the order of the vocabulary: the most frequent first, and those of imported vectors as their file had them,
    which is mostly the same. `count` is null where the text was not counted.
    """
    check_top(query.top, settings, where="query")
    served = catalog.find("embedding", model=query.model, version=query.version)
    vocabulary = served.vocabulary
    token_ids = vocabulary.first_with_prefix(served.embedding.tokenizer.word(query.prefix), query.top)
    counts = vocabulary.counts[token_ids].tolist()
    words = vocabulary.tokens(token_ids.tolist())
    # No word of a text is counted 0 times: there were no counts to import.
    results = [{"word": word, "count": count or None} for word, count in zip(words, counts, strict=True)]
    return respond_json({"model": served.name, "version": served.version, "results": results})


def _list_alike(served: Served, query: SimilarParameters) -> Neighbours:
    [found] = list_neighbours(served, [Question([Term(query.word)], top=query.top, exact=query.exact)])
    if isinstance(found, QueryError):
        raise found
    return Neighbours(model=served.name, version=served.version, **found)
