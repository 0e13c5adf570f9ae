"""POST /vectors in base64 and POST /v1/embeddings, answered before routing where the question is plain and short.

Such a question costs a millisecond, mostly of the interpreter's own. Several threads at it take the interpreter's lock from
each other and from the event loop, which costs more than the work itself: so one thread answers them, one after another. What
is answered here is exactly what the route answers, by the same functions. Whatever is not plain (another form, an error, a
model or words that take longer) goes on to the route and its threads, which also documents the address; and so does what would
have to wait, since a model whose pages must be read from the disk first would hold up the questions to all others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_core import from_json
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.answers import JSON
from app.catalog import Catalog
from app.lone_thread import LoneThread
from app.openai_schemas import EmbeddingsBody
from app.plain_routes import PlainRoute, find_open
from app.routes.openai import respond_embeddings
from app.routes.vectors import respond_vectors
from app.settings import Settings
from app.vector_schemas import VectorsBody
from artifact.errors import WordkinError
from artifact.lookup import look_up_known
from artifact.subwords import REQUIREMENT as SUBWORDS
from artifact.texts import tokenize_texts

MOST_BODY_BYTES = 24_576
MOST_NUMBERS = 1 << 19
"""Of all vectors of an answer: 2 MiB of float32."""
MOST_UNDER_WAY = 8
"""In the one thread: more than it needs to be kept busy, and a wait of about ten milliseconds where no question takes long."""
_PLAIN_FORM = b'"base64"'
"""Stands in every plain body, but where it is written with escapes; what has it not is not parsed here in vain."""
_PLAIN_HEADERS: Mapping[bytes, frozenset[bytes]] = {
    b"content-type": frozenset({JSON.encode()}),
    b"accept": frozenset({b"*/*", JSON.encode()}),
    b"content-encoding": frozenset(),
}


@dataclass(frozen=True, slots=True)
class Shortcut(PlainRoute):
    """An address that is answered here: ``answer`` gives None, or an error, where the route must."""

    body: type[BaseModel]
    answer: Callable[[Any, Catalog, Settings], Response | None]


def answer_vectors(body: VectorsBody, catalog: Catalog, settings: Settings) -> Response | None:
    """As the route does, of words that are all in the vocabulary."""
    served = find_open(catalog, "embedding", model=body.model, version=body.version)
    if served is None or served.embedding.phrases or body.encoding != "base64":
        return None
    count = len(body.words)
    if count > settings.max_words or count * served.embedding.dim > MOST_NUMBERS:
        return None
    lookup = look_up_known(served.embedding, body.words)
    return None if lookup is None else respond_vectors(served, body.words, lookup, JSON, body.encoding)


def answer_embeddings(body: EmbeddingsBody, catalog: Catalog, settings: Settings) -> Response | None:
    """As the route does, of texts whose unknown words, if there are any, are left out. Raises as the route."""
    name, at, version = body.model.partition("@")
    served = find_open(catalog, "embedding", model=name, version=version if at else None)
    if served is None or body.encoding_format != "base64" or len(body.input) > settings.max_texts:
        return None
    embedding = served.embedding
    if embedding.phrases:
        return None
    if body.dimensions not in (None, embedding.dim) or len(body.input) * embedding.dim > MOST_NUMBERS:
        return None
    texts = tokenize_texts(embedding, body.input)
    if SUBWORDS in served.manifest.requires and (embedding.vocabulary.locate(texts.tokens) < 0).any():
        return None
    return respond_embeddings(served, body, texts, suggest=False)


SHORTCUTS: Mapping[str, Shortcut] = {
    shortcut.path: shortcut
    for shortcut in (
        Shortcut("POST", "/vectors", VectorsBody, answer_vectors),
        Shortcut("POST", "/v1/embeddings", EmbeddingsBody, answer_embeddings),
    )
}


class VectorAnswers:
    """ASGI: answers plain and short questions for vectors, and hands everything else on. Bodies must come in one message."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self.app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        shortcut = SHORTCUTS.get(scope["path"]) if scope["type"] == "http" else None
        if shortcut is None or not shortcut.takes(scope) or not has_plain_head(scope):
            await self.app(scope, receive, send)
            return
        message = await receive()
        state = scope["app"].state
        thread: LoneThread = state.vector_thread
        response = None
        if is_plain_body(message) and thread.has_room:
            # Whatever becomes of it, it is counted here; the router chooses anew.
            scope["route"] = shortcut
            response = await thread.run(self._answer, shortcut, message, state.catalog)
        if response is None:
            await self.app(scope, _give_back(message, receive), send)
            return
        await response(scope, receive, send)

    def _answer(self, shortcut: Shortcut, message: Message, catalog: Catalog) -> Response | None:
        try:
            asked = shortcut.body.model_validate(from_json(message["body"], allow_inf_nan=False))
            return shortcut.answer(asked, catalog, self._settings)
        except (ValueError, WordkinError):
            # ValidationError is a ValueError. The route says what is wrong.
            return None


def has_plain_head(scope: Scope) -> bool:
    """Whether the head asks for JSON, announces JSON, and holds nothing that the route must look at."""
    if scope["query_string"]:
        return False
    announced = False
    for name, value in scope["headers"]:
        if name in _PLAIN_HEADERS:
            if value not in _PLAIN_HEADERS[name]:
                return False
            announced = announced or name == b"content-type"
    return announced


def is_plain_body(message: Message) -> bool:
    """Whether ``message`` is a whole body, short, and may ask for base64."""
    body = message.get("body", b"")
    return len(body) <= MOST_BODY_BYTES and _PLAIN_FORM in body and not message.get("more_body", False)


def _give_back(message: Message, receive: Receive) -> Receive:
    """A ``receive`` that gives ``message`` again and then goes on."""
    left = [message]

    async def receive_again() -> Message:
        return left.pop() if left else await receive()

    return receive_again
