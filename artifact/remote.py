"""Stores at URLs that fsspec knows (s3://bucket/prefix, gs://…, memory://…): published there, opened from a local cache.

<cache>/objects/<first two>/<sha256>               a file of some version, named by what it holds
<cache>/stores/<hash of the URL>/<name>/<version>/  the manifest, and a link to the object of each file

An object is downloaded beside its place, hashed, and renamed: what is in its place was whole. Processes that need the same
one wait for the first that fetches it.
"""

from __future__ import annotations

import errno
import hashlib
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from artifact.draft import LATEST_FILE, Draft
from artifact.errors import (
    Corrupt,
    InputError,
    NotFound,
    StoreError,
    StoreUnreachable,
    StoreUnwritable,
    WordkinError,
)
from artifact.files import RememberedHashes, cache_folder, hash_file, locked, sync_file
from artifact.manifest import MANIFEST_FILE, NAME_PATTERN, FileEntry, Manifest, check_name
from artifact.store import LINE_BYTES, PINNED_FILE, STAMP_LENGTH, Artifact, Mark, Store

LOCAL_SCHEMES = ("file://", "local://")
OBJECTS, STORES, LOCKS = "objects", "stores", "locks"
LEFTOVER_AGE = timedelta(days=1)
"""How old files without a manifest must be for ``prune`` to take them for a broken-off upload and not for one under way."""


def open_store(location: str | Path, *, create: bool = False, cache: Path | None = None) -> Store:
    """The store at a folder or a URL. Raises NotFound for none, InputError for a URL that nothing here can read.

    ``create`` makes a missing folder; ``cache`` keeps checked hashes and downloads (``cache_folder()`` unless given).
    """
    text = str(location)
    for scheme in LOCAL_SCHEMES:
        text = text.removeprefix(scheme)
    if "://" in text:
        return RemoteStore(text, create=create, cache=cache)
    return Store(text, create=create, cache=cache)


class RemoteStore(Store):
    """Published models under a URL; ``root`` is the folder in the cache where what was opened lies.

    Of two that publish the same version at the same time one writes its manifest, by a conditional put; ``latest`` and
    ``pinned`` hold what was written last.
    """

    def __init__(self, url: str, *, create: bool = False, cache: Path | None = None) -> None:
        cache = cache or cache_folder()
        url = url.rstrip("/")
        self._files, self._base = _connect(url)
        super().__init__(
            cache / STORES / hashlib.sha256(url.encode()).hexdigest()[:32], create=True, cache=cache
        )
        self.location = url
        if not create and not self._exists(""):
            raise NotFound(f"there is no store at {self.location}")

    def names(self) -> list[str]:
        """The names that have at least one version, sorted."""
        return sorted(self._list_published(""))

    def versions(self, name: str) -> list[str]:
        """The published versions of ``name``, oldest first."""
        return self._list_published(check_name(name)).get(name, [])

    def marks(self) -> dict[str, Mark]:
        """As for a folder: one listing and two small reads a name, made together."""
        with self._reading():
            self._files.invalidate_cache()
            try:
                entries = self._files.ls(self._base, detail=True)
            except FileNotFoundError:
                raise StoreUnreachable(f"the store at {self.location} is not there any more") from None
            folders = [entry["name"].rstrip("/") for entry in entries if entry["type"] == "directory"]
            names = [
                name for name in (path.rpartition("/")[2] for path in folders) if NAME_PATTERN.match(name)
            ]
            paths = [self._path(f"{name}/{each}") for name in names for each in (LATEST_FILE, PINNED_FILE)]
            said = self._files.cat(paths, on_error="return") if paths else {}
        lines = [self._take_line(said, path) for path in paths]
        marks = dict(zip(names, zip(lines[::2], lines[1::2], strict=True), strict=True))
        return {name: mark for name, mark in marks.items() if any(mark) or self.versions(name)}

    def draft(self, name: str) -> Draft:
        """A new version of ``name`` in the making, in the cache until it is uploaded."""
        return _RemoteDraft(self, name)

    def upload(
        self, name: str, version: str, folder: Path, filenames: Sequence[str], manifest: bytes
    ) -> None:
        """Put files of ``folder`` in their place, then the manifest, unless there is one, then ``latest``.

        Raises StoreUnwritable; StoreError where this version is there with another content.
        """
        place = self._path(f"{name}/{version}")
        with self._writing():
            if not self._files.exists(f"{place}/{MANIFEST_FILE}"):
                for filename in filenames:
                    self._files.put_file(str(folder / filename), f"{place}/{filename}")
            try:
                self._files.pipe_file(f"{place}/{MANIFEST_FILE}", manifest, mode="create")
            except FileExistsError:
                if self._files.cat_file(f"{place}/{MANIFEST_FILE}") != manifest:
                    raise StoreError(
                        f"{name}/{version} in {self.location}: published already, with another content"
                    ) from None
        self._replace(f"{name}/{LATEST_FILE}", f"{version}\n".encode())

    def prune(self, name: str, *, keep: int) -> list[str]:
        """As for a folder; in the cache, what nothing needs any more goes too."""
        published = self.versions(name)
        gone = self._dispense(name, published, keep=keep)
        with self._writing():
            for version in gone:
                self._files.rm_file(self._path(f"{name}/{version}/{MANIFEST_FILE}"))
                self._files.rm(self._path(f"{name}/{version}"), recursive=True)
            for leftover in self._list_leftovers(name, published):
                self._files.rm(leftover, recursive=True)
        self.tidy()
        return gone

    def tidy(self) -> None:
        """Remove from the cache the versions that this store has no more, and objects that no store's versions link to."""
        published = self._list_published("")
        with locked(self.cache / LOCKS / STORES):
            for folder in self.root.glob("*/*"):
                if NAME_PATTERN.match(folder.name) and folder.name not in published.get(
                    folder.parent.name, []
                ):
                    shutil.rmtree(folder, ignore_errors=True)
            links = (self.cache / STORES).glob("*/*/*/*")
            needed = {path.readlink().name for path in links if path.is_symlink()}
            for path in (self.cache / OBJECTS).glob("*/*"):
                if path.name not in needed:
                    path.unlink(missing_ok=True)

    def _check(self, manifest: Manifest, *, remember: bool) -> Artifact:
        """Fetch what the cache lacks, all of it anew unless hashes may be remembered."""
        folder = self.root / manifest.name / manifest.version
        try:
            with locked(self.cache / LOCKS / STORES, shared=True):
                objects = {
                    entry.path: self._fetch(manifest, entry, anew=not remember)
                    for entry in manifest.files.values()
                }
                folder.mkdir(parents=True, exist_ok=True)
                for filename, path in objects.items():
                    _link(folder / filename, path)
        except OSError as error:
            raise StoreUnwritable(f"cannot write to the cache at {self.cache}: {error.strerror}") from None
        return Artifact(name=manifest.name, version=manifest.version, path=folder, manifest=manifest)

    def _fetch(self, manifest: Manifest, entry: FileEntry, *, anew: bool) -> Path:
        """The object of one file, in the cache and with the hash that the manifest says; Corrupt where it is not that."""
        where = f"{manifest.name}/{manifest.version}/{entry.path}"
        path = self.cache / OBJECTS / entry.sha256[:2] / entry.sha256
        with locked(self.cache / LOCKS / entry.sha256[:2]):
            hashes = RememberedHashes(path.parent, cache=self.cache)
            if not anew and path.is_file() and hashes.hash(path) == entry.sha256:
                return path
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{entry.sha256}.{secrets.token_hex(4)}")
            try:
                self._download(self._path(where), part, entry.bytes, where=where)
                if hash_file(part) != entry.sha256:
                    raise Corrupt(f"{where}: its sha256 is not the one in the manifest")
                sync_file(part)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
            hashes.remember(path, entry.sha256)
        return path

    def _download(self, source: str, target: Path, size: int, *, where: str) -> None:
        try:
            with self._reading():
                found = self._files.size(source)
                if found != size:
                    raise Corrupt(f"{where}: {found} bytes where the manifest says {size}")
                self._files.get_file(source, str(target))
        except FileNotFoundError:
            raise Corrupt(f"{where}: cannot be read: it is not there") from None

    def _list_published(self, folder: str) -> dict[str, list[str]]:
        """The versions, oldest first, of each name in ``folder`` that has any."""
        found: dict[str, list[tuple[str, float, str]]] = {}
        for path, entry in self._find(folder).items():
            name, version, filename = _split(path)
            if filename == MANIFEST_FILE and NAME_PATTERN.match(name) and NAME_PATTERN.match(version):
                when = _find_time(entry)
                written = when.timestamp() if when else 0.0
                found.setdefault(name, []).append((version[:STAMP_LENGTH], written, version))
        return {name: [version for _, _, version in sorted(each)] for name, each in found.items()}

    def _list_leftovers(self, name: str, published: Sequence[str]) -> list[str]:
        """Folders of versions without a manifest whose files have been lying there for a while."""
        newest: dict[str, datetime | None] = {}
        for path, entry in self._find(name).items():
            _, version, filename = _split(path)
            if filename and version not in published:
                when, known = _find_time(entry), newest.get(version, datetime.min.replace(tzinfo=UTC))
                newest[version] = None if when is None or known is None else max(known, when)
        old = datetime.now(UTC) - LEFTOVER_AGE
        return [self._path(f"{name}/{version}") for version, when in newest.items() if when and when < old]

    def _find(self, folder: str) -> dict[str, dict[str, Any]]:
        """All files under ``folder``, by their paths in the store."""
        with self._reading():
            self._files.invalidate_cache()
            try:
                found: dict[str, dict[str, Any]] = self._files.find(self._path(folder), detail=True)
            except FileNotFoundError:
                return {}
        base = self._base.rstrip("/")
        return {path.removeprefix(f"{base}/"): entry for path, entry in found.items()}

    def _take_line(self, said: dict[str, bytes | Exception], path: str) -> bytes | None:
        match said.get(path):
            case bytes() as line:
                return line[:LINE_BYTES]
            case None | FileNotFoundError():
                return None
            case error:
                raise StoreUnreachable(f"cannot read {self.location}: {_describe(error)}")

    def _path(self, path: str) -> str:
        return f"{self._base.rstrip('/')}/{path}".rstrip("/")

    def _exists(self, path: str) -> bool:
        with self._reading():
            return bool(self._files.exists(self._path(path)))

    def _has_version(self, name: str, version: str) -> bool:
        return self._exists(f"{name}/{version}/{MANIFEST_FILE}")

    def _read(self, path: str, most: int) -> bytes:
        with self._reading():
            data: bytes = self._files.cat_file(self._path(path))
        return data[:most]

    def _replace(self, path: str, data: bytes) -> None:
        with self._writing():
            self._files.pipe_file(self._path(path), data)

    def _remove(self, path: str) -> None:
        with self._writing(), suppress(FileNotFoundError):
            self._files.rm_file(self._path(path))

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Whatever a file system raises is StoreUnreachable, but for files that are not there and disks that are full."""
        try:
            yield
        except (WordkinError, FileNotFoundError):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise
            raise StoreUnreachable(f"cannot read {self.location}: {_describe(error)}") from error

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except WordkinError:
            raise
        except Exception as error:
            raise StoreUnwritable(f"cannot write to {self.location}: {_describe(error)}") from error


class _RemoteDraft(Draft):
    def __init__(self, store: RemoteStore, name: str) -> None:
        super().__init__(store.root, name)
        self._store = store

    def _place(self, version: str, data: bytes) -> None:
        self._store.upload(self.name, version, self.path, list(self._files.values()), data)


def _connect(url: str) -> tuple[Any, str]:
    """The file system of ``url`` and the path in it. Raises InputError naming what must be installed."""
    try:
        from fsspec.core import url_to_fs

        files, base = url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        raise InputError(
            f"a store at {url} needs more packages: pip install 'wordkin[remote]' ({_describe(error)})"
        ) from None
    except Exception as error:
        raise InputError(f"there can be no store at {url}: {_describe(error)}") from None
    return files, str(base)


def _link(link: Path, target: Path) -> None:
    """Make ``link`` lead to ``target``, atomically."""
    if link.is_symlink() and link.readlink() == target:
        return
    beside = link.with_name(f".{link.name}.{secrets.token_hex(4)}")
    beside.symlink_to(target)
    beside.replace(link)


def _split(path: str) -> tuple[str, str, str]:
    """Name, version and file name of a path in a store; empty where it is not one of a version's files."""
    parts = path.split("/")
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else ("", "", "")


def _find_time(entry: dict[str, Any]) -> datetime | None:
    """When a file was written, which file systems say in different ways."""
    for key in ("LastModified", "last_modified", "updated", "mtime", "created"):
        match entry.get(key):
            case datetime() as when:
                return when.astimezone(UTC)
            case str() as text:
                with suppress(ValueError):
                    return datetime.fromisoformat(text).astimezone(UTC)
            case int() | float() as seconds:
                return datetime.fromtimestamp(seconds, UTC)
    return None


def _describe(error: BaseException) -> str:
    """The first line of what an error says."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
