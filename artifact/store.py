"""A folder of published versions: ``<store>/<name>/<version>/``, and one line each in ``<store>/<name>/latest`` and ``pinned``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.draft import DRAFT_PREFIX, LATEST_FILE, Draft
from artifact.embedding import Embedding
from artifact.errors import Corrupt, NotFound, StoreUnreachable, StoreUnwritable, WrongKind
from artifact.files import RememberedHashes, cache_folder, hash_file, replace_file
from artifact.language import LanguageModel
from artifact.manifest import (
    MANIFEST_FILE,
    MAX_MANIFEST_BYTES,
    NAME_PATTERN,
    Kind,
    Manifest,
    check_name,
    parse_manifest,
)
from artifact.neighbours import ROLE as NEIGHBOURS
from artifact.neighbours import NeighbourTable
from artifact.phrases import Phrases
from artifact.subwords import Subwords
from artifact.tokenizer import Tokenizer
from artifact.vocabulary import Vocabulary
from artifact.weights import map_tensors
from artifact.word_index import ROLE as INDEX
from artifact.word_index import IndexFigures, WordIndex

_KIND_WORDS: dict[Kind, str] = {"embedding": "an embedding", "language-model": "a language model"}

STAMP_LENGTH = len("yyyymmddThhmmssZ")
LINE_BYTES = 256
PINNED_FILE = "pinned"
Mark = tuple[bytes | None, bytes | None]
"""What ``latest`` and ``pinned`` of a name hold; None for a file that is not there."""


@dataclass(frozen=True)
class Artifact:
    """An opened version whose files have the sizes and hashes that its manifest says."""

    name: str
    version: str
    path: Path
    manifest: Manifest

    def file(self, role: str) -> Path | None:
        """The path of the file with this role, or None."""
        entry = self.manifest.files.get(role)
        return None if entry is None else self.path / entry.path

    def embedding(self, *, threads: int = 1, with_index: bool = False) -> Embedding:
        """The word-vector model, memory-mapped; WrongKind if it is another kind, Corrupt if its parts do not fit.

        ``threads`` share a large search; see ``artifact.search.Search``. An index is opened ``with_index`` only.
        """
        tensors = self._weights("embedding")
        if missing := {"vectors", "norms"} - set(tensors):
            raise Corrupt(f"{self.name}/{self.version}: the weights lack {', '.join(sorted(missing))}")
        return Embedding(
            vectors=tensors["vectors"],
            norms=tensors["norms"],
            vocabulary=self._vocabulary(tensors["counts"]),
            tokenizer=Tokenizer.from_json(self.manifest.tokenizer),
            name=self.name,
            version=self.version,
            manifest=self.manifest,
            subwords=self._subwords(),
            phrases=self._phrases(),
            neighbours=self._neighbours(),
            index=self._index() if with_index else None,
            threads=threads,
        )

    def language_model(self) -> LanguageModel:
        """The language model, memory-mapped; errors as for ``embedding``."""
        tensors = self._weights("language-model")
        vocabulary = self._vocabulary(tensors["counts"])
        with self._named():
            return LanguageModel.from_tensors(
                tensors,
                recipe=self.manifest.recipe,
                ngrams=self._tensors("ngrams") if self.file("ngrams") else None,
                vocabulary=vocabulary,
                tokenizer=Tokenizer.from_json(self.manifest.tokenizer),
                name=self.name,
                version=self.version,
                manifest=self.manifest,
            )

    def _weights(self, kind: Kind) -> dict[str, NDArray[Any]]:
        """The tensors of the weights file, as the manifest describes them; WrongKind where this is not of ``kind``."""
        where = f"{self.name}/{self.version}"
        if self.manifest.kind != kind:
            raise WrongKind(f"{where} is {_KIND_WORDS[self.manifest.kind]}, not {_KIND_WORDS[kind]}")
        tensors = self._tensors("weights")
        said = {name: (entry.dtype, tuple(entry.shape)) for name, entry in self.manifest.tensors.items()}
        found = {name: (array.dtype.name, array.shape) for name, array in tensors.items()}
        if said != found:
            raise Corrupt(f"{where}: the tensors are not those that the manifest describes")
        if "counts" not in tensors:
            raise Corrupt(f"{where}: the weights lack counts")
        counts = tensors["counts"]
        if counts.dtype != np.int64 or counts.ndim != 1 or not len(counts):
            raise Corrupt(f"{where}: counts must be one row of int64")
        return tensors

    def _vocabulary(self, counts: NDArray[np.int64]) -> Vocabulary:
        path = self.file("vocabulary")
        if path is None:
            raise Corrupt(f"{self.name}/{self.version}: there is no vocabulary")
        index = self._tensors("vocabulary-index") if self.file("vocabulary-index") else None
        return Vocabulary.map(path, index, counts)

    def _subwords(self) -> Subwords | None:
        ngrams = self.manifest.ngrams
        if ngrams is None:
            return None
        tensors = self._tensors("subwords")
        with self._named():
            return Subwords.from_tensors(ngrams, tensors)

    def _phrases(self) -> Phrases | None:
        joining = self.manifest.joining
        if joining is None:
            return None
        path, index = self.file("phrases"), self.file("phrases-index")
        if path is None or index is None:
            raise Corrupt(f"{self.name}/{self.version}: the phrases have no index")
        with self._named("/"):
            return Phrases.map(joining, path, index)

    def _neighbours(self) -> NeighbourTable | None:
        if self.file(NEIGHBOURS) is None:
            return None
        tensors = self._tensors(NEIGHBOURS)
        with self._named():
            return NeighbourTable.from_tensors(tensors)

    def _index(self) -> WordIndex | None:
        if self.file(INDEX) is None:
            return None
        tensors = self._tensors(INDEX)
        with self._named():
            return WordIndex.from_tensors(tensors, IndexFigures.from_json(self.manifest.metrics.get(INDEX)))

    @contextmanager
    def _named(self, joint: str = ": ") -> Iterator[None]:
        """Corrupt from within says which version it is about."""
        try:
            yield
        except Corrupt as error:
            raise Corrupt(f"{self.name}/{self.version}{joint}{error}") from None

    def _tensors(self, role: str) -> dict[str, NDArray[Any]]:
        path = self.file(role)
        if path is None:
            raise Corrupt(f"{self.name}/{self.version}: there is no file with the role {role}")
        with self._named("/"):
            return map_tensors(path)


class Store:
    """Published models under one local folder; NotFound where there is no such folder and ``create`` is not set.

    ``cache`` is where checked hashes are remembered (``cache_folder()`` unless given).
    """

    def __init__(self, root: str | Path, *, create: bool = False, cache: Path | None = None) -> None:
        self.root = Path(root)
        self.location = str(root)
        """The store as messages name it."""
        self._cache = cache
        if create:
            try:
                self.root.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreUnwritable(f"cannot make a store at {self.root}: {error.strerror}") from None
        if not self.root.is_dir():
            raise NotFound(f"there is no store at {self.root}")

    @property
    def cache(self) -> Path:
        """Where checked hashes are remembered."""
        return self._cache or cache_folder()

    def names(self) -> list[str]:
        """The names that have at least one version, sorted."""
        return sorted(path.name for path in _folders(self.root) if self.versions(path.name))

    def versions(self, name: str) -> list[str]:
        """The published versions of ``name``, oldest first; a version without a manifest does not exist."""
        folder = self.root / check_name(name)
        published = [path / MANIFEST_FILE for path in _folders(folder) if (path / MANIFEST_FILE).is_file()]
        # Versions of one second are told apart by when they were written, not by their digests.
        published.sort(
            key=lambda path: (path.parent.name[:STAMP_LENGTH], path.stat().st_mtime_ns, path.parent.name)
        )
        return [path.parent.name for path in published]

    def marks(self) -> dict[str, Mark]:
        """For each name what decides which version is served: two small reads a name, to be asked often.

        Raises StoreUnreachable where the store cannot be read.
        """
        if not self.root.is_dir():
            raise StoreUnreachable(f"the store at {self.location} is not there any more")
        marks = {
            path.name: (self._peek(f"{path.name}/{LATEST_FILE}"), self._peek(f"{path.name}/{PINNED_FILE}"))
            for path in _folders(self.root)
        }
        # A folder with nothing but a draft is no model yet.
        return {name: mark for name, mark in marks.items() if any(mark) or self.versions(name)}

    def latest(self, name: str) -> str:
        """The version that ``latest`` names; NotFound where there is none, Corrupt where it is not one line."""
        version = self._read_line(check_name(name), LATEST_FILE)
        if version is None:
            raise NotFound(f"there is no model {name} in {self.location}")
        return version

    def pinned(self, name: str) -> str | None:
        """The version that servers hold to, whatever is published; None where they follow the latest. Raises Corrupt."""
        return self._read_line(check_name(name), PINNED_FILE)

    def pin(self, name: str, version: str) -> None:
        """Let servers hold ``name`` to ``version``. Raises NotFound where there is none, StoreUnwritable."""
        self.resolve(f"{name}@{version}")
        self._replace(f"{name}/{PINNED_FILE}", f"{version}\n".encode())

    def unpin(self, name: str) -> None:
        """Let servers follow the latest version of ``name`` again. Raises StoreUnwritable."""
        self._remove(f"{check_name(name)}/{PINNED_FILE}")

    def resolve(self, reference: str) -> tuple[str, str]:
        """Name and version of ``NAME`` (then the latest) or ``NAME@VERSION``; NotFound names what there is instead."""
        name, at, version = reference.partition("@")
        check_name(name)
        version = check_name(version, what="version") if at else self.latest(name)
        if not self._has_version(name, version):
            known = self.versions(name)
            there = f"; there are {', '.join(known[-5:])}" if known else ""
            raise NotFound(f"there is no version {version} of {name} in {self.location}{there}")
        return name, version

    def manifest(self, name: str, version: str) -> Manifest:
        """The manifest alone, parsed and checked against its digest; the files are not looked at."""
        check_name(version, what="version")
        try:
            data = self._read(f"{check_name(name)}/{version}/{MANIFEST_FILE}", MAX_MANIFEST_BYTES + 1)
        except FileNotFoundError:
            raise NotFound(f"there is no version {version} of {name} in {self.location}") from None
        except OSError as error:
            raise Corrupt(f"{name}/{version}: cannot be read: {error.strerror}") from None
        return parse_manifest(data, name=name, version=version)

    def open(self, name: str, version: str | None = None) -> Artifact:
        """Check sizes, then hashes (remembered for the same bytes), of the latest or the given version, and open it."""
        name, version = self.resolve(name if version is None else f"{name}@{version}")
        return self._check(self.manifest(name, version), remember=True)

    def verify(self, name: str, version: str) -> None:
        """Hash every file anew and check every tensor, token and norm; Corrupt names what is wrong."""
        artifact = self._check(self.manifest(name, version), remember=False)
        if artifact.manifest.kind == "embedding":
            embedding = artifact.embedding(with_index=True)
            embedding.vocabulary.check()
            embedding.check()
        else:
            language_model = artifact.language_model()
            language_model.vocabulary.check()
            language_model.check()

    def draft(self, name: str) -> Draft:
        """A new version of ``name`` in the making."""
        return Draft(self.root, name)

    def prune(self, name: str, *, keep: int) -> list[str]:
        """Remove all versions but the newest ``keep``, the latest and the pinned, and what broken-off drafts left; what went."""
        gone = self._dispense(name, self.versions(name), keep=keep)
        try:
            for version in gone:
                # Without its manifest a version does not exist: the removal is as atomic as the publishing.
                (self.root / name / version / MANIFEST_FILE).unlink()
                shutil.rmtree(self.root / name / version)
            for leftover in (self.root / name).glob(f"{DRAFT_PREFIX}*"):
                shutil.rmtree(leftover, ignore_errors=True)
        except OSError as error:
            raise StoreUnwritable(f"cannot remove from {self.root / name}: {error.strerror}") from None
        return gone

    def _dispense(self, name: str, published: Sequence[str], *, keep: int) -> list[str]:
        """Those of the ``published`` versions, oldest first, that ``prune`` removes."""
        stays = {self.latest(name), self.pinned(name)}
        return [version for version in published[: -keep or None] if version not in stays]

    def tidy(self) -> None:
        """Remove what is kept elsewhere for versions that are gone; for a folder there is nothing."""

    def _check(self, manifest: Manifest, *, remember: bool) -> Artifact:
        """The version whose files are what ``manifest`` says; Corrupt names the first that is not."""
        name, version = manifest.name, manifest.version
        folder = self.root / name / version
        try:
            for entry in manifest.files.values():
                size = (folder / entry.path).stat().st_size
                if size != entry.bytes:
                    raise Corrupt(
                        f"{name}/{version}/{entry.path}: {size} bytes where the manifest says {entry.bytes}"
                    )
            hashes = RememberedHashes(folder, cache=self.cache)
            for entry in manifest.files.values():
                path = folder / entry.path
                if (hashes.hash(path) if remember else hash_file(path)) != entry.sha256:
                    raise Corrupt(f"{name}/{version}/{entry.path}: its sha256 is not the one in the manifest")
        except OSError as error:
            missing = Path(str(error.filename)).name
            raise Corrupt(f"{name}/{version}/{missing}: cannot be read: {error.strerror}") from None
        return Artifact(name=name, version=version, path=folder, manifest=manifest)

    def _read_line(self, name: str, filename: str) -> str | None:
        """The version that a file of one line names; None where there is no such file."""
        data = self._peek(f"{name}/{filename}")
        if data is None:
            return None
        version = data.decode("utf-8", "replace").removesuffix("\n")
        if not NAME_PATTERN.match(version):
            raise Corrupt(f"{name}/{filename}: not one line with a version")
        return version

    def _peek(self, path: str) -> bytes | None:
        """The beginning of a file of the store; None where it cannot be read."""
        try:
            return self._read(path, LINE_BYTES)
        except OSError:
            return None

    def _has_version(self, name: str, version: str) -> bool:
        return (self.root / name / version / MANIFEST_FILE).is_file()

    def _read(self, path: str, most: int) -> bytes:
        with (self.root / path).open("rb") as file:
            return file.read(most)

    def _replace(self, path: str, data: bytes) -> None:
        try:
            replace_file(self.root / path, data)
        except OSError as error:
            raise StoreUnwritable(f"cannot write {self.root / path}: {error.strerror}") from None

    def _remove(self, path: str) -> None:
        try:
            (self.root / path).unlink(missing_ok=True)
        except OSError as error:
            raise StoreUnwritable(f"cannot remove {self.root / path}: {error.strerror}") from None


def _folders(root: Path) -> list[Path]:
    with suppress(OSError):
        return [path for path in root.iterdir() if NAME_PATTERN.match(path.name) and path.is_dir()]
    return []
