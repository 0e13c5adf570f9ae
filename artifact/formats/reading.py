"""Opening a foreign file in whichever format it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
from artifact.formats.detection import detect_format
from artifact.formats.foreign import Foreign
from artifact.formats.opening import ForeignFile

_OPEN = {
    word2vec_binary.FORMAT: word2vec_binary.open_word2vec_binary,
    word2vec_text.FORMAT: word2vec_text.open_word2vec_text,
    "fasttext-vec": word2vec_text.open_word2vec_text,
    glove_text.FORMAT: glove_text.open_glove_text,
    fasttext_bin.FORMAT: fasttext_bin.open_fasttext_bin,
}
FORMATS = (*_OPEN, model2vec.FORMAT, keyed_vectors.FORMAT)


@contextmanager
def open_foreign(path: Path, file_format: str | None = None) -> Iterator[Foreign]:
    """The file or folder at ``path``, in the format given or found out. Raises InputError."""
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    file_format = file_format or detect_format(path)
    if file_format == model2vec.FORMAT:
        yield model2vec.open_model2vec(path)
    elif path.is_dir():
        raise InputError(f"{path.name}: a folder, not a {file_format} file")
    elif file_format == keyed_vectors.FORMAT:
        yield keyed_vectors.open_keyed_vectors(path)
    else:
        with ForeignFile(path) as file:
            yield _OPEN[file_format](file)
