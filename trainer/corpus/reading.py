"""The bytes of a source: decompressed, checked to be text at all, in pieces of bounded size."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any, BinaryIO

from artifact.errors import InputError
from trainer.corpus.sources import Source

_HEAD_BYTES = 8192
_BUFFER_BYTES = 1 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# A frame may say "repeat this byte 128 KiB long" in 4 bytes: small inputs keep the output bounded.
_ZST_INPUT_BYTES = 512

_SIGNATURES = (
    ("gzip", ".gz", re.compile(rb"\x1f\x8b\x08")),
    ("xz", ".xz", re.compile(rb"\xfd7zXZ\x00")),
    ("zstd", ".zst", re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")),
    ("bzip2", ".bz2", re.compile(rb"BZh[1-9]1AY&SY")),
)
_FOREIGN = (
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
    (b"PK\x03\x04", "a zip archive"),
    (b"%PDF-", "a PDF"),
)

_OPEN: dict[str, Callable[[Any], AbstractContextManager[Any]]] = {
    "": nullcontext,
    "gzip": gzip.open,
    "xz": lzma.open,
    "bzip2": bz2.open,
}


class NotText(InputError):
    """A source that is plainly not UTF-8 text."""


def read_pieces(source: Source, piece_bytes: int) -> Iterator[tuple[bytes, int]]:
    """The text of a source in pieces of about ``piece_bytes``, each with the bytes taken from the disk so far.

    Compression is found out by the first bytes or by the suffix. A byte order mark of UTF-8 at the start is left
    out. Raises ``NotText`` for what is plainly UTF-16 or binary, and ``InputError`` for what cannot be read or
    decompressed; both name the source.
    """
    compression = ""
    with ExitStack() as stack:
        try:
            if source.path is None:
                if sys.stdin is None:
                    raise InputError(f"{source.name}: closed")
                file: BinaryIO | io.FileIO = sys.stdin.buffer
            else:
                file = stack.enter_context(source.path.open("rb", buffering=0))
            counted = _CountingReader(file)
            buffered = stack.enter_context(io.BufferedReader(counted, _BUFFER_BYTES))
            compression = _find_compression(buffered.peek(16)[:16], source.path)
            pieces = _unpack(buffered, compression, piece_bytes)
            head = b""
            while len(head) < _HEAD_BYTES and (more := next(pieces, b"")):
                head += more
            _check_text(head[:_HEAD_BYTES], source.name)
            yield head.removeprefix(_BYTE_ORDER_MARK), counted.position
            for piece in pieces:
                yield piece, counted.position
        except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, _BrokenStream) as error:
            raise InputError(f"{source.name}: broken or truncated {compression} file ({error})") from None
        except OSError as error:
            reason = error.strerror or f"broken {compression} file ({error})"
            raise InputError(f"{source.name}: {reason}") from None


class _BrokenStream(Exception):
    """What zstandard's errors become, so that the module is loaded only where it is needed."""


class _CountingReader(io.RawIOBase):
    """Knows how much was taken from a file, also where that cannot be asked (standard input, pipes)."""

    def __init__(self, file: BinaryIO | io.FileIO) -> None:
        self._file = file
        self.position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        taken = self._file.readinto(buffer)  # type: ignore[union-attr]
        self.position += taken or 0
        return taken


def _find_compression(head: bytes, path: Path | None) -> str:
    for name, _, signature in _SIGNATURES:
        if signature.match(head):
            return name
    suffix = "" if path is None else path.suffix.lower()
    return next((name for name, own_suffix, _ in _SIGNATURES if own_suffix == suffix), "")


def _check_text(head: bytes, name: str) -> None:
    for start, what in _FOREIGN:
        if head.startswith(start):
            raise NotText(f"{name}: this is {what}, not UTF-8 text")
    nuls, even_nuls = head.count(0), head[::2].count(0)
    if nuls >= 4 and nuls >= 0.4 * len(head) and not nuls // 10 < even_nuls < nuls - nuls // 10:
        raise NotText(f"{name}: this looks like UTF-16; convert it to UTF-8 first")
    if nuls >= 16 and nuls > len(head) // 10:
        raise NotText(
            f"{name}: this looks binary ({nuls} NUL bytes in the first {len(head)}), not UTF-8 text"
        )


def _unpack(file: BinaryIO, compression: str, piece_bytes: int) -> Iterator[bytes]:
    if compression == "zstd":
        yield from _unpack_zstd(file, piece_bytes)
        return
    with _OPEN[compression](file) as text:
        while piece := text.read(piece_bytes):
            yield piece


def _unpack_zstd(file: BinaryIO, piece_bytes: int) -> Iterator[bytes]:
    import zstandard

    # stream_reader would take a truncated frame for a whole one.
    frames = zstandard.ZstdDecompressor(max_window_size=1 << 31)
    frame, given, ready, ready_bytes = frames.decompressobj(), 0, [], 0
    while data := file.read(_ZST_INPUT_BYTES):
        while data:
            given += len(data)
            try:
                ready.append(frame.decompress(data))
            except zstandard.ZstdError as error:
                raise _BrokenStream(error) from None
            ready_bytes += len(ready[-1])
            data = b""
            if frame.eof:
                data, frame, given = frame.unused_data, frames.decompressobj(), 0
        if ready_bytes >= piece_bytes:
            yield b"".join(ready)
            ready, ready_bytes = [], 0
    if given:
        raise _BrokenStream("it ends before its last frame does")
    if ready_bytes:
        yield b"".join(ready)
