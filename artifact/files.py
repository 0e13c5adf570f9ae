"""Files that are whole or not there: written beside, fsynced, renamed; and hashes of files, remembered once checked."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from contextlib import suppress
from pathlib import Path

_BLOCK_BYTES = 4 << 20


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make a file's bytes durable."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_file(path: Path, data: bytes) -> None:
    """Write a new file and fsync it."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, data: bytes) -> None:
    """Replace ``path`` atomically: a reader sees the old bytes or the new ones, never a part."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        write_file(beside, data)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def hash_file(path: Path) -> str:
    """The sha256 of a file, in lower-case hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def cache_folder() -> Path:
    """Where what can be made again is kept: ``WORDKIN_CACHE``, else wordkin/ in the user's cache folder."""
    if own := os.environ.get("WORDKIN_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wordkin"


class RememberedHashes:
    """Hashes that were computed before, for files whose identity, size and times have not changed since.

    One small JSON file per checked folder, in the user's cache folder; where that cannot be written, every
    process hashes for itself.
    """

    def __init__(self, folder: Path) -> None:
        resolved = str(folder.resolve())
        self._record = (
            cache_folder() / "verified" / (hashlib.sha256(resolved.encode()).hexdigest()[:32] + ".json")
        )
        self._known: dict[str, list[int | str]] = {}
        with suppress(OSError, ValueError, RecursionError):
            known = json.loads(self._record.read_bytes())
            if isinstance(known, dict):
                self._known = known

    def hash(self, path: Path) -> str:
        """The sha256 of ``path``, from memory where its bytes are the same as when it was last hashed."""
        before = _identity(path)
        known = self._known.get(path.name)
        if isinstance(known, list) and known[:-1] == before and isinstance(known[-1], str):
            return known[-1]
        digest = hash_file(path)
        if _identity(path) == before:
            self._known[path.name] = [*before, digest]
            with suppress(OSError):
                self._record.parent.mkdir(parents=True, exist_ok=True)
                replace_file(self._record, json.dumps(self._known).encode())
        return digest


def _identity(path: Path) -> list[int | str]:
    status = path.stat()
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
