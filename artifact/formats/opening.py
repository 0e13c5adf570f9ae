"""The bytes of a foreign file: decompressed where they are gzipped, with what was taken from the disk."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from artifact.errors import InputError

GZIP = b"\x1f\x8b"
_FOREIGN = {
    b"PK\x03\x04": "a zip archive: unpack it first",
    b"BZh": "a bzip2 file: unpack it first",
    b"\xfd7zXZ\x00": "an xz file: unpack it first",
    b"\x28\xb5\x2f\xfd": "a zstd file: unpack it first",
}


class ForeignFile:
    """A file to read from its start, once; a context manager. ``size`` is None where it is gzipped.

    What goes wrong with the disk or the compression is InputError with the file's name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = os.fsencode(path.name).decode("utf-8", "backslashreplace")
        with self._explained():
            self._raw: BinaryIO = path.open("rb")
            head = self._raw.read(8)
            self._raw.seek(0)
            self.bytes_on_disk = os.fstat(self._raw.fileno()).st_size
        for signature, what in _FOREIGN.items():
            if head.startswith(signature):
                self._raw.close()
                raise InputError(f"{self.name}: this is {what}")
        self.gzipped = head.startswith(GZIP)
        self.size = None if self.gzipped else self.bytes_on_disk
        self._data: BinaryIO = (
            cast(BinaryIO, io.BufferedReader(gzip.GzipFile(fileobj=self._raw), 1 << 20))
            if self.gzipped
            else self._raw
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._raw.close()

    def peek(self, size: int) -> bytes:
        """The first ``size`` bytes; the next ``read`` begins at the start again."""
        head = self.read(size)
        with self._explained():
            self._data.seek(0)
        return head

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes, fewer only where the file ends."""
        with self._explained():
            return self._data.read(size)

    def fileno(self) -> int:
        """The descriptor of the file on the disk, to map it."""
        return self._raw.fileno()

    def progress(self) -> tuple[int, int | None]:
        """Bytes taken from the disk so far, and of how many."""
        return (0 if self._raw.closed else self._raw.tell()), self.bytes_on_disk

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputError(f"{self.name}: broken or truncated gzip file ({error})") from None
        except OSError as error:
            raise InputError(f"{self.name}: {error.strerror or error}") from None
