"""Training that goes on from a published version, with new text and new words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.embedding import Embedding
from artifact.errors import Corrupt, InputError, WordkinError
from artifact.phrases import Joining, Phrases
from artifact.remote import open_store
from artifact.store import Store
from artifact.subwords import Ngrams
from artifact.tokenizer import Tokenizer
from trainer.checkpoint import Checkpoints
from trainer.corpus import Corpus
from trainer.extended_corpus import ExtendedCorpus, extend_corpus
from trainer.loop import Learner
from trainer.ngram_rows import find_buckets
from trainer.options import Arguments
from trainer.recipes import WordVectorSettings
from trainer.setup import Setup

FIXED = ("model", "dim", "loss", "subwords", "buckets")
"""What a version cannot change without starting anew."""
INHERITED = ("window", "negatives", "subsample", "output_weight")
"""What is as it was unless something else is asked for; how long and how fast to train is always asked anew."""

TABLES = ("input", "output")


@dataclass(frozen=True)
class Origin:
    """A published version that a training goes on from."""

    reference: str
    """NAME@VERSION"""
    embedding: Embedding
    provenance: str
    setup: Setup | None = None
    """What it was trained with."""
    tables: Mapping[str, NDArray[np.float32]] | None = None
    """The input and output vectors that its training ended with, mapped: they stay there even if the file is removed."""

    @classmethod
    def open(cls, root: str | Path, reference: str, *, states: str | Path | None = None) -> Origin:
        """The version that ``reference`` names in the store at ``root``, with what training needs.

        That is kept in the store too, or in the folder ``states``. Raises InputError saying why training cannot go on from it.
        """
        origin = cls.reopen(root, reference)
        size, dim = len(origin.embedding.vocabulary), origin.embedding.dim
        checkpoints = Checkpoints(open_store(root).root, origin.embedding.name, folder=states)
        try:
            state = checkpoints.load(origin.embedding.version)
            if state is None:
                kept = checkpoints.kept()
                there = f"; there are those of {', '.join(kept[-5:])}" if kept else ""
                raise InputError(
                    f"the state that its training ended with is not kept{there}; train it again with --keep-checkpoints "
                    "above 0, the number of newest versions of a name whose state is kept"
                )
            tables = state.read_arrays()
            shapes = [tables[name].shape if name in tables else () for name in TABLES]
            fits = shapes[1] in {(size, dim), (size - 1, dim)}  # one row fewer with hierarchical softmax
            if not fits or shapes[0][1:] != (dim,) or shapes[0][0] < size:
                raise InputError(f"the kept state is not that of {size} words in {dim} dimensions")
            setup = Setup.from_json(state.setup)
        except WordkinError as error:
            raise InputError(f"{origin.where}: {error}") from None
        return replace(origin, setup=setup, tables={name: tables[name] for name in TABLES})

    @classmethod
    def reopen(cls, root: str | Path, reference: str) -> Origin:
        """The version with its words alone, for a training that has begun. Raises InputError."""
        try:
            store = open_store(root)
            name, version = store.resolve(reference)
            artifact = store.open(name, version)
            embedding = artifact.embedding()
        except WordkinError as error:
            raise InputError(f"--resume-from {reference}: {error}") from None
        return cls(f"{name}@{version}", embedding, artifact.manifest.provenance)

    @property
    def where(self) -> str:
        """How errors about it begin."""
        return f"--resume-from {self.reference}"

    def inherit(self, setup: Setup, arguments: Arguments) -> Setup:
        """``setup`` with what this version fixes, and what is not asked for as it was.

        Raises InputError naming the first option that contradicts the version, and for a loss that cannot go on.
        """
        before, where = self.setup, self.where
        if before is None:
            raise ValueError("reopened for a training that has begun")
        if setup.settings.model != before.settings.model:
            raise InputError(f"{where}: it is a {before.settings.model} model, not {setup.settings.model}")
        asked, had = setup.to_json(), before.to_json()
        for key in (*FIXED, "tokenizer", "phrases", *(key for key in asked if key.startswith("phrase_"))):
            if arguments.given(key) and asked[key] != had.get(key):
                option = f"--{key.replace('_', '-')}"
                raise InputError(
                    f"{where}: {option} is {_show(asked[key])}, but the version has {_show(had.get(key))}"
                )
        if before.settings.loss != "negative-sampling":
            raise InputError(
                f"{where}: it was trained with --loss {before.settings.loss}, whose output vectors belong to the tree of its "
                "own vocabulary; with new words there is another tree, so training cannot go on"
            )
        kept = [*FIXED, *(key for key in INHERITED if not arguments.given(key))]
        return replace(
            setup,
            settings=replace(setup.settings, **{key: getattr(before.settings, key) for key in kept}),
            tokenizer=before.tokenizer,
            min_count=setup.min_count if arguments.given("min_count") else before.min_count,
            resumed_from=self.reference,
            phrases=before.phrases,
        )

    def extend(self, corpus: Corpus, *, min_count: int, folder: Path) -> ExtendedCorpus:
        """``corpus`` under its own vocabulary and this version's; see ``extend_corpus``."""
        if corpus.tokenizer != self.embedding.tokenizer:
            raise InputError(
                f"{self.where}: its tokenizer is {_describe(self.embedding.tokenizer)}, but "
                f"{corpus.path} was made with {_describe(corpus.tokenizer)}"
            )
        if _list(corpus.phrases) != _list(self.embedding.phrases):
            raise InputError(
                f"{self.where}: its phrases are not those of {corpus.path}; give the text itself, and they are joined"
            )
        vocabulary = self.embedding.vocabulary
        return extend_corpus(
            corpus,
            tokens=list(vocabulary),
            counts=np.asarray(vocabulary.counts),
            min_count=min_count,
            folder=folder,
        )

    def start(self, learner: Learner, extended: ExtendedCorpus, settings: WordVectorSettings) -> None:
        """Put the version's tables into a learner that has not begun.

        Rows of words and n-grams that both know are the version's, input and output. The rest stays as it begins
        everywhere: input rows random, output rows zero. With subwords the vector of a new word is made of n-grams that
        are known already. The optimizer starts anew. Raises InputError where tables of n-grams do not fit.
        """
        tables = self.tables
        if tables is None:
            raise ValueError("reopened for a training that has begun")
        arrays, values = learner.state()
        size, tokens = len(extended.old_ids), extended.corpus.tokens
        arrays["input"][extended.old_ids] = tables["input"][:size]
        arrays["output"][extended.old_ids] = tables["output"]
        if settings.subwords is not None:
            ngrams = Ngrams(*settings.subwords, settings.buckets)
            try:
                buckets = find_buckets(len(tables["input"]), list(self.embedding.vocabulary), ngrams)
            except Corrupt as error:
                raise InputError(f"{self.where}: {error}") from None
            now = find_buckets(len(arrays["input"]), tokens, ngrams)
            _, there, here = np.intersect1d(buckets, now, assume_unique=True, return_indices=True)
            arrays["input"][len(tokens) + here] = tables["input"][size + there]
        learner.restore(arrays, values)


def find_origin(store: Store, arguments: Arguments, *, resumed_from: str | None) -> Origin | None:
    """The origin of an interrupted training that itself went on from ``resumed_from``. Raises InputError for another."""
    asked = arguments["resume_from"]
    if asked is not None:
        asked = "@".join(store.resolve(asked))
        if asked != resumed_from:
            before = f"goes on from {resumed_from}" if resumed_from else "does not go on from any version"
            raise InputError(f"--resume: --resume-from is {asked}, but the interrupted training {before}")
    return None if resumed_from is None else Origin.reopen(store.location, resumed_from)


def _show(value: Any) -> str:
    if value is None:
        return "none"
    return "-".join(map(str, value)) if isinstance(value, list) else str(value)


def _list(phrases: Phrases | None) -> tuple[Joining, list[str]] | None:
    return None if phrases is None else (phrases.joining, list(phrases))


def _describe(tokenizer: Tokenizer) -> str:
    """The name where that says it all."""
    return tokenizer.name if Tokenizer(tokenizer.name) == tokenizer else str(tokenizer.to_json())
