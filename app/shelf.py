"""What is served at one moment, as requests see it: open versions, and those that could not be opened."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from app.errors import WRONG_KIND, ProblemError
from artifact.embedding import Embedding
from artifact.errors import ArtifactError, NotFound, Unsupported, WordkinError
from artifact.language import LanguageModel
from artifact.manifest import Kind, Manifest
from artifact.vocabulary import Vocabulary

KIND_WORDS: Mapping[Kind, str] = {"embedding": "word vectors", "language-model": "a language model"}

MOST_TOLD = 5
"""Models that one sentence names."""

Reason = Literal["corrupt", "unsupported", "unreadable"]
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Served:
    """One open version of a model."""

    name: str
    version: str
    manifest: Manifest
    _model: Embedding | LanguageModel

    @property
    def kind(self) -> Kind:
        """What kind of model this is."""
        return self.manifest.kind

    @property
    def embedding(self) -> Embedding:
        """The word vectors; the catalog hands out this kind only where it was asked for."""
        if not isinstance(self._model, Embedding):
            raise ProblemError(WRONG_KIND, f"{self.name} is {KIND_WORDS[self.kind]}", choices=[])
        return self._model

    @property
    def language_model(self) -> LanguageModel:
        """The language model; as for ``embedding``."""
        if not isinstance(self._model, LanguageModel):
            raise ProblemError(WRONG_KIND, f"{self.name} is {KIND_WORDS[self.kind]}", choices=[])
        return self._model

    @property
    def vocabulary(self) -> Vocabulary:
        """The words of the model, whatever its kind."""
        return self._model.vocabulary

    def tell_refused(self, words: int) -> None:
        """Tell the observer of unknown words that one of several questions had no answer for."""
        self._model.observe_unknown("refused", words)

    @property
    def warnings(self) -> list[str]:
        """What of this version is not made use of, and why."""
        return self._model.warnings if isinstance(self._model, Embedding) else []

    @property
    def has_index(self) -> bool:
        """Whether questions may be answered by an index."""
        return isinstance(self._model, Embedding) and self._model.index is not None

    def prepare(self) -> None:
        """Compute what questions would else compute as they come."""
        if isinstance(self._model, LanguageModel):
            self._model.network.prepare()

    def warm(self) -> None:
        """Ask a first question, so that whoever asks next need not wait for what is read and made only once."""
        with suppress(WordkinError):
            if isinstance(self._model, Embedding):
                self._model.similar([self.vocabulary.token(0)], top=1)
            else:
                self._model.predict([self._model.start()])


@dataclass(frozen=True, slots=True)
class Fault:
    """A version that the store has but that cannot be served; ``version`` is None where it could not even be told."""

    model: str
    version: str | None
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Shelf:
    """What is served at one moment: a version for each name, and what could not be."""

    served: Mapping[str, Served] = field(default_factory=lambda: MappingProxyType({}))
    faults: tuple[Fault, ...] = ()
    pins: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """The version that a name is pinned to, for names that are."""

    def faults_of(self, model: str) -> list[Fault]:
        """The faults of one model."""
        return [fault for fault in self.faults if fault.model == model]

    def names(self, kind: Kind) -> list[str]:
        """The names of the served models of one kind, sorted."""
        return [name for name, served in self.served.items() if served.kind == kind]

    def tell_loaded(self) -> str:
        """The first of the served models, each with its kind, and how many more there are."""
        told = [f"{name} ({KIND_WORDS[served.kind]})" for name, served in self.served.items()]
        if len(told) > MOST_TOLD:
            told = [*told[:MOST_TOLD], f"{len(told) - MOST_TOLD} more"]
        return ", ".join(told) or "nothing"


def find_fault(model: str, version: str | None, error: Exception) -> Fault:
    """What ``error``, met while opening a version, is to those who ask; the log has what nobody foresaw."""
    match error:
        case Unsupported():
            reason: Reason = "unsupported"
        case ArtifactError():
            reason = "corrupt"
        case _:
            reason = "unreadable"
    if isinstance(error, NotFound):
        detail = f"{model}: the store does not say which version is newest"
    elif isinstance(error, WordkinError):
        detail = str(error)
    else:
        logger.error("opening %s %s failed", model, version, exc_info=error)
        detail = f"{model}/{version}: cannot be opened; the server's log has the cause"
    return Fault(model, version, reason, detail)
