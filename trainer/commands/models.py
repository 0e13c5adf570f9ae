"""Finding the model that a command is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from artifact.embedding import Embedding, Neighbour
from artifact.errors import InputError, NotFound, UnknownWords
from artifact.remote import open_store
from artifact.store import Store
from trainer.console import Console, format_table


def choose_model(store: Store, reference: str | None) -> tuple[str, str]:
    """Name and version of ``reference``, or of the only name in the store. Raises InputError naming the choices."""
    if reference is not None:
        return store.resolve(reference)
    names = store.names()
    if not names:
        raise NotFound(f"there is no model in {store.location}")
    if len(names) > 1:
        raise InputError(f"--name must be given: there are {', '.join(names[:20])} in {store.location}")
    return store.resolve(names[0])


def open_embedding(root: str, reference: str | None) -> Embedding:
    """The word vectors that ``reference`` names in the store at ``root``, a folder or a URL."""
    store = open_store(root)
    return store.open(*choose_model(store, reference)).embedding()


def explain_unknown(error: UnknownWords) -> InputError:
    """The same error with its suggestions in the line."""
    hint = f" (did you mean {', '.join(error.suggestions)}?)" if error.suggestions else ""
    return InputError(f"{error}{hint}")


def show_neighbours(
    console: Console,
    embedding: Embedding,
    neighbours: Sequence[Neighbour],
    *,
    title: str,
    question: dict[str, Any],
) -> None:
    """The answer to ``question``, which ``title`` says in words."""
    results = [{"word": each.word, "score": round(each.score, 6)} for each in neighbours]
    asked = [word for part in question.values() for word in (part if isinstance(part, list) else [part])]
    composed = embedding.oov(asked)
    said = {"oov": True} if composed else {}
    console.record(model=embedding.name, version=embedding.version, **question, results=results, **said)
    console.say(f"{title}  ({embedding.name}@{embedding.version})")
    if composed:
        console.say(f"  not in the vocabulary, composed from subwords: {', '.join(dict.fromkeys(composed))}")
    rows = [[each.word, f"{each.score:.3f}"] for each in neighbours]
    console.say(format_table(rows, right=(1,), indent="  "))
