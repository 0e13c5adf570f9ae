"""A version in the making: a hidden folder beside the published ones, renamed into place when it is whole."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from artifact.embedding import compute_norms
from artifact.errors import InputError, StoreUnwritable, WordkinError
from artifact.files import hash_file, replace_file, sync_file, sync_folder, write_file
from artifact.manifest import MANIFEST_FILE, Kind, check_name, seal_manifest
from artifact.neighbours import FILE as NEIGHBOURS_FILE
from artifact.neighbours import ROLE as NEIGHBOURS
from artifact.neighbours import NeighbourTable
from artifact.phrases import INDEX_FILE, PHRASES_FILE, Phrases
from artifact.phrases import REQUIREMENT as PHRASES
from artifact.subwords import REQUIREMENT as SUBWORDS
from artifact.subwords import Subwords
from artifact.tokenizer import Tokenizer
from artifact.vocabulary_index import encode_tokens, index_tokens
from artifact.weights import map_tensors, write_tensors

DRAFT_PREFIX = ".draft-"
LATEST_FILE = "latest"
_BLOCK_ROWS = 65_536


class Draft:
    """A context manager: files are added, then ``publish`` makes a version of them; left without, all is removed."""

    def __init__(self, root: Path, name: str) -> None:
        self.name = check_name(name)
        self.folder = root / name
        self.path = self.folder / f"{DRAFT_PREFIX}{secrets.token_hex(6)}"
        self._files: dict[str, str] = {}

    def __enter__(self) -> Self:
        try:
            self.path.mkdir(parents=True)
        except OSError as error:
            raise StoreUnwritable(f"cannot write to the store at {self.folder}: {error.strerror}") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        if isinstance(error, OSError) and not isinstance(error, WordkinError):
            raise StoreUnwritable(
                f"cannot write to the store at {self.folder}: {error.strerror or error}"
            ) from error

    def add(self, role: str, filename: str, content: bytes | None = None) -> Path:
        """Register ``filename`` under ``role``, writing ``content`` to it where given; returns its path."""
        check_name(filename, what="file name")
        if role in self._files or filename in self._files.values() or filename == MANIFEST_FILE:
            raise InputError(f"the draft already has a file {filename} or a role {role}")
        self._files[role] = filename
        path = self.path / filename
        if content is not None:
            write_file(path, content)
        return path

    def file(self, role: str) -> Path:
        """The path of the file that was added under ``role``."""
        return self.path / self._files[role]

    def publish(
        self,
        *,
        kind: Kind,
        tokenizer: Tokenizer,
        recipe: dict[str, Any],
        metrics: dict[str, Any],
        license: str = "",  # noqa: A002 - the manifest's own word
        provenance: str = "",
        requires: dict[str, Any] | None = None,
        created: datetime | None = None,
    ) -> str:
        """Seal the manifest, put the version in its place and make it the latest; returns the version.

        The same files and fields with the same ``created`` (now, unless given) make the same version, byte for byte.
        """
        files = {}
        for role, filename in self._files.items():
            path = self.path / filename
            sync_file(path)
            files[role] = {"path": filename, "bytes": path.stat().st_size, "sha256": hash_file(path)}
        tensors = {
            name: {"dtype": array.dtype.name, "shape": list(array.shape)}
            for name, array in map_tensors(self.path / self._files["weights"]).items()
        }
        version, data = seal_manifest(
            {
                "kind": kind,
                "name": self.name,
                "tensors": tensors,
                "tokenizer": tokenizer.to_json(),
                "recipe": recipe,
                "metrics": metrics,
                "files": files,
                "requires": requires or {},
                "provenance": provenance,
                "license": license,
            },
            created=created or datetime.now(UTC),
        )
        self._place(version, data)
        return version

    def _place(self, version: str, data: bytes) -> None:
        """Put the version with this manifest, whose files are in the draft's folder, in its place; name it the latest."""
        place = self.folder / version
        # The digest in the version makes an existing place the same bytes, published within the same second.
        if not (place / MANIFEST_FILE).exists():
            write_file(self.path / MANIFEST_FILE, data)
            sync_folder(self.path)
            shutil.rmtree(place, ignore_errors=True)
            self.path.rename(place)
            sync_folder(self.folder)
        replace_file(self.folder / LATEST_FILE, f"{version}\n".encode())


def write_embedding(
    draft: Draft,
    *,
    tokens: Sequence[str],
    counts: NDArray[np.int64],
    vectors: NDArray[Any],
    dtype: Literal["float16", "float32"] = "float32",
) -> None:
    """Add to ``draft`` the weights and vocabulary of a word-vector model: ``vectors`` [V, D], ``tokens``, ``counts`` [V].

    Raises InputError for shapes that do not fit and for vectors that are not finite (in float16: beyond 65,504).
    """
    if vectors.ndim != 2 or not len(tokens) == len(counts) == len(vectors) or not len(tokens):
        raise InputError(f"vectors {vectors.shape}, {len(tokens)} tokens and {len(counts)} counts do not fit")
    stored = _convert(vectors, dtype, name=lambda row: f"{tokens[row][:40]!r} (row {row})")
    data = encode_tokens(tokens)
    index = index_tokens(data)
    draft.add("vocabulary", "vocabulary.txt", data)
    write_tensors(draft.add("vocabulary-index", "vocabulary.safetensors"), index)
    write_tensors(
        draft.add("weights", "weights.safetensors"),
        {"vectors": stored, "norms": compute_norms(stored), "counts": counts.astype(np.int64, copy=False)},
    )


def write_subwords(
    draft: Draft, subwords: Subwords, *, dtype: Literal["float16", "float32"] = "float32"
) -> dict[str, Any]:
    """Add to ``draft`` what vectors of unknown words are composed from; returns what ``requires`` must say of it.

    Raises InputError for rows that are not finite (in float16: beyond 65,504).
    """
    rows = _convert(subwords.rows, dtype, name=lambda row: f"n-gram bucket {subwords.bucket_ids[row]}")
    tensors = {"bucket_ids": subwords.bucket_ids, "rows": rows}
    write_tensors(draft.add("subwords", "subwords.safetensors"), tensors)
    return {SUBWORDS: subwords.ngrams.to_json()}


def write_phrases(draft: Draft, phrases: Phrases) -> dict[str, Any]:
    """Add to ``draft`` what texts are joined by; returns what ``requires`` must say of it."""
    phrases.write(draft.add("phrases", PHRASES_FILE), draft.add("phrases-index", INDEX_FILE))
    return {PHRASES: phrases.joining.to_json()}


def write_neighbours(draft: Draft, table: NeighbourTable) -> None:
    """Add to ``draft`` the nearest words of every word."""
    write_tensors(draft.add(NEIGHBOURS, NEIGHBOURS_FILE), {"ids": table.ids, "scores": table.scores})


def _convert(vectors: NDArray[Any], dtype: str, *, name: Callable[[int], str]) -> NDArray[Any]:
    """``vectors`` as ``dtype``, a block at a time; InputError with the ``name`` of the first row that is not finite."""
    stored = np.empty(vectors.shape, dtype=dtype) if vectors.dtype != dtype else vectors
    for start in range(0, len(vectors), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        if stored is not vectors:
            with np.errstate(over="ignore"):
                stored[rows] = vectors[rows]
        if not np.isfinite(stored[rows]).all():
            row = start + int(np.flatnonzero(~np.isfinite(stored[rows]).all(axis=1))[0])
            raise InputError(f"the vector of {name(row)} is not finite as {dtype}")
    return stored
