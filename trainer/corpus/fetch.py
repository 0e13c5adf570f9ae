"""Fetching a well-known text by name: downloaded once, checked, unpacked and kept in a cache folder."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from artifact.errors import InputError, StoreUnwritable
from artifact.files import RememberedHashes, cache_folder, hash_file, replace_file, sync_folder
from trainer.corpus.builder import Progress
from trainer.corpus.datasets import DATASETS, Dataset, Download
from trainer.corpus.download import download
from trainer.corpus.unpacking import unpack

__all__ = ["DATASETS", "default_cache", "describe", "fetch"]

SUMS_FILE = "SHA256SUMS"
"""The hashes of all kept files, in the format of sha256sum; written last, so that without it nothing counts as there."""
_INCOMING = ".incoming"


def default_cache() -> Path:
    """Where fetched texts are kept: corpora/ in wordkin's cache folder."""
    return cache_folder() / "corpora"


def describe(name: str) -> str:
    """What the dataset is, its licence, its size and where it comes from, in three lines. Raises InputError."""
    dataset = _find(name)
    sizes = [source.bytes for source in dataset.downloads]
    total = sum(size or 0 for size in sizes)
    return (
        f"{dataset.name}: {dataset.summary}\n"
        f"licence: {dataset.licence}\n"
        f"from: {', '.join(source.url for source in dataset.downloads)} ({total:,} bytes)"
    )


def fetch(
    name: str, *, cache: Path | None = None, progress: Progress | None = None, base_url: str | None = None
) -> Path:
    """The path of the dataset's text, downloaded into ``cache`` unless it is there and sound.

    ``cache`` defaults to ``default_cache()``; further parts (validation and test text) lie beside the text.
    ``progress`` is told the stages "download" and "unpack" in bytes. ``base_url`` is another place to download
    the same files from. A download that was interrupted goes on where it stopped.

    Raises InputError, in one line, for an unknown name, a server that cannot be reached, refuses or sends other
    bytes than are known, and a broken archive; StoreUnwritable when the cache cannot be written or the disk is full.
    """
    dataset = _find(name)
    if base_url is not None:
        dataset = _moved(dataset, base_url)
    folder = (cache or default_cache()) / dataset.name
    with _locked(folder):
        if not _is_sound(dataset, folder):
            _bring(dataset, folder, progress or (lambda *_: None))
    return folder / dataset.text


def _find(name: str) -> Dataset:
    if name not in DATASETS:
        raise InputError(f"there is no text named {name[:80]!r} to fetch; there are: {', '.join(DATASETS)}")
    return DATASETS[name]


def _moved(dataset: Dataset, base_url: str) -> Dataset:
    base = base_url.rstrip("/")
    downloads = tuple(replace(source, url=f"{base}/{source.file_name}") for source in dataset.downloads)
    return replace(dataset, downloads=downloads)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Within, no other process fetches into this folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as error:
        raise StoreUnwritable(f"{folder}: cannot be written: {error.strerror or error}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"{folder.name} is being fetched by another process") from None
        yield
    finally:
        os.close(descriptor)


def _is_sound(dataset: Dataset, folder: Path) -> bool:
    """Whether everything is there with the bytes it was unpacked with, and those are the ones that are known."""
    sums = _read_sums(folder)
    pinned = {
        name: sha256 for source in dataset.downloads for name, sha256 in _pinned(source) if sha256 is not None
    }
    kept = {name for source in dataset.downloads for name in source.kept_names}
    if kept - {name.split("/")[0] for name in sums} or any(sums.get(name) != pinned[name] for name in pinned):
        return False
    with suppress(OSError):
        return all(
            RememberedHashes((folder / name).parent).hash(folder / name) == sums[name] for name in sums
        )
    return False


def _pinned(source: Download) -> Iterator[tuple[str, str | None]]:
    if not source.members:
        yield source.file_name, source.sha256
    for member in source.members:
        if member.sha256 is not None:
            yield member.name, member.sha256


def _read_sums(folder: Path) -> dict[str, str]:
    """Hashes by file path; empty where there are none or they make no sense."""
    sums: dict[str, str] = {}
    with suppress(OSError, UnicodeDecodeError, ValueError):
        for line in (folder / SUMS_FILE).read_text("utf-8").splitlines():
            sha256, name = line.split("  ", 1)
            sums[name] = sha256
        return sums
    return {}


def _bring(dataset: Dataset, folder: Path, progress: Progress) -> None:
    """Download and unpack everything beside, then move it in and write down the hashes."""
    incoming = folder / _INCOMING
    ready = incoming / "ready"
    try:
        ready.mkdir(parents=True, exist_ok=True)
        _check_room(dataset, incoming)
        sums: dict[str, str] = {}
        sizes = [source.bytes for source in dataset.downloads]
        total = None if None in sizes else sum(size or 0 for size in sizes)
        done = 0
        for source in dataset.downloads:
            sums |= _obtain(source, incoming, ready, done, total, progress)
            done += source.bytes or 0
        (folder / SUMS_FILE).unlink(missing_ok=True)
        for path in ready.iterdir():
            _move_in(path, folder / path.name)
        sync_folder(folder)
        lines = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(sums.items()))
        replace_file(folder / SUMS_FILE, lines.encode())
        shutil.rmtree(incoming, ignore_errors=True)
    except BrokenPipeError:  # whoever reads the progress has gone; no file was refused
        raise
    except OSError as error:
        raise StoreUnwritable(f"{folder}: cannot be written: {error.strerror or error}") from None


def _obtain(
    source: Download, incoming: Path, ready: Path, before: int, total: int | None, progress: Progress
) -> dict[str, str]:
    """Download one file and put what is kept of it into ``ready``; the hashes of that by name."""
    arrived = (incoming if source.members else ready) / source.file_name
    if not _has_arrived(source, arrived):
        download(
            source,
            arrived,
            received=lambda done, size: progress("download", before + done, total or size),
        )
    if not source.members:
        return {source.file_name: hash_file(arrived)}
    known = [member.bytes for member in source.members]
    unpacked_total = None if None in known else sum(size or 0 for size in known)
    try:
        return unpack(
            arrived,
            source.members,
            ready,
            unpacked=lambda done: progress("unpack", done, unpacked_total),
        )
    except InputError:
        arrived.unlink()  # whole, but no good: it must not be taken up again
        raise


def _has_arrived(source: Download, arrived: Path) -> bool:
    """Whether an earlier, interrupted fetch left this file whole."""
    if not arrived.exists():
        return False
    if source.sha256 is not None:
        return hash_file(arrived) == source.sha256
    return source.bytes is not None and arrived.stat().st_size == source.bytes


def _move_in(path: Path, target: Path) -> None:
    if target.is_dir():
        shutil.rmtree(target)
    path.replace(target)


def _check_room(dataset: Dataset, incoming: Path) -> None:
    """Says at once what would otherwise fail after minutes. Raises StoreUnwritable."""
    there = sum(path.stat().st_size for path in incoming.rglob("*") if path.is_file())
    needed = sum(
        (source.bytes or 0) + sum(member.bytes or 0 for member in source.members)
        for source in dataset.downloads
    )
    free = shutil.disk_usage(incoming).free
    if needed - there > free:
        raise StoreUnwritable(
            f"{incoming.parent}: {dataset.name} needs {needed - there:,} bytes, and the disk has {free:,} free"
        )
