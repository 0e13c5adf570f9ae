"""GloVe's text format (Pennington et al. 2014): a word a line with its numbers, and no header."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from artifact.errors import InputError
from artifact.formats.foreign import Foreign
from artifact.formats.opening import ForeignFile
from artifact.formats.remarks import Remarks
from artifact.formats.text_rows import first_lines, guess_dim, read_rows, write_rows
from artifact.formats.word2vec_binary import MOST_DIMENSIONS

FORMAT = "glove-text"


def open_glove_text(file: ForeignFile) -> Foreign:
    """The words and vectors of ``file``; its first lines decide the number of dimensions. Raises InputError."""
    dim = guess_dim(first_lines(file))
    if not 1 <= dim <= MOST_DIMENSIONS:
        raise InputError(f"{file.name}: line 1 is not a word and its numbers")
    remarks = Remarks()
    return Foreign(
        format=FORMAT,
        dim=dim,
        blocks=read_rows(file, dim=dim, remarks=remarks),
        progress=file.progress,
        remarks=remarks,
    )


def write_glove_text(file: BinaryIO, blocks: Iterator[tuple[Sequence[str], NDArray[np.float32]]]) -> None:
    """Write a word a line."""
    write_rows(file, blocks)
