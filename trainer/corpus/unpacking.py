"""Taking known files out of a .zip, .tgz or .tar.gz archive. Names in the archive never decide where anything is written."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from artifact.errors import InputError, StoreUnwritable
from trainer.corpus.datasets import Member

Unpacked = Callable[[int], None]
"""Told how many bytes have been written so far."""

_BLOCK_BYTES = 1 << 20
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}")
_MAX_FILES = 10_000


@dataclass(frozen=True)
class _Entry:
    """A plain file in an archive: its path there, the size it claims, and how to read it."""

    path: str
    size: int
    open: Callable[[], IO[bytes]]


def unpack(archive: Path, members: tuple[Member, ...], folder: Path, *, unpacked: Unpacked) -> dict[str, str]:
    """Write ``members`` of ``archive`` into ``folder``; the sha256 of each file by its path in that folder.

    Everything else in the archive is left alone. Raises InputError for an archive that is broken, lacks a member, or
    holds one that is no plain file or has another size or hash than is known; StoreUnwritable when the disk is full.
    """
    hashes: dict[str, str] = {}
    done = 0
    with _broken_archives(archive), closing(_entries(archive)) as entries:
        for entry in entries:
            member = next((member for member in members if _holds(member, entry.path)), None)
            if member is None:
                continue
            name = _kept_path(member, entry.path)
            if name in hashes or len(hashes) == _MAX_FILES:
                raise InputError(f"{archive.name}: holds {entry.path} twice, or too many files")
            if member.bytes is not None and entry.size != member.bytes:
                raise InputError(
                    f"{archive.name}: {entry.path} has {entry.size:,} bytes, not the {member.bytes:,} that are known"
                )
            with entry.open() as content:
                hashes[name] = _write(
                    _blocks(content, entry.size), folder / name, unpacked=partial(_add, unpacked, done)
                )
            done += entry.size
            if member.sha256 not in {None, hashes[name]}:
                raise InputError(
                    f"{archive.name}: the sha256 of {entry.path} is {hashes[name]}, not {member.sha256}"
                )
    for member in members:
        if not any(name.split("/")[0] == member.name for name in hashes):
            raise InputError(f"{archive.name}: {member.path} is not in it")
    return hashes


def _add(unpacked: Unpacked, before: int, done: int) -> None:
    unpacked(before + done)


@contextmanager
def _broken_archives(archive: Path) -> Iterator[None]:
    """Whatever the archive libraries raise for bytes that make no sense becomes one InputError."""
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError) as error:
        raise InputError(f"{archive.name}: is broken: {error}") from None
    except (
        RuntimeError,
        NotImplementedError,
        gzip.BadGzipFile,
    ) as error:  # locked, or an unknown compression
        raise InputError(f"{archive.name}: cannot be unpacked: {error}") from None


def _entries(archive: Path) -> Generator[_Entry, None, None]:
    """Every plain file of the archive, in its order."""
    if archive.name.endswith(".zip"):
        with zipfile.ZipFile(archive) as zipped:
            for item in zipped.infolist():
                if not item.is_dir():
                    yield _Entry(item.filename, item.file_size, partial(zipped.open, item))
    else:
        with tarfile.open(archive, "r:gz") as tar:
            for info in tar:
                if info.isreg():
                    yield _Entry(info.name.removeprefix("./"), info.size, partial(_open_tarred, tar, info))


def _open_tarred(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(info)
    if content is None:
        raise tarfile.TarError(f"{info.name} cannot be read")
    return content


def _holds(member: Member, path: str) -> bool:
    return path.startswith(member.path) if member.path.endswith("/") else path == member.path


def _kept_path(member: Member, path: str) -> str:
    """Where a file goes in the folder: said by our own table, but for the last part of a file in a folder."""
    if not member.path.endswith("/"):
        return member.name
    rest = path.removeprefix(member.path)
    if not _PLAIN_NAME.fullmatch(rest):
        raise InputError(f"the archive holds a file with a name that is not allowed: {path!r}")
    return f"{member.name}/{rest}"


def _blocks(content: IO[bytes], size: int) -> Iterator[bytes]:
    """The bytes, no more and no fewer than ``size``."""
    left = size
    while block := content.read(min(_BLOCK_BYTES, left + 1)):
        left -= len(block)
        if left < 0:
            raise EOFError("a file in it is longer than it says")
        yield block
    if left:
        raise EOFError("a file in it is shorter than it says")


def _write(blocks: Iterator[bytes], path: Path, *, unpacked: Unpacked) -> str:
    """Write and fsync a file; its sha256."""
    digest = hashlib.sha256()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for block in blocks:
                file.write(block)
                digest.update(block)
                unpacked(file.tell())
            file.flush()
            os.fsync(file.fileno())
    except (BrokenPipeError, gzip.BadGzipFile):
        raise
    except OSError as error:
        raise StoreUnwritable(f"{path}: cannot be written: {error.strerror or error}") from None
    return digest.hexdigest()
