"""Which texts are meant: paths, folders, globs and standard input, as files in a fixed order."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from artifact.errors import InputError
from trainer.corpus.folder import is_corpus

STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Source:
    """One text to read."""

    path: Path | None
    """None is standard input."""
    bytes_on_disk: int | None
    """None where it cannot be known: standard input, a pipe."""
    optional: bool = False
    """Found in a folder, so it is skipped when it turns out not to be text."""

    @property
    def name(self) -> str:
        """How messages call it; printable whatever the file is called."""
        return "standard input" if self.path is None else show(self.path)


def show(path: str | Path) -> str:
    """A path as it can be printed: file names may hold bytes that are not UTF-8, or line breaks."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return text if text.isprintable() else ascii(text)[1:-1]


def find_sources(sources: Sequence[str]) -> list[Source]:
    """What ``sources`` name, in the order given; folders (recursively) and globs in sorted order.

    Hidden files and folders, and corpus folders inside a folder, are left out. Raises ``InputError``, naming the
    source, where there is nothing.
    """
    if not sources:
        raise InputError("no text to read: name a file, a folder, a glob, or - for standard input")
    if list(sources).count(STANDARD_INPUT) > 1:
        raise InputError("standard input (-) can be read only once")
    return [found for source in sources for found in _find(source)]


def _find(source: str) -> Iterator[Source]:
    if source == STANDARD_INPUT:
        yield Source(None, None)
        return
    if not source or "\0" in source:
        raise InputError(f"{source!a}: not a path")
    if os.path.lexists(source):
        yield from _find_path(Path(source), source)
        return
    # Path.glob takes no absolute pattern.
    matches = sorted(glob.glob(source, recursive=True)) if glob.has_magic(source) else []  # noqa: PTH207
    if not matches:
        raise InputError(f"{show(source)}: no such file or folder")
    # "**" matches a folder and what is in it; that is still read once.
    once = {found.path: found for match in matches for found in _find_path(Path(match), source)}
    yield from once.values()


def _find_path(path: Path, source: str) -> Iterator[Source]:
    try:
        if not path.is_dir():
            yield _file(path)
            return
        if is_corpus(path):
            raise InputError(f"{show(path)}: this is a corpus already, not text to build one from")
        found = [_file(file, optional=True) for file in sorted(_walk(path))]
    except OSError as error:
        raise InputError(f"{show(error.filename or source)}: {error.strerror}") from None
    if not found:
        raise InputError(f"{show(path)}: no files in this folder")
    yield from found


def _file(path: Path, *, optional: bool = False) -> Source:
    status = path.stat()
    return Source(path, status.st_size if stat.S_ISREG(status.st_mode) else None, optional)


def _walk(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise error

    for parent, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if name[0] != "." and not is_corpus(Path(parent, name)))
        yield from (
            path for name in sorted(files) if name[0] != "." and (path := Path(parent, name)).is_file()
        )
