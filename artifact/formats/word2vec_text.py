"""word2vec's text format, which is fastText's ``.vec`` too: a line with the number of words and of dimensions, then a word a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from artifact.errors import InputError
from artifact.formats.foreign import Foreign
from artifact.formats.opening import ForeignFile
from artifact.formats.remarks import Remarks
from artifact.formats.text_rows import BYTE_ORDER_MARK, first_lines, is_number, read_rows, write_rows
from artifact.formats.word2vec_binary import parse_header

FORMAT = "word2vec-text"


def open_word2vec_text(file: ForeignFile) -> Foreign:
    """The words and vectors of ``file``. Raises InputError."""
    head = file.peek(256).removeprefix(BYTE_ORDER_MARK)
    words, dim, _ = parse_header(head, name=file.name)
    rows = first_lines(file)[1:]
    if rows and all(len(fields) > dim + 1 and is_number(fields[-dim - 1]) for fields in rows):
        raise InputError(
            f"{file.name}: line 1 says {dim} dimensions, but the lines have more numbers (line 2: {len(rows[0]) - 1})"
        )
    remarks = Remarks()
    return Foreign(
        format=FORMAT,
        dim=dim,
        words=words,
        blocks=read_rows(file, dim=dim, skip=1, words=words, remarks=remarks),
        progress=file.progress,
        remarks=remarks,
    )


def write_word2vec_text(
    file: BinaryIO, blocks: Iterator[tuple[Sequence[str], NDArray[np.float32]]], *, words: int, dim: int
) -> None:
    """Write ``words`` words of ``dim`` dimensions."""
    file.write(f"{words} {dim}\n".encode())
    write_rows(file, blocks)
