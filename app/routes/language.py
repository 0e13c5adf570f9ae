"""Questions to language models: the next word, how probable a text is, a text that goes on."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from app.batching import Batcher
from app.catalog import Catalog, Served
from app.errors import ProblemError, refuse, translate
from app.freshness import VersionedRoute
from app.guards import check_top
from app.language_questions import GenerateAnswer, NextAnswer, ask_generate, ask_next, ask_score
from app.language_schemas import (
    MAX_SEED,
    GenerateBody,
    Generated,
    NextBody,
    NextParameters,
    NextWords,
    PredictedWord,
    ScoreBody,
    ScoredWordOfText,
    Scores,
)
from app.openapi import BODY_PROBLEMS, LANGUAGE_PROBLEMS, document
from app.routes.context import BatcherOf, CatalogOf, SettingsOf
from app.settings import Settings
from artifact.errors import WordkinError
from artifact.language import TextScore
from artifact.sampling import Sampling

EVENT_STREAM = "text/event-stream"

router = APIRouter(tags=["language"], route_class=VersionedRoute)
asks = document(*LANGUAGE_PROBLEMS)
asks_with_body = document(*LANGUAGE_PROBLEMS, *BODY_PROBLEMS)


@router.get("/next", summary="The next word", responses=asks)
async def get_next(
    query: Annotated[NextParameters, Query()], catalog: CatalogOf, settings: SettingsOf, batcher: BatcherOf
) -> NextWords:
    """The likeliest words after `text`, with their probabilities over the whole vocabulary.

    <unk> and <eos> are never listed; `remaining` is the probability of all that is not. Unknown words of the text are
    read as <unk> and named in `unknown`. `prefix` completes a word that was begun.
    """
    return await _predict(query, catalog, settings, batcher, where="query")


@router.post("/next", summary="The next word, for longer texts", responses=asks_with_body)
async def post_next(
    body: NextBody, catalog: CatalogOf, settings: SettingsOf, batcher: BatcherOf
) -> NextWords:
    """As GET /next. A text that goes on from one that was sent before is not read again from its beginning."""
    return await _predict(body, catalog, settings, batcher, where="body")


@router.post("/score", summary="How probable a text is", responses=asks_with_body)
async def post_score(body: ScoreBody, catalog: CatalogOf, settings: SettingsOf, batcher: BatcherOf) -> Scores:
    """ln p of each word of `text` after all before it, and the perplexity of the text.

    A line break is the word <eos>; a text without one at its end leaves its last line open.
    """
    _check_text(body.text, settings, where="body")
    served = await _find(catalog, body.model, body.version)
    model = served.language_model
    score: TextScore = await batcher.answer(ask_score(model, body.text, mixture=body.mixture))
    return Scores(
        model=served.name,
        version=served.version,
        mixture=body.mixture and model.mixture is not None,
        unknown=score.unknown,
        tokens=[ScoredWordOfText(token=token, log_probability=log) for token, log in score.tokens],
        perplexity=score.perplexity,
    )


@router.post(
    "/generate",
    summary="A text that goes on",
    response_model=Generated,
    responses={
        200: {
            "content": {
                EVENT_STREAM: {
                    "schema": {
                        "type": "string",
                        "description": "With `stream`: `piece` events with {text}, whose texts joined are the text; at last one "
                        "`end` event with the whole answer, or one `error` event with a problem.",
                    }
                }
            }
        },
        **asks_with_body,
    },
)
async def post_generate(
    body: GenerateBody, catalog: CatalogOf, settings: SettingsOf, batcher: BatcherOf
) -> Generated | Response:
    """Words drawn one after another, each by its probability after all before it. <unk> is never drawn.

    With `stream`, server-sent events show the text as it comes.
    """
    _check_text(body.text, settings, where="body")
    if body.max_tokens > settings.max_words:
        message = f"Input should be at most {settings.max_words}"
        raise refuse([(["body", "max_tokens"], message)], limit=settings.max_words)
    served = await _find(catalog, body.model, body.version)
    ask = partial(
        ask_generate,
        served.language_model,
        body.text,
        kept=batcher.kept,
        max_tokens=body.max_tokens,
        sampling=Sampling(temperature=body.temperature, top_k=body.top_k, top_p=body.top_p),
        seed=(seed := secrets.randbelow(MAX_SEED) if body.seed is None else body.seed),
        stop=body.stop or (),
        mixture=body.mixture,
    )

    def tell(answer: GenerateAnswer) -> Generated:
        return Generated(
            model=served.name,
            version=served.version,
            mixture=body.mixture and served.language_model.mixture is not None,
            unknown=answer.unknown,
            text=answer.text,
            finish_reason=answer.finish_reason,
            tokens=answer.tokens,
            seed=seed,
        )

    if not body.stream:
        return tell(await batcher.answer(ask()))
    items = batcher.stream(lambda show: ask(show=show))
    # Mistakes show with the first item, and can still be answered as such.
    first = await anext(items)

    async def write() -> AsyncIterator[bytes]:
        item = first
        try:
            while isinstance(item, str):
                yield _write_event("piece", {"text": item})
                item = await anext(items)
            yield _write_event("end", tell(item).model_dump())
        except WordkinError as error:
            yield _write_event("error", translate(error).describe())
        except ProblemError as error:
            yield _write_event("error", error.describe())
        finally:
            await items.aclose()

    return StreamingResponse(write(), media_type=EVENT_STREAM, headers={"cache-control": "no-store"})


async def _predict(
    asked: NextParameters | NextBody, catalog: Catalog, settings: Settings, batcher: Batcher, *, where: str
) -> NextWords:
    check_top(asked.top, settings, where=where)
    _check_text(asked.text, settings, where=where)
    served = await _find(catalog, asked.model, asked.version)
    model = served.language_model
    question = ask_next(
        model, asked.text, kept=batcher.kept, top=asked.top, prefix=asked.prefix, mixture=asked.mixture
    )
    answer: NextAnswer = await batcher.answer(question)
    return NextWords(
        model=served.name,
        version=served.version,
        mixture=asked.mixture and model.mixture is not None,
        unknown=answer.unknown,
        results=[PredictedWord(word=word, probability=probability) for word, probability in answer.words],
        remaining=answer.remaining,
    )


async def _find(catalog: Catalog, model: str | None, version: str | None) -> Served:
    if version is None:
        return catalog.find("language-model", model=model)
    # Another version may have to be opened, which reads the disk.
    return await run_in_threadpool(catalog.find, "language-model", model=model, version=version)


def _check_text(text: str, settings: Settings, *, where: str) -> None:
    if len(text) > settings.max_text_characters:
        message = f"String should have at most {settings.max_text_characters} characters"
        raise refuse([([where, "text"], message)], limit=settings.max_text_characters)


def _write_event(name: str, data: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode(
        "utf-8", "backslashreplace"
    )
