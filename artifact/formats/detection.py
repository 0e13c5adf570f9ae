"""Which format a file is in, by what stands in it."""

from __future__ import annotations

import re
from pathlib import Path

from artifact.errors import InputError
from artifact.formats import (
    fasttext_bin,
    glove_text,
    keyed_vectors,
    model2vec,
    word2vec_binary,
    word2vec_text,
)
from artifact.formats.opening import ForeignFile
from artifact.formats.text_rows import BYTE_ORDER_MARK, first_lines, guess_dim

_HEAD_BYTES = 64 << 10
_HEADER = re.compile(rb"[ \t]*[0-9]+[ \t]+[0-9]+[ \t\r]*\n")
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a]")


def detect_format(path: Path) -> str:
    """The format of the file or folder at ``path``, as ``--format`` names it. Raises InputError where it cannot be told."""
    if path.is_dir() or path.suffix == ".safetensors":
        return model2vec.FORMAT
    with ForeignFile(path) as file:
        head = file.peek(_HEAD_BYTES)
        if not head:
            raise InputError(f"{file.name}: empty")
        if head.startswith(fasttext_bin.MAGIC):
            return fasttext_bin.FORMAT
        if keyed_vectors.is_pickle(head):
            return keyed_vectors.FORMAT
        is_binary = _CONTROLS.search(head) is not None
        if _HEADER.match(head.removeprefix(BYTE_ORDER_MARK)):
            return word2vec_binary.FORMAT if is_binary else word2vec_text.FORMAT
        if not is_binary and guess_dim(first_lines(file)) > 1:
            return glove_text.FORMAT
        raise InputError(f"{file.name}: its format cannot be told by its first bytes; give --format")
