"""Questions to language models: the next word, how probable a text is, a text that goes on."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from app.asks import Question
from app.batches import Batch
from app.batching import Batcher
from app.catalog import Catalog, Served
from app.errors import ProblemError, refuse, translate
from app.freshness import VersionedRoute
from app.language_answers import ask_all, tell_generated, tell_next, tell_score
from app.language_questions import ask_generate, ask_next, ask_score
from app.language_schemas import (
    MAX_SEED,
    GenerateBody,
    Generated,
    GeneratedBatch,
    GenerateQuery,
    GenerateRequest,
    NextParameters,
    NextQuery,
    NextRequest,
    NextWords,
    NextWordsBatch,
    ScoreQuery,
    ScoreRequest,
    Scores,
    ScoresBatch,
)
from app.openapi import BODY_PROBLEMS, LANGUAGE_PROBLEMS, document
from app.routes.context import BatcherOf, CatalogOf, SettingsOf
from app.settings import Settings
from artifact.errors import WordkinError
from artifact.sampling import Sampling

EVENT_STREAM = "text/event-stream"

router = APIRouter(tags=["language"], route_class=VersionedRoute)
asks = document(*LANGUAGE_PROBLEMS)
asks_with_body = document(*LANGUAGE_PROBLEMS, *BODY_PROBLEMS)


@router.get("/next", summary="The next word", response_model=NextWords, responses=asks)
async def get_next(
    query: Annotated[NextParameters, Query()], catalog: CatalogOf, settings: SettingsOf, batcher: BatcherOf
) -> Response:
    """The likeliest words after `text`, with their probabilities over the whole vocabulary.

    <unk> and <eos> are never listed; `remaining` is the probability of all that is not. Unknown words of the text are
    read as <unk> and named in `unknown`. `prefix` completes a word that was begun.
    """
    batch: Batch[NextParameters] = Batch([query], where="query")
    _check(batch, settings)
    served = await _find(catalog, query.model, query.version)
    return await _predict(served, batch, batcher)


@router.post(
    "/next",
    summary="The next word, for longer texts",
    response_model=NextWords | NextWordsBatch,
    responses=asks_with_body,
)
async def post_next(
    body: NextRequest, catalog: CatalogOf, settings: SettingsOf, batcher: BatcherOf
) -> Response:
    """As GET /next. A text that goes on from one that was sent before is not read again from its beginning.

    `queries` asks about several texts at once.
    """
    batch: Batch[NextQuery] = Batch.of(body)
    _check(batch, settings)
    served = await _find(catalog, body.model, body.version)
    return await _predict(served, batch, batcher)


@router.post(
    "/score",
    summary="How probable a text is",
    response_model=Scores | ScoresBatch,
    responses=asks_with_body,
)
async def post_score(
    body: ScoreRequest, catalog: CatalogOf, settings: SettingsOf, batcher: BatcherOf
) -> Response:
    """ln p of each word of `text` after all before it, and the perplexity of the text.

    A line break is the word <eos>; a text without one at its end leaves its last line open. `queries` asks about several
    texts at once.
    """
    batch: Batch[ScoreQuery] = Batch.of(body)
    _check(batch, settings)
    served = await _find(catalog, body.model, body.version)
    model = served.language_model
    answers = await ask_all(
        batcher,
        batch.queries,
        lambda query: ask_score(model, query.text, mixture=query.mixture),
        lambda query, score: tell_score(model, score, mixture=query.mixture),
    )
    return batch.respond(served, answers)


@router.post(
    "/generate",
    summary="A text that goes on",
    response_model=Generated | GeneratedBatch,
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
    body: GenerateRequest, catalog: CatalogOf, settings: SettingsOf, batcher: BatcherOf
) -> Response:
    """Words drawn one after another, each by its probability after all before it. <unk> is never drawn.

    With `stream`, server-sent events show the text as it comes. `queries` draws several texts at once, which are not
    streamed.
    """
    batch: Batch[GenerateQuery] = Batch.of(body)
    _check(batch, settings)
    batch.check(settings, count_words=lambda query: {"max_tokens": query.max_tokens})
    served = await _find(catalog, body.model, body.version)
    if isinstance(body, GenerateBody) and body.stream:
        return await _stream(served, body, batcher)
    seeded = [(query, _seed(query)) for query in batch.queries]
    answers = await ask_all(
        batcher,
        seeded,
        lambda pair: _draw(served, pair[0], batcher, seed=pair[1]),
        lambda pair, answer: tell_generated(
            served.language_model, answer, mixture=pair[0].mixture, seed=pair[1]
        ),
    )
    return batch.respond(served, answers)


async def _predict(
    served: Served, batch: Batch[NextParameters] | Batch[NextQuery], batcher: Batcher
) -> Response:
    model = served.language_model
    queries: Sequence[NextParameters | NextQuery] = batch.queries

    def ask(query: NextParameters | NextQuery) -> Question:
        return ask_next(
            model,
            query.text,
            kept=batcher.kept,
            top=query.top,
            prefix=query.prefix,
            mixture=query.mixture,
        )

    answers = await ask_all(
        batcher, queries, ask, lambda query, answer: tell_next(model, answer, mixture=query.mixture)
    )
    return batch.respond(served, answers)


async def _stream(served: Served, body: GenerateBody, batcher: Batcher) -> Response:
    """Server-sent events: the pieces of the text as they come, then the answer, or what went wrong."""
    seed = _seed(body)
    items = batcher.stream(lambda show: _draw(served, body, batcher, seed=seed, show=show))
    # Mistakes show with the first item, and can still be answered as such.
    first = await anext(items)

    async def write() -> AsyncIterator[bytes]:
        item = first
        try:
            while isinstance(item, str):
                yield _write_event("piece", {"text": item})
                item = await anext(items)
            told = tell_generated(served.language_model, item, mixture=body.mixture, seed=seed)
            yield _write_event("end", {"model": served.name, "version": served.version, **told})
        except WordkinError as error:
            yield _write_event("error", translate(error).describe())
        except ProblemError as error:
            yield _write_event("error", error.describe())
        finally:
            await items.aclose()

    return StreamingResponse(write(), media_type=EVENT_STREAM, headers={"cache-control": "no-store"})


def _draw(
    served: Served,
    query: GenerateQuery,
    batcher: Batcher,
    *,
    seed: int,
    show: Callable[[str], None] = lambda _: None,
) -> Question:
    return ask_generate(
        served.language_model,
        query.text,
        kept=batcher.kept,
        max_tokens=query.max_tokens,
        sampling=Sampling(temperature=query.temperature, top_k=query.top_k, top_p=query.top_p),
        seed=seed,
        stop=query.stop or (),
        mixture=query.mixture,
        show=show,
    )


def _seed(query: GenerateQuery) -> int:
    return secrets.randbelow(MAX_SEED) if query.seed is None else query.seed


async def _find(catalog: Catalog, model: str | None, version: str | None) -> Served:
    if version is None:
        return catalog.find("language-model", model=model)
    # Another version may have to be opened, which reads the disk.
    return await run_in_threadpool(catalog.find, "language-model", model=model, version=version)


def _check(batch: Batch[Any], settings: Settings) -> None:
    """Refuse more questions, results or longer texts than this server takes."""
    batch.check(settings, get_top=lambda query: getattr(query, "top", 0))
    for place, query in enumerate(batch.queries):
        if len(query.text) > settings.max_text_characters:
            message = f"String should have at most {settings.max_text_characters} characters"
            raise refuse([(batch.locate(place, "text"), message)], limit=settings.max_text_characters)


def _write_event(name: str, data: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode(
        "utf-8", "backslashreplace"
    )
