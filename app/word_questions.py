"""Questions of requests as the artifact package takes them, and its answers as responses have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.answers import list_scored, mark_path, mark_words
from app.batches import Batch
from app.catalog import Served
from app.errors import refuse
from app.schemas import SCORE_DECIMALS
from app.word_schemas import AnalogyQuery, OddWordQuery, SimilarQuery, WeightedVector, WeightedWord
from artifact.comparisons import find_odd_word
from artifact.errors import QueryError
from artifact.questions import Question, Term, answer, ask_analogy


def read_similar(query: SimilarQuery) -> Question:
    """The question of POST /similar."""
    return Question(
        positive=[_read_entry(entry) for entry in query.positive],
        negative=[_read_entry(entry) for entry in query.negative],
        top=query.top,
        method=query.method,
        restrict_vocab=query.restrict_vocab,
        among=query.among,
        exclude=query.exclude,
        min_score=query.min_score,
        exact=query.exact,
    )


def read_analogy(query: AnalogyQuery) -> Question:
    """The question of POST /analogy."""
    return ask_analogy(
        query.a,
        query.b,
        query.c,
        top=query.top,
        method=query.method,
        restrict_vocab=query.restrict_vocab,
        exact=query.exact,
    )


def count_similar(query: SimilarQuery) -> Mapping[str, int]:
    """How many words, or vectors in their place, each field of the query holds."""
    return {
        "positive": len(query.positive),
        "negative": len(query.negative),
        "among": len(query.among or ()),
        "exclude": len(query.exclude),
    }


def check_dimensions(batch: Batch[SimilarQuery], served: Served) -> None:
    """Refuse raw vectors that do not have the dimensions of the model."""
    dim = served.embedding.dim
    message = f"Input should have {dim} numbers, one for each dimension of the model"
    wrong = [
        (batch.locate(place, name, number, "vector"), message)
        for place, query in enumerate(batch.queries)
        for name, entries in (("positive", query.positive), ("negative", query.negative))
        for number, entry in enumerate(entries)
        if isinstance(entry, WeightedVector) and len(entry.vector) != dim
    ]
    if wrong:
        raise refuse(wrong)


def list_neighbours(served: Served, questions: Sequence[Question]) -> list[Mapping[str, Any] | QueryError]:
    """What each question is answered with: the words nearest to it, or why there are none."""
    return [
        found
        if isinstance(found, QueryError)
        else {
            "results": list_scored(found.neighbours),
            **mark_words(found.composed, found.matched),
            **mark_path(found.recall),
        }
        for found in answer(served.embedding, questions)
    ]


def tell_odd_word(served: Served, query: OddWordQuery, *, suggest: bool) -> Mapping[str, Any] | QueryError:
    """The word that does not match, as POST /doesnt-match answers."""
    try:
        found = find_odd_word(served.embedding, query.words, suggest=suggest)
    except QueryError as error:
        return error
    scores = found.scores.round(SCORE_DECIMALS).tolist()
    return {
        "word": query.words[found.place],
        "results": [{"word": word, "score": score} for word, score in zip(query.words, scores, strict=True)],
        **mark_words(found.composed, found.matched),
    }


def _read_entry(entry: str | WeightedWord | WeightedVector) -> Term:
    match entry:
        case WeightedWord():
            return Term(entry.word, entry.weight)
        case WeightedVector():
            return Term(entry.vector, entry.weight)
        case _:
            return Term(entry)
