"""Which models are served: the newest good version of each name, and older ones that are asked for, opened when they are.

What requests see is one immutable shelf, replaced as a whole, so that no request meets half of a change.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from app.batching import available_threads
from app.errors import MODEL_CHOICE, MODEL_UNAVAILABLE, UNKNOWN_MODEL, WRONG_KIND, ProblemError
from app.open_versions import OpenVersions
from app.reloads import Reload, ReloadResult
from app.settings import Settings
from app.shelf import KIND_WORDS, Fault, Served, Shelf, find_fault
from artifact.errors import (
    ArtifactError,
    InputError,
    StoreError,
    StoreUnreachable,
    WordkinError,
)
from artifact.manifest import Kind
from artifact.observers import UnknownHow, UnknownObserver, tell_nobody
from artifact.remote import open_store
from artifact.store import Artifact, Mark

FIRST_RETRY_S, LONGEST_RETRY_S = 30.0, 3_600.0
"""How long the poll waits before it tries a version again that was broken: twice as long each time."""
DEFAULT_OPTIONS: Mapping[Kind, str] = {
    "embedding": "--default-model",
    "language-model": "--default-language-model",
}

__all__ = ["Catalog", "Fault", "Served", "Shelf"]
logger = logging.getLogger(__name__)


class Catalog:
    """The models of a store, opened. Any thread may ask; any may refresh, poll and pin while others ask.

    ``reloads`` counts what became of looking for other versions, by model and result; ``observe_reloads`` is told of each
    look, by the thread that made it; ``observe_searches``, how many questions for words each search answers together;
    ``observe_unknown``, what became of words that a vocabulary lacks, and how many.
    """

    def __init__(self, settings: Settings) -> None:
        self._store = open_store(settings.store, cache=Path(settings.cache) if settings.cache else None)
        self._defaults: Mapping[Kind, str] = {
            "embedding": settings.default_model,
            "language-model": settings.default_language_model,
        }
        # One search at a time has all cores of a worker's share: what arrives meanwhile is joined into the next.
        self._search_threads = max(1, available_threads() // settings.workers)
        self._older = OpenVersions(self._open, most=settings.max_open_versions)
        self._changing = threading.RLock()
        self._marks: dict[str, Mark] = {}
        self._retries: dict[str, tuple[float, float]] = {}
        self._unreachable = False
        self._prepares = False
        self.shelf = Shelf()
        self.reloads: Counter[tuple[str, ReloadResult]] = Counter()
        self.observe_reloads: Callable[[Reload], object] = tell_nobody
        self.observe_searches: Callable[[int], object] = tell_nobody
        self.observe_unknown: UnknownObserver = tell_nobody

    def refresh(self) -> Shelf:
        """Look through the store and put the version to serve of each name on the shelf: the pinned one, else the newest.

        A version that is served already stays open; a broken one is reported and the one before it serves.
        """
        with self._changing:
            marks = self._store.marks()
            for name in sorted({*marks, *self.shelf.served}):
                self._refresh_model(name, marks.get(name))
            return self.shelf

    def prepare(self) -> None:
        """Compute what questions would else compute as they come: of the models that answer where none is named.

        Those that take their places later are then prepared before they do. Any other computes what it is asked for.
        """
        with self._changing:
            self._prepares = True
            for served in self.shelf.served.values():
                if self.is_default(served):
                    served.prepare()

    def poll(self) -> None:
        """Refresh the models whose ``latest`` or pin in the store changed, and after a while those that were broken."""
        with self._changing:
            try:
                marks = self._store.marks()
                now = time.monotonic()
                due = {name for name, (at, _) in self._retries.items() if at <= now}
                changed = {
                    name for name in {*marks, *self._marks} if marks.get(name) != self._marks.get(name)
                }
                for name in sorted(changed | due):
                    self._refresh_model(name, marks.get(name))
            except StoreUnreachable as error:
                # What was not seen to the end differs from the marks still, and is looked at again.
                if not self._unreachable:
                    logger.warning("looking for new versions: %s", error)
                self._unreachable = True
            else:
                self._unreachable = False

    def reload(self, model: str) -> Reload:
        """Look for another version of one model now. ProblemError (404) where neither store nor shelf know it."""
        with self._changing:
            mark = self._store.marks().get(model)
            self._check_known(model, mark)
            return self._refresh_model(model, mark)

    def pin(self, model: str, version: str) -> Reload:
        """Serve this version of ``model``, older or newer, until it is unpinned: here, and in every server on the store.

        It is opened first: errors as for ``get``, and StoreUnwritable.
        """
        with self._changing:
            self.get(model, version=version)
            self._store.pin(model, version)
            return self.reload(model)

    def unpin(self, model: str) -> Reload:
        """Serve the newest version of ``model`` again. Errors as for ``reload``, and StoreUnwritable."""
        with self._changing:
            self._check_known(model, self._store.marks().get(model))
            self._store.unpin(model)
            return self.reload(model)

    def check(self) -> None:
        """InputError where nothing can be served, or where a default names no model or one of the other kind."""
        if not self.shelf.served:
            if self.shelf.faults:
                raise InputError(
                    f"no model in {self._store.location} can be served: {self.shelf.faults[0].detail}"
                )
            raise InputError(
                f"there is no model in {self._store.location}; python -m trainer train makes one"
            )
        for kind, name in self._defaults.items():
            option = DEFAULT_OPTIONS[kind]
            if not name:
                continue
            if name in self.shelf.served:
                if self.shelf.served[name].kind != kind:
                    raise InputError(f"{option} {name}: this is {KIND_WORDS[self.shelf.served[name].kind]}")
            elif not self.shelf.faults_of(name):
                raise InputError(f"{option} {name}: there is no such model in {self._store.location}")

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
            raise _unknown_model(model, shelf)
        if version is None:
            raise ProblemError(MODEL_UNAVAILABLE, faults[0].detail)
        return self._get_version(model, version)

    def is_default(self, served: Served) -> bool:
        """Whether this model answers where a request names none, or would if it were on the shelf."""
        if default := self._defaults[served.kind]:
            return served.name == default
        return not set(self.shelf.names(served.kind)) - {served.name}

    def versions(self, model: str) -> list[str]:
        """The published versions of a model, oldest first; the one that is served where the store cannot be read."""
        try:
            return self._store.versions(model)
        except StoreUnreachable:
            return [self.shelf.served[model].version] if model in self.shelf.served else []

    def _choose(self, shelf: Shelf, kind: Kind) -> str:
        if default := self._defaults[kind]:
            return default
        names = shelf.names(kind)
        if len(names) == 1:
            return names[0]
        detail = (
            "several models could answer: name one with `model`"
            if names
            else f"no model here is {KIND_WORDS[kind]}; loaded: {shelf.tell_loaded()}"
        )
        raise ProblemError(MODEL_CHOICE, detail, choices=names)

    def _check_known(self, model: str, mark: Mark | None) -> None:
        if mark is None and model not in self.shelf.served:
            raise _unknown_model(model, self.shelf)

    def _refresh_model(self, name: str, mark: Mark | None) -> Reload:
        """Put what is to be served of one model on the shelf, whose store had this ``mark`` before."""
        started = time.perf_counter()
        before = self.shelf.served.get(name)
        found: Served | None = None
        faults: list[Fault] = []
        pin: str | None = None
        # Without a folder in the store the model is gone; with one, what is served outlives files that went missing.
        if mark is not None:
            found, faults, pin = self._open_wanted(name, before)
        self._shelve(name, found, faults, pin)
        self._older.forget(name, served=found.version if found else None)
        if mark is None:
            self._marks.pop(name, None)
        else:
            self._marks[name] = mark
        self._retries.pop(name, None) if not faults else self._put_off(name)
        result: ReloadResult = "failed"
        if not faults:
            result = "removed" if found is None else "unchanged" if found is before else "swapped"
        reload = Reload(
            model=name,
            result=result,
            before=before.version if before else None,
            version=found.version if found else None,
            seconds=time.perf_counter() - started,
        )
        self._tell(reload)
        if reload.version != reload.before and reload.before:
            # What is still mapped outlives its files.
            with suppress(WordkinError, OSError):
                self._store.tidy()
        return reload

    def _shelve(self, name: str, served: Served | None, faults: list[Fault], pin: str | None) -> None:
        """Replace the shelf by one with this of ``name``."""
        shelf = self.shelf
        for fault in faults:
            if fault not in shelf.faults:
                logger.warning("cannot serve %s %s: %s", fault.model, fault.version or "", fault.detail)
        all_served = {**shelf.served, name: served}
        all_pins = {**shelf.pins, name: pin}
        others = [fault for fault in shelf.faults if fault.model != name]
        self.shelf = Shelf(
            MappingProxyType({key: value for key, value in sorted(all_served.items()) if value is not None}),
            tuple(sorted([*others, *faults], key=lambda fault: fault.model)),
            MappingProxyType({key: value for key, value in all_pins.items() if value is not None}),
        )

    def _put_off(self, name: str) -> None:
        _, wait = self._retries.get(name, (0.0, FIRST_RETRY_S / 2))
        wait = min(2 * wait, LONGEST_RETRY_S)
        self._retries[name] = (time.monotonic() + wait, wait)

    def _tell(self, reload: Reload) -> None:
        self.reloads[reload.model, reload.result] += 1
        if self._prepares and reload.version != reload.before:
            if reload.before is None:
                kind = self.shelf.served[reload.model].kind
                logger.info("serving %s %s (%s)", reload.model, reload.version, kind)
            elif reload.version is None:
                logger.info("serving %s %s no more", reload.model, reload.before)
            else:
                logger.info("serving %s %s instead of %s", reload.model, reload.version, reload.before)
        self.observe_reloads(reload)

    def _tell_size(self, questions: int) -> None:
        self.observe_searches(questions)

    def _tell_unknown(self, how: UnknownHow, words: int) -> None:
        self.observe_unknown(how, words)

    def _open_wanted(self, name: str, before: Served | None) -> tuple[Served | None, list[Fault], str | None]:
        """The pinned or latest version of ``name``; where that is broken what was served ``before``, else the newest good one.

        Raises StoreUnreachable where it cannot be told.
        """
        faults: list[Fault] = []
        pin: str | None = None
        wanted: list[str] = []
        try:
            pin = self._store.pinned(name)
            if pin:
                wanted.append(pin)
        except StoreUnreachable:
            raise
        except WordkinError as error:
            faults.append(find_fault(name, None, error))
        try:
            wanted.append(self._store.latest(name))
        except StoreUnreachable:
            raise
        except WordkinError as error:
            if not wanted:
                faults.append(find_fault(name, None, error))
        wanted += [version for version in reversed(self._store.versions(name)) if version not in wanted]
        for version in dict.fromkeys(wanted):
            if before is not None and (version == before.version or faults):
                return before, faults, pin
            try:
                found = self._open_unobserved(name, version)
                if self._prepares and self.is_default(found):
                    found.prepare()
                if before is not None:
                    found.warm()
                self._observe(found)
            except Exception as error:
                faults.append(find_fault(name, version, error))
            else:
                return found, faults, pin
        return before, faults, pin

    def _get_version(self, model: str, version: str) -> Served:
        """A version that is not on the shelf."""
        try:
            return self._older.get(model, version)
        except (ArtifactError, StoreUnreachable) as error:
            raise ProblemError(MODEL_UNAVAILABLE, str(error)) from None
        except StoreError:
            detail = f"{model} has no version {version}"
            raise ProblemError(UNKNOWN_MODEL, detail, choices=self.versions(model)[-20:]) from None

    def _open(self, name: str, version: str) -> Served:
        served = self._open_unobserved(name, version)
        self._observe(served)
        return served

    def _open_unobserved(self, name: str, version: str) -> Served:
        """A version of which nobody is told what it answers, so that first questions of the server's own are not counted."""
        artifact = self._store.open(name, version)
        _read_ahead(artifact)
        is_embedding = artifact.manifest.kind == "embedding"
        model = (
            artifact.embedding(threads=self._search_threads, with_index=True)
            if is_embedding
            else artifact.language_model()
        )
        served = Served(name, version, artifact.manifest, model)
        for warning in served.warnings:
            logger.warning("%s %s: %s", name, version, warning)
        return served

    def _observe(self, served: Served) -> None:
        if served.kind == "embedding":
            served.embedding.observe_batches(self._tell_size)
            served.embedding.observe_unknown = self._tell_unknown
        else:
            served.language_model.observe_unknown = self._tell_unknown


def _unknown_model(model: str, shelf: Shelf) -> ProblemError:
    detail = f"there is no model {model}; /models lists what there is"
    return ProblemError(UNKNOWN_MODEL, detail, choices=list(shelf.served))


def _read_ahead(artifact: Artifact) -> None:
    """Let the system read the files while the first questions come: a map alone is read page by page as it is touched."""
    for role in artifact.manifest.files:
        path = artifact.file(role)
        if path is not None and hasattr(os, "posix_fadvise"):
            with suppress(OSError), path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
