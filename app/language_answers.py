"""Answers of language models as responses have them; questions of one body asked side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from app.asks import Question
from app.batching import Batcher
from app.language_questions import GenerateAnswer, NextAnswer
from app.language_schemas import round_probability
from artifact.errors import QueryError
from artifact.language import LanguageModel, TextScore

AT_ONCE = 32
"""Questions of one body that are under way at the same time, so that it does not take the places of others."""

Query = TypeVar("Query")


async def ask_all(
    batcher: Batcher,
    queries: Sequence[Query],
    ask: Callable[[Query], Question],
    tell: Callable[[Query, Any], Mapping[str, Any]],
) -> list[Mapping[str, Any] | QueryError]:
    """What each of ``queries`` is answered with, or why there is no answer. ProblemError where too many are waiting."""
    places = asyncio.Semaphore(AT_ONCE)

    async def answer(query: Query) -> Mapping[str, Any] | QueryError:
        async with places:
            try:
                return tell(query, await batcher.answer(ask(query)))
            except QueryError as error:
                return error

    if len(queries) == 1:
        return [await answer(queries[0])]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(answer(query)) for query in queries]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


def tell_next(model: LanguageModel, answer: NextAnswer, *, mixture: bool) -> dict[str, Any]:
    """What /next answers."""
    return {
        **_begin(model, answer.unknown, mixture=mixture),
        "results": [
            {"word": word, "probability": round_probability(probability)}
            for word, probability in answer.words
        ],
        "remaining": round_probability(answer.remaining),
    }


def tell_score(model: LanguageModel, score: TextScore, *, mixture: bool) -> dict[str, Any]:
    """What /score answers."""
    return {
        **_begin(model, score.unknown, mixture=mixture),
        "tokens": [
            {"token": token, "log_probability": None if log is None else round_probability(log)}
            for token, log in score.tokens
        ],
        "perplexity": round_probability(score.perplexity),
    }


def tell_generated(
    model: LanguageModel, answer: GenerateAnswer, *, mixture: bool, seed: int
) -> dict[str, Any]:
    """What /generate answers."""
    return {
        **_begin(model, answer.unknown, mixture=mixture),
        "text": answer.text,
        "finish_reason": answer.finish_reason,
        "tokens": answer.tokens,
        "seed": seed,
    }


def _begin(model: LanguageModel, unknown: Sequence[str], *, mixture: bool) -> dict[str, Any]:
    return {"mixture": mixture and model.mixture is not None, "unknown": list(unknown)}
