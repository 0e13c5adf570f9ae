"""Word vectors added to a draft a block of words at a time: what is kept in memory is the words, never the vectors."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self

import numpy as np
from numpy.typing import NDArray

from artifact.draft import Draft
from artifact.embedding import compute_norms
from artifact.errors import InputError
from artifact.tensor_stream import TensorStream
from artifact.vocabulary_index import encode_tokens, index_tokens
from artifact.weights import write_tensors

Precision = Literal["float16", "float32"]


class EmbeddingWriter:
    """The weights and vocabulary of a word-vector model of ``dim`` dimensions; the bytes are those of ``write_embedding``.

    ``expected`` words is a guess that spares moving the rows in the end. A context manager: ``finish`` within it.
    """

    def __init__(self, draft: Draft, *, dim: int, dtype: Precision = "float32", expected: int = 0) -> None:
        self.words = 0
        self._draft = draft
        self._dtype = dtype
        self._path = draft.add("vocabulary", "vocabulary.txt")
        self._vocabulary: BinaryIO = self._path.open("wb")
        self._weights = TensorStream(
            draft.add("weights", "weights.safetensors"),
            "vectors",
            columns=dim,
            dtype=np.dtype(dtype),
            beside={"counts": np.dtype(np.int64), "norms": np.dtype(np.float32)},
            expected=expected,
        )
        self._counts: list[NDArray[np.int64]] = []
        self._norms: list[NDArray[np.float32]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._vocabulary.close()
        self._weights.__exit__(kind, error, trace)

    def append(
        self, tokens: Sequence[str], vectors: NDArray[Any], counts: NDArray[np.int64] | None = None
    ) -> None:
        """Add ``tokens`` with their ``vectors`` [n, D] and ``counts`` [n]; without counts they are 0, not known.

        Raises InputError for tokens that cannot stand in a vocabulary and for vectors that are not finite.
        """
        if not len(tokens) == len(vectors):
            raise InputError(f"vectors {vectors.shape} and {len(tokens)} tokens do not fit")
        stored = convert_rows(vectors, self._dtype, name=lambda row: f"{tokens[row][:40]!r}")
        self._vocabulary.write(encode_tokens(tokens))
        self._weights.append(stored)
        self._norms.append(compute_norms(stored))
        self._counts.append(np.zeros(len(tokens), np.int64) if counts is None else counts.astype(np.int64))
        self.words += len(tokens)

    def finish(self) -> None:
        """Write what stands before the vectors, and the vocabulary's index. InputError for no word, or the same twice."""
        if not self.words:
            raise InputError("there is no word")
        self._vocabulary.flush()
        os.fsync(self._vocabulary.fileno())
        self._weights.finish({"counts": np.concatenate(self._counts), "norms": np.concatenate(self._norms)})
        index = index_tokens(self._path.read_bytes())
        write_tensors(self._draft.add("vocabulary-index", "vocabulary.safetensors"), index)


def convert_rows(vectors: NDArray[Any], dtype: Precision, *, name: Callable[[int], str]) -> NDArray[Any]:
    """A block of ``vectors`` as ``dtype``; InputError with the ``name`` of the first row that is not finite."""
    with np.errstate(over="ignore"):
        stored = vectors.astype(dtype, copy=False)
    finite = np.isfinite(stored).all(axis=1)
    if not finite.all():
        raise InputError(f"the vector of {name(int(np.argmin(finite)))} is not finite as {dtype}")
    return stored
