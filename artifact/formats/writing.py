"""A published version written in a format of others: beside its place, then renamed; nothing is ever overwritten."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from artifact.embedding import Embedding
from artifact.errors import InputError
from artifact.files import sync_file, sync_folder
from artifact.formats import glove_text, model2vec, projector, word2vec_binary, word2vec_text
from artifact.formats.foreign import rows_at_once
from artifact.formats.model2vec_writer import write_model2vec
from artifact.formats.projector import write_projector

FORMATS = (
    word2vec_binary.FORMAT,
    word2vec_text.FORMAT,
    glove_text.FORMAT,
    model2vec.FORMAT,
    projector.FORMAT,
)
FOLDER_FORMATS = (model2vec.FORMAT, projector.FORMAT)
Progress = Callable[[int, int | None], object]


@dataclass(frozen=True)
class Export:
    """What was written."""

    words: int
    left_out: int
    """Words that hold white space, which the format cannot say."""


def export_embedding(
    embedding: Embedding, vectors: NDArray[Any], *, file_format: str, path: Path, progress: Progress
) -> Export:
    """Write ``vectors`` [V, D] of ``embedding`` to ``path``, a folder for formats of several files.

    ``progress`` hears how many words are done, and of how many. Raises InputError where there is something at ``path``.
    """
    if path.exists() or path.is_symlink():
        raise InputError(f"{path}: exists already; nothing is overwritten")
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder")
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        result = _write(embedding, vectors, file_format=file_format, path=beside, progress=progress)
        for file in [beside] if beside.is_file() else beside.iterdir():
            sync_file(file)
        if path.exists():
            raise InputError(f"{path}: exists already; nothing is overwritten")
        beside.rename(path)
    finally:
        if beside.is_dir():
            shutil.rmtree(beside, ignore_errors=True)
        beside.unlink(missing_ok=True)
    sync_folder(path.parent)
    return result


def _write(
    embedding: Embedding, vectors: NDArray[Any], *, file_format: str, path: Path, progress: Progress
) -> Export:
    all_words = len(embedding.vocabulary)
    if file_format in FOLDER_FORMATS:
        path.mkdir()
        blocks = _read(embedding, vectors, progress)
        if file_format == projector.FORMAT:
            write_projector(path, blocks)
        else:
            write_model2vec(path, blocks, embedding=embedding, dtype=vectors.dtype)
        return Export(all_words, 0)
    left_out = sum(not _is_one_field(token) for token in embedding.vocabulary)
    words = all_words - left_out
    with path.open("wb") as file:
        _write_file(
            file,
            _leave_out(_read(embedding, vectors, progress)),
            file_format=file_format,
            words=words,
            dim=embedding.dim,
        )
    return Export(words, left_out)


def _write_file(
    file: BinaryIO,
    blocks: Iterator[tuple[Sequence[str], NDArray[np.float32]]],
    *,
    file_format: str,
    words: int,
    dim: int,
) -> None:
    if file_format == word2vec_binary.FORMAT:
        word2vec_binary.write_word2vec_binary(file, blocks, words=words, dim=dim)
    elif file_format == word2vec_text.FORMAT:
        word2vec_text.write_word2vec_text(file, blocks, words=words, dim=dim)
    elif file_format == glove_text.FORMAT:
        glove_text.write_glove_text(file, blocks)
    else:
        raise InputError(f"--format must be one of {', '.join(FORMATS)}, not {file_format!r}")


def _read(
    embedding: Embedding, vectors: NDArray[Any], progress: Progress
) -> Iterator[tuple[Sequence[str], NDArray[np.float32]]]:
    total, step = len(vectors), rows_at_once(embedding.dim)
    for first in range(0, total, step):
        last = min(first + step, total)
        yield embedding.vocabulary.tokens(range(first, last)), vectors[first:last].astype(np.float32)
        progress(last, total)


def _leave_out(
    blocks: Iterator[tuple[Sequence[str], NDArray[np.float32]]],
) -> Iterator[tuple[Sequence[str], NDArray[np.float32]]]:
    for tokens, vectors in blocks:
        kept = [place for place, token in enumerate(tokens) if _is_one_field(token)]
        yield [tokens[place] for place in kept], vectors[kept]


def _is_one_field(token: str) -> bool:
    """Whether readers that split at white space, of ASCII or of Unicode, see one word."""
    return token.split() == [token]
