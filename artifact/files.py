"""Files that are whole or not there: written beside, fsynced, renamed; and hashes of files, remembered once checked."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
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


@contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Within, no other process or thread is within for the same ``path``, an empty file that is made and stays.

    Those that ask for it ``shared`` keep out the others alone, not each other.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class RememberedHashes:
    """Hashes that were computed before, for files whose identity, size and times have not changed since.

    One small JSON file per checked folder, in the cache folder; where that cannot be written, every process hashes for
    itself. Processes that need the same hash at the same time wait for the first that computes it.
    """

    def __init__(self, folder: Path, *, cache: Path | None = None) -> None:
        resolved = str(folder.resolve())
        name = hashlib.sha256(resolved.encode()).hexdigest()[:32]
        cache = cache or cache_folder()
        self._record = cache / "verified" / f"{name}.json"
        self._lock = cache / "locks" / "verified" / name
        self._known = self._load()

    def hash(self, path: Path) -> str:
        """The sha256 of ``path``, from memory where its bytes are the same as when it was last hashed."""
        if (known := self._recall(path)) is not None:
            return known
        with self._alone():
            self._known |= self._load()
            if (known := self._recall(path)) is not None:
                return known
            before = _identity(path)
            digest = hash_file(path)
            if _identity(path) == before:
                self._keep(path, digest)
        return digest

    def remember(self, path: Path, digest: str) -> None:
        """Remember the sha256 of a file that was hashed elsewhere."""
        with self._alone():
            self._known |= self._load()
            self._keep(path, digest)

    def _keep(self, path: Path, digest: str) -> None:
        self._known[path.name] = [*_identity(path), digest]
        with suppress(OSError):
            self._record.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._record, json.dumps(self._known).encode())

    def _recall(self, path: Path) -> str | None:
        known = self._known.get(path.name)
        if isinstance(known, list) and known[:-1] == _identity(path) and isinstance(known[-1], str):
            return known[-1]
        return None

    def _load(self) -> dict[str, list[int | str]]:
        with suppress(OSError, ValueError, RecursionError):
            known = json.loads(self._record.read_bytes())
            if isinstance(known, dict):
                return known
        return {}

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with ExitStack() as stack:
            with suppress(OSError):
                stack.enter_context(locked(self._lock))
            yield


def _identity(path: Path) -> list[int | str]:
    status = path.stat()
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
