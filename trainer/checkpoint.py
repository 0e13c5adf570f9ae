"""Checkpoints: what a training needs to go on, in ``<store>/.checkpoints/<name>/``, or ``<folder>/<name>/`` where one is named.

current.json               the interrupted training of this name, if there is one
<version>.json             the final state of a published version, for training that goes on later
state-<hex>.safetensors    the arrays of one of them

A JSON file is canonical and names its arrays with their size and sha256. It is replaced atomically after the arrays
are on disk, so a checkpoint is the old one or the new one, whenever the process dies.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.canonical import decode_json, encode_json
from artifact.errors import Corrupt, InputError, NameRefused, StoreError, StoreUnwritable, Unsupported
from artifact.files import hash_file, replace_file, sync_folder
from artifact.manifest import check_name
from artifact.weights import map_tensors, write_tensors
from trainer.corpus import Corpus
from trainer.loop import History, Learner
from trainer.mapped_files import let_go

FORMAT_VERSION = 1
FOLDER = ".checkpoints"
CURRENT = "current"
_SCRATCH_PREFIX = "corpus-"
_HASHED_BLOCKS = 64
_BLOCK_WORDS = 1 << 20


@dataclass(frozen=True)
class Checkpoint:
    """A saved training, its arrays not yet read."""

    path: Path
    setup: dict[str, Any]
    """The settings of the training, as JSON values."""
    corpus: str
    """The identity of its text."""
    history: History
    values: dict[str, Any]
    arrays: dict[str, Any]
    """The name, size and sha256 of the file with the arrays."""

    def restore(self, learner: Learner) -> None:
        """Put ``learner`` where this training was. Raises Corrupt where the arrays are not those that were saved."""
        learner.restore(self.read_arrays(), self.values)

    def read_arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays, mapped. Raises Corrupt where they are not those that were saved."""
        path = self.path.parent / self.arrays["path"]
        try:
            whole = path.stat().st_size == self.arrays["bytes"] and hash_file(path) == self.arrays["sha256"]
        except OSError as error:
            raise Corrupt(f"checkpoint {path}: cannot be read: {error.strerror}") from None
        if not whole:
            raise Corrupt(f"checkpoint {path}: not the bytes that were saved")
        return map_tensors(path)


class Checkpoints:
    """The checkpoints of one name in one store, or in ``folder``; makes their folder. Raises StoreUnwritable, NameRefused."""

    def __init__(self, store: Path, name: str, *, folder: str | Path | None = None) -> None:
        self.name = check_name(name)
        self.path = (store / FOLDER if folder is None else Path(folder)) / name
        with _writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Within, no other process trains this name in this store. Raises StoreError if one does already."""
        with _writing(self.path):
            descriptor = os.open(self.path / "lock", os.O_CREAT | os.O_RDWR, 0o644)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise StoreError(f"{self.name} is being trained in this store by another process") from None
            self._sweep()
            for left in self.path.glob(f"{_SCRATCH_PREFIX}*"):
                shutil.rmtree(left, ignore_errors=True)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder that is removed afterwards, for text that is encoded for this training alone."""
        path = self.path / f"{_SCRATCH_PREFIX}{secrets.token_hex(4)}"
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def save(self, learner: Learner, history: History, *, setup: dict[str, Any], corpus: str) -> None:
        """Make the state of ``learner`` the current checkpoint. Raises StoreUnwritable and leaves the old one."""
        arrays, values = learner.state()
        filename = f"state-{secrets.token_hex(8)}.safetensors"
        path = self.path / filename
        with _writing(self.path):
            try:
                write_tensors(path, arrays)
                record = {
                    "format_version": FORMAT_VERSION,
                    "name": self.name,
                    "setup": setup,
                    "corpus": corpus,
                    "history": history.to_json(),
                    "values": values,
                    "arrays": {
                        "path": filename,
                        "bytes": path.stat().st_size,
                        "sha256": hash_file(path),
                    },
                }
                replace_file(self._record(CURRENT), encode_json(record))
            except BaseException:
                path.unlink(missing_ok=True)
                raise
        self._sweep()

    def load(self, which: str = CURRENT) -> Checkpoint | None:
        """The current checkpoint or that of a published version; None where there is none. Raises Corrupt."""
        path = self._record(which)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Corrupt(f"checkpoint {path}: cannot be read: {error.strerror}") from None
        value = decode_json(data, where=f"checkpoint {path}")
        try:
            if value["format_version"] != FORMAT_VERSION:
                raise Unsupported(f"checkpoint {path}: written by another release")
            return Checkpoint(
                path=path,
                setup=dict(value["setup"]),
                corpus=str(value["corpus"]),
                history=History.from_json(value["history"]),
                values=dict(value["values"]),
                arrays={**value["arrays"], "path": check_name(value["arrays"]["path"])},
            )
        except (NameRefused, KeyError, TypeError, ValueError, IndexError):
            raise Corrupt(f"checkpoint {path}: not a checkpoint") from None

    def keep(self, version: str, *, count: int) -> None:
        """The current checkpoint becomes that of ``version``; of such, the newest ``count`` stay."""
        with _writing(self.path):
            if count:
                self._record(CURRENT).replace(self._record(version))
            else:
                self.discard()
            for old in self.kept()[:-count] if count else self.kept():
                self._record(old).unlink(missing_ok=True)
            sync_folder(self.path)
        self._sweep()

    def kept(self) -> list[str]:
        """The published versions whose final state is here, oldest first."""
        records = [path for path in self.path.glob("*.json") if path.stem != CURRENT]
        return [path.stem for path in sorted(records, key=lambda path: (path.stat().st_mtime_ns, path.stem))]

    def forget_others(self, versions: Collection[str]) -> None:
        """Remove the final states of all versions but these."""
        for version in set(self.kept()) - set(versions):
            self.discard(version)

    def discard(self, which: str = CURRENT) -> None:
        """Remove a checkpoint, if it is there."""
        self._record(which).unlink(missing_ok=True)
        self._sweep()

    def _record(self, which: str) -> Path:
        return self.path / f"{check_name(which, what='version')}.json"

    def _sweep(self) -> None:
        """Remove arrays that no checkpoint names, and what killed processes left."""
        named = set()
        for which in [CURRENT, *self.kept()]:
            try:
                checkpoint = self.load(which)
            except (Corrupt, Unsupported):
                return  # what cannot be read may name anything
            if checkpoint is not None:
                named.add(checkpoint.arrays["path"])
        for path in self.path.iterdir():
            unnamed = path.name.startswith("state-") and path.name not in named
            if unnamed or path.name.startswith(f".{CURRENT}.json."):
                path.unlink(missing_ok=True)


def identify_corpus(corpus: Corpus) -> str:
    """A sha256 that tells texts apart: all words with their counts, and up to 64 M token ids spread evenly over the text."""
    digest = hashlib.sha256()
    digest.update(encode_json([corpus.tokenizer.to_json(), corpus.min_count, corpus.report.to_json()]))
    digest.update("\n".join(corpus.tokens).encode())
    digest.update(np.ascontiguousarray(corpus.counts).data)
    digest.update(_spread(corpus.token_ids))
    digest.update(_spread(corpus.line_starts))
    return digest.hexdigest()


def _spread(array: NDArray[Any]) -> bytes:
    """A digest of all of a short array, of evenly spaced blocks of a long one, and of its length."""
    digest = hashlib.sha256(str(len(array)).encode())
    blocks = -(-len(array) // _BLOCK_WORDS)
    for block in np.unique(np.linspace(0, blocks - 1, min(blocks, _HASHED_BLOCKS)).astype(int)).tolist():
        start, stop = block * _BLOCK_WORDS, min((block + 1) * _BLOCK_WORDS, len(array))
        digest.update(np.ascontiguousarray(array[start:stop]).data)
        let_go(array, start, stop)
    return digest.digest()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise StoreError(f"a checkpoint cannot be written to {path}: {error}") from error
    except OSError as error:
        raise StoreUnwritable(
            f"a checkpoint cannot be written to {path}: {error.strerror or error}"
        ) from None
