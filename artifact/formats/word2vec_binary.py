"""word2vec's binary format: a line with the number of words and of dimensions, then each word, a space and its float32s.

As ``word2vec.c`` (Mikolov et al. 2013) writes it with ``-binary 1``. The line break that it writes after each vector is
not always there: gensim leaves it out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from artifact.errors import InputError
from artifact.formats.foreign import Foreign, Places, Rows, rows_at_once
from artifact.formats.opening import ForeignFile
from artifact.formats.remarks import Remarks
from artifact.tokenizer import MAX_TOKEN_BYTES

FORMAT = "word2vec-binary"
MOST_DIMENSIONS = 65_536
_HEADER = re.compile(rb"[ \t]*([0-9]{1,18})[ \t]+([0-9]{1,18})[ \t\r]*\n")
_HEADER_BYTES = 128
_READ_BYTES = 4 << 20


def parse_header(head: bytes, *, name: str) -> tuple[int, int, int]:
    """Words, dimensions and the length of the header line at the start of ``head``. Raises InputError."""
    match = _HEADER.match(head[:_HEADER_BYTES])
    if match is None:
        raise InputError(
            f"{name}: line 1 is not a header: the number of words, a space and the number of dimensions"
        )
    words, dim = int(match[1]), int(match[2])
    if not words or not 1 <= dim <= MOST_DIMENSIONS:
        raise InputError(
            f"{name}: the header says {words:,} words of {dim:,} dimensions: there must be at least one word and "
            f"1 to {MOST_DIMENSIONS:,} dimensions"
        )
    return words, dim, match.end()


def open_word2vec_binary(file: ForeignFile) -> Foreign:
    """The words and vectors of ``file``; more bytes than the header promises are remarked on. Raises InputError."""
    words, dim, start = parse_header(file.peek(_HEADER_BYTES), name=file.name)
    least = start + words * (4 * dim + 1)
    if file.size is not None and file.size < least:
        raise InputError(
            f"{file.name}: truncated, or not {FORMAT}: the header says {words:,} words of {dim} dimensions, which take at "
            f"least {least:,} bytes; there are {file.size:,}"
        )
    remarks = Remarks()
    return Foreign(
        format=FORMAT,
        dim=dim,
        words=words,
        blocks=_read(file, words=words, dim=dim, start=start, remarks=remarks),
        progress=file.progress,
        remarks=remarks,
    )


def _read(file: ForeignFile, *, words: int, dim: int, start: int, remarks: Remarks) -> Iterator[Rows]:
    width, at_once = 4 * dim, rows_at_once(dim)
    file.read(start)
    buffer, position, before = b"", 0, start  # byte 0 of the buffer is byte ``before`` of the file
    first = 0
    while first < words:
        names: list[bytes] = []
        parts: list[bytes] = []
        for row in range(first, min(first + at_once, words)):
            if len(buffer) - position < width + MAX_TOKEN_BYTES + 8:
                before += position
                buffer, position = buffer[position:] + file.read(_READ_BYTES + width), 0
            space = buffer.find(b" ", position, position + MAX_TOKEN_BYTES + 2)
            end = space + 1 + width
            if space < 0 or end > len(buffer):
                where = f"{file.name}: row {row} (byte {before + position:,})"
                if space < 0 and len(buffer) - position > MAX_TOKEN_BYTES:
                    raise InputError(f"{where}: no space ends the word within {MAX_TOKEN_BYTES:,} bytes")
                raise InputError(f"{where}: the file ends there; the header says {words:,} words")
            names.append(buffer[position:space].lstrip(b"\n"))
            parts.append(buffer[space + 1 : end])
            position = end
        vectors = np.frombuffer(b"".join(parts), dtype="<f4").reshape(len(parts), dim)
        yield Rows(names, vectors, where=Places("row", range(first, first + len(names))))
        first += len(names)
    rest = len(buffer[position:].lstrip(b"\n"))
    while more := file.read(_READ_BYTES):
        rest += len(more)
    if rest:
        remarks.say(
            "trailing-bytes",
            f"{rest:,} bytes follow the {words:,} words that the header says; they were left out",
            count=rest,
        )


def write_word2vec_binary(
    file: BinaryIO, blocks: Iterator[tuple[Sequence[str], NDArray[np.float32]]], *, words: int, dim: int
) -> None:
    """Write ``words`` words of ``dim`` dimensions, as word2vec.c does."""
    file.write(f"{words} {dim}\n".encode())
    for tokens, vectors in blocks:
        rows = np.ascontiguousarray(vectors, dtype="<f4")
        file.write(
            b"".join(
                b"%b %b\n" % (token.encode(), row.tobytes()) for token, row in zip(tokens, rows, strict=True)
            )
        )
