"""Importing word vectors: a foreign file becomes a version with a card, as if it had been trained here."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artifact.draft import Draft
from artifact.embedding import Embedding, Neighbour
from artifact.embedding_writer import Precision
from artifact.errors import InputError
from artifact.formats.foreign import Foreign
from artifact.formats.intake import Intake, take_in
from artifact.formats.reading import open_foreign
from artifact.formats.remarks import Remark
from artifact.manifest import check_name
from artifact.store import Store
from artifact.tokenizer import Tokenizer
from artifact.vocabulary import Vocabulary
from artifact.weights import map_tensors
from trainer.card import Card
from trainer.console import format_seconds
from trainer.memory import peak_rss_bytes
from trainer.neighbours import Report, add_neighbours
from trainer.publish import find_shown_neighbours, name_files

_SEARCHED_WORDS = 200_000
"""Neighbours on the card are looked for among the first of a large vocabulary."""


@dataclass(frozen=True)
class Import:
    """A foreign file, and how it is to be published. None leaves the choice to what stands in it."""

    path: Path
    name: str
    format: str | None = None
    tokenizer: str | None = None
    dtype: Precision | None = None
    neighbours: int | None = 0
    """How many neighbours of every word to compute; None: some, where that takes seconds."""
    device: str = "auto"
    """Where they are computed: auto, cpu or gpu."""
    provenance: str = ""
    license: str = ""


@dataclass(frozen=True)
class Imported:
    """A version that was imported."""

    name: str
    version: str
    format: str
    words: int
    dim: int
    dtype: str
    tokenizer: str
    has_counts: bool
    remarks: Sequence[Remark]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """What the last line of the command says."""
        return {
            "name": self.name,
            "version": self.version,
            "format": self.format,
            "words": self.words,
            "dim": self.dim,
            "dtype": self.dtype,
            "tokenizer": self.tokenizer,
            "has_counts": self.has_counts,
            "warnings": {remark.kind: remark.count for remark in self.remarks},
            "seconds": round(self.seconds, 3),
            "peak_rss_bytes": peak_rss_bytes(),
        }


def import_vectors(
    store: Store,
    asked: Import,
    *,
    progress: Callable[[int, int | None], object],
    neighbours_progress: Report = lambda _done, _total: None,
) -> Imported:
    """Publish the vectors of a foreign file in ``store``; ``progress`` hears the bytes read so far and their total.

    ``neighbours_progress`` hears of the words whose neighbours are found, where ``asked`` wants a table of them.
    Raises InputError naming the line, or the row and byte, of what cannot be used; nothing is left behind then.
    """
    started = time.monotonic()
    check_name(asked.name)
    with open_foreign(asked.path, asked.format) as foreign, store.draft(asked.name) as draft:
        dtype = asked.dtype or foreign.precision
        try:
            intake = take_in(draft, foreign, dtype=dtype, progress=progress)
        except InputError as error:
            name = name_files([str(asked.path)])[0]
            said = str(error)
            raise InputError(said if said.startswith(name) else f"{name}: {said}") from None
        tokenizer = Tokenizer(asked.tokenizer) if asked.tokenizer else intake.choose_tokenizer()
        _remark_on_lost_words(foreign, intake, tokenizer)
        seconds = time.monotonic() - started
        card = _make_card(draft, asked, foreign, intake, tokenizer=tokenizer, dtype=dtype, seconds=seconds)
        computed = add_neighbours(draft, asked.neighbours, progress=neighbours_progress, device=asked.device)
        draft.add("card", "README.md", card.to_markdown())
        draft.add("report", "report.html", card.to_html())
        version = draft.publish(
            kind="embedding",
            tokenizer=tokenizer,
            recipe={"import": foreign.format, "dim": foreign.dim, "dtype": dtype},
            metrics={
                "words": intake.words,
                "has_counts": intake.has_counts,
                "warnings": foreign.remarks.to_json(),
                "seconds": round(seconds, 3),
                **(computed.to_json() if computed else {}),
            },
            license=asked.license,
            provenance=_describe_origin(asked, foreign),
            requires=intake.requires,
        )
        return Imported(
            name=asked.name,
            version=version,
            format=foreign.format,
            words=intake.words,
            dim=foreign.dim,
            dtype=dtype,
            tokenizer=tokenizer.name,
            has_counts=intake.has_counts,
            remarks=list(foreign.remarks),
            seconds=time.monotonic() - started,
        )


def _remark_on_lost_words(foreign: Foreign, intake: Intake, tokenizer: Tokenizer) -> None:
    lost = intake.changed[tokenizer.name]
    if lost:
        foreign.remarks.say(
            "unreachable",
            f"{lost:,} of {intake.words:,} words are spelled otherwise by the tokenizer {tokenizer.name}, so no query finds "
            "them; --tokenizer whitespace finds all",
            count=lost,
        )


def _describe_origin(asked: Import, foreign: Foreign) -> str:
    said = asked.provenance and f"{asked.provenance}; "
    return f"{said}imported from {name_files([str(asked.path)])[0]} ({foreign.format})"


def _make_card(
    draft: Draft,
    asked: Import,
    foreign: Foreign,
    intake: Intake,
    *,
    tokenizer: Tokenizer,
    dtype: str,
    seconds: float,
) -> Card:
    warnings = [str(remark) for remark in foreign.remarks]
    subwords = foreign.subwords
    return Card(
        name=asked.name,
        summary=f"Word vectors imported with wordkin: {intake.words:,} words, {foreign.dim} dimensions.",
        text_heading="Imported from",
        text={
            "source": asked.provenance or name_files([str(asked.path)])[0],
            "file": name_files([str(asked.path)])[0],
            "format": foreign.format,
            "words": f"{intake.words:,}, in the file's order",
            "counts": "as in the file" if intake.has_counts else "none in the file",
            **({} if subwords is None else {"subwords": _describe_subwords(foreign)}),
        },
        settings={"tokenizer": tokenizer.name, "dtype": dtype},
        result={
            "read in": format_seconds(seconds),
            **{f"warning {number}": text for number, text in enumerate(warnings, 1)},
        },
        neighbours=_find_neighbours(draft, intake, tokenizer),
        license=asked.license,
        has_loss=False,
    )


def _describe_subwords(foreign: Foreign) -> str:
    if foreign.subwords is None:
        return "none"
    ngrams = foreign.subwords.ngrams
    return f"{ngrams.shortest} to {ngrams.longest} characters in {ngrams.buckets:,} buckets"


def _find_neighbours(draft: Draft, intake: Intake, tokenizer: Tokenizer) -> dict[str, list[Neighbour]]:
    weights = map_tensors(draft.path / "weights.safetensors")
    embedding = Embedding(
        vectors=weights["vectors"],
        norms=weights["norms"],
        vocabulary=Vocabulary.map(
            draft.path / "vocabulary.txt",
            map_tensors(draft.path / "vocabulary.safetensors"),
            weights["counts"],
        ),
        tokenizer=tokenizer,
    )
    return find_shown_neighbours(embedding, intake.first_tokens, restrict_vocab=_SEARCHED_WORDS)
