"""Which models are served: the newest good version of each name, and older ones that are asked for, opened when they are.

What requests see is one immutable shelf, replaced as a whole, so that no request meets half of a change.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from app.errors import MODEL_CHOICE, MODEL_UNAVAILABLE, UNKNOWN_MODEL, WRONG_KIND, ProblemError
from app.settings import Settings
from artifact.embedding import Embedding
from artifact.errors import ArtifactError, InputError, NotFound, StoreError, Unsupported, WordkinError
from artifact.language import LanguageModel
from artifact.manifest import Kind, Manifest
from artifact.store import Store
from artifact.vocabulary import Vocabulary

FAULT_RETRY_S = 30.0
KIND_WORDS: Mapping[Kind, str] = {"embedding": "word vectors", "language-model": "a language model"}
DEFAULT_OPTIONS: Mapping[Kind, str] = {
    "embedding": "--default-model",
    "language-model": "--default-language-model",
}

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

    def faults_of(self, model: str) -> list[Fault]:
        """The faults of one model."""
        return [fault for fault in self.faults if fault.model == model]

    def names(self, kind: Kind) -> list[str]:
        """The names of the served models of one kind, sorted."""
        return [name for name, served in self.served.items() if served.kind == kind]


class Catalog:
    """The models of a store, opened. Any thread may ask; ``refresh`` may run while others ask."""

    def __init__(self, settings: Settings) -> None:
        self._store = Store(settings.store)
        self._defaults: Mapping[Kind, str] = {
            "embedding": settings.default_model,
            "language-model": settings.default_language_model,
        }
        self._max_open_versions = settings.max_open_versions
        self._opening: OrderedDict[tuple[str, str], tuple[float, Future[Served]]] = OrderedDict()
        self._lock = threading.Lock()
        self.shelf = Shelf()

    def refresh(self) -> Shelf:
        """Look through the store and put the newest good version of each name on the shelf.

        A version that is served already stays open; a broken one is reported and the one before it serves.
        """
        served: dict[str, Served] = {}
        faults: list[Fault] = []
        for name in self._store.names():
            found, wrong = self._open_newest(name, self.shelf.served.get(name))
            faults += wrong
            if found is not None:
                served[name] = found
        for fault in set(faults) - set(self.shelf.faults):
            logger.warning("cannot serve %s %s: %s", fault.model, fault.version or "", fault.detail)
        with self._lock:
            self._opening.clear()
        self.shelf = Shelf(MappingProxyType(served), tuple(faults))
        return self.shelf

    def check(self) -> None:
        """InputError where nothing can be served, or where a default names no model or one of the other kind."""
        if not self.shelf.served:
            if self.shelf.faults:
                raise InputError(
                    f"no model in {self._store.root} can be served: {self.shelf.faults[0].detail}"
                )
            raise InputError(f"there is no model in {self._store.root}; python -m trainer train makes one")
        for kind, name in self._defaults.items():
            option = DEFAULT_OPTIONS[kind]
            if not name:
                continue
            if name in self.shelf.served:
                if self.shelf.served[name].kind != kind:
                    raise InputError(f"{option} {name}: this is {KIND_WORDS[self.shelf.served[name].kind]}")
            elif not self.shelf.faults_of(name):
                raise InputError(f"{option} {name}: there is no such model in {self._store.root}")

    def find(self, kind: Kind, *, model: str | None = None, version: str | None = None) -> Served:
        """The model that answers a question for this kind: the one named, else the only one, else the default.

        Raises ProblemError: 404 for an unknown name or version, 409 for the wrong kind or where a name is needed,
        503 for a version that cannot be served.
        """
        shelf = self.shelf
        found = self.get(model or self._choose(shelf, kind), version=version)
        if found.kind != kind:
            detail = f"{found.name} is {KIND_WORDS[found.kind]}; this question is for {KIND_WORDS[kind]}"
            raise ProblemError(WRONG_KIND, detail, choices=shelf.names(kind))
        return found

    def get(self, model: str, *, version: str | None = None) -> Served:
        """The served or the given version of a model of any kind; errors as for ``find``."""
        shelf = self.shelf
        served = shelf.served.get(model)
        if served is not None and version in (None, served.version):
            return served
        faults = shelf.faults_of(model)
        if served is None and not faults:
            detail = f"there is no model {model}; /models lists what there is"
            raise ProblemError(UNKNOWN_MODEL, detail, choices=list(shelf.served))
        if version is None:
            raise ProblemError(MODEL_UNAVAILABLE, faults[0].detail)
        return self._get_version(model, version)

    def is_default(self, served: Served) -> bool:
        """Whether this model answers where a request names none."""
        names = self.shelf.names(served.kind)
        return served.name == (self._defaults[served.kind] or (names[0] if len(names) == 1 else None))

    def versions(self, model: str) -> list[str]:
        """The published versions of a model, oldest first, as the store has them now."""
        return self._store.versions(model)

    def _choose(self, shelf: Shelf, kind: Kind) -> str:
        if default := self._defaults[kind]:
            return default
        names = shelf.names(kind)
        if len(names) == 1:
            return names[0]
        detail = (
            "several models could answer: name one with `model`"
            if names
            else f"no model here is {KIND_WORDS[kind]}"
        )
        raise ProblemError(MODEL_CHOICE, detail, choices=names)

    def _open_newest(self, name: str, before: Served | None) -> tuple[Served | None, list[Fault]]:
        """The latest version of ``name``; where that is broken what was served ``before``, else the newest good one."""
        faults: list[Fault] = []
        latest: str | None = None
        try:
            latest = self._store.latest(name)
        except WordkinError as error:
            faults.append(_fault(name, None, error))
        candidates = [version for version in reversed(self._store.versions(name)) if version != latest]
        for version in [latest, *candidates] if latest else candidates:
            if before is not None and (version == before.version or faults):
                return before, faults
            try:
                return self._open(name, version), faults
            except Exception as error:
                faults.append(_fault(name, version, error))
        return before, faults

    def _get_version(self, model: str, version: str) -> Served:
        """A version that is not on the shelf: opened once however many ask for it at the same time."""
        key = (model, version)
        with self._lock:
            since, future = self._opening.get(key, (0.0, None))
            if (
                future is not None
                and future.done()
                and future.exception()
                and time.monotonic() - since > FAULT_RETRY_S
            ):
                future = None
            opens = future is None
            if future is None:
                future = Future()
                self._opening[key] = (time.monotonic(), future)
            self._opening.move_to_end(key)
            while len(self._opening) > self._max_open_versions:
                self._opening.popitem(last=False)
        if opens:
            try:
                future.set_result(self._open(model, version))
            except BaseException as error:
                future.set_exception(error)
        try:
            return future.result()
        except ArtifactError as error:
            # Stays remembered for a while: each attempt may hash gigabytes.
            raise ProblemError(MODEL_UNAVAILABLE, str(error)) from None
        except Exception as error:
            with self._lock:
                if self._opening.get(key, (0.0, None))[1] is future:
                    del self._opening[key]
            if not isinstance(error, StoreError):
                raise
            detail = f"{model} has no version {version}"
            raise ProblemError(UNKNOWN_MODEL, detail, choices=self.versions(model)[-20:]) from None

    def _open(self, name: str, version: str) -> Served:
        artifact = self._store.open(name, version)
        is_embedding = artifact.manifest.kind == "embedding"
        model = artifact.embedding() if is_embedding else artifact.language_model()
        return Served(name, version, artifact.manifest, model)


def _fault(model: str, version: str | None, error: Exception) -> Fault:
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
