"""Small foreign files made without the code under test, and ways to read them."""

import io

import numpy as np

from artifact.errors import WordkinError
from artifact.formats.reading import open_foreign

WORDS = ["the", "car", "서울", "naïve", "new_york", "it's", "9"]


def make_vectors(count=7, dim=5, seed=0):
    return np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)


def binary_bytes(words, vectors, *, line_ends=True, header=None):
    """A file as word2vec.c writes it, without the code under test."""
    file = io.BytesIO()
    file.write((header or f"{len(words)} {vectors.shape[1]}").encode() + b"\n")
    for word, row in zip(words, vectors, strict=True):
        file.write(word if isinstance(word, bytes) else word.encode())
        file.write(b" " + row.astype("<f4").tobytes() + (b"\n" if line_ends else b""))
    return file.getvalue()


def text_bytes(words, vectors, *, header=True):
    lines = [f"{len(words)} {vectors.shape[1]}"] if header else []
    lines += [
        " ".join([word, *(repr(float(value)) for value in row)])
        for word, row in zip(words, vectors, strict=True)
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def read(path, kind=None):
    """Words, vectors, counts and remarks of a foreign file, straight from its reader."""
    words, blocks, counts = [], [], []
    with open_foreign(path, kind) as foreign:
        for rows in foreign.blocks:
            words += rows.words
            blocks.append(rows.vectors)
            counts.append(rows.counts)
        return foreign, words, np.concatenate(blocks) if blocks else None, counts


def read_or_refuse(path, kind=None):
    """As ``read``; None and the error where the file is refused with one line."""
    try:
        return read(path, kind), None
    except WordkinError as error:
        assert "\n" not in str(error)
        return None, error
