"""fastText's ``.bin``: dictionary, settings and the matrix of word and n-gram vectors (Bojanowski et al. 2017).

Read as ``FastText::loadModel`` of fastText 0.9.2 reads it. A word's vector is the mean of its own row and the rows of its
n-grams (``Dictionary::initNgrams``, ``FastText::getWordVector``); the end of a line, ``</s>``, has no n-grams.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artifact.errors import InputError
from artifact.formats.foreign import Foreign, NgramRows, Places, Rows, rows_at_once
from artifact.formats.ngram_means import mix_in_ngrams
from artifact.formats.opening import ForeignFile
from artifact.formats.remarks import Remarks
from artifact.formats.word2vec_binary import MOST_DIMENSIONS
from artifact.subwords import Ngrams

FORMAT = "fasttext-bin"
MAGIC = struct.pack("<i", 793712314)
_VERSIONS = (11, 12)
_SUPERVISED = 3
_WORD, _LABEL = 0, 1


@dataclass(frozen=True)
class _Header:
    dim: int
    ngrams: Ngrams | None
    words: list[bytes]
    counts: NDArray[np.int64]


def open_fasttext_bin(file: ForeignFile) -> Foreign:
    """The words, vectors and n-gram vectors of ``file``, which is mapped. Raises InputError, also for quantized models."""
    if file.gzipped:
        raise InputError(f"{file.name}: unpack it first: a {FORMAT} file is read out of order")
    try:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError:
        raise InputError(f"{file.name}: empty") from None
    cursor = _Cursor(data, file.name)
    header = _read_header(cursor)
    matrix = _read_matrix(cursor, columns=header.dim)
    buckets = 0 if header.ngrams is None else header.ngrams.buckets
    if len(matrix) < len(header.words) + buckets or (buckets and len(matrix) != len(header.words) + buckets):
        raise cursor.broken(
            f"{len(matrix):,} rows where there are {len(header.words):,} words and {buckets:,} n-gram buckets"
        )
    _read_matrix(cursor)
    remarks = Remarks()
    if cursor.left:
        remarks.say(
            "trailing-bytes", f"{cursor.left:,} bytes follow the model; they were left out", count=cursor.left
        )
    progress = _Progress(len(data), header.dim)
    return Foreign(
        format=FORMAT,
        dim=header.dim,
        words=len(header.words),
        blocks=_read_words(header, matrix, progress),
        progress=progress,
        subwords=_find_subwords(header, matrix, progress),
        remarks=remarks,
    )


class _Progress:
    """Rows handed out, as bytes of the file."""

    def __init__(self, size: int, dim: int) -> None:
        self.rows = 0
        self._size = size
        self._width = 4 * dim

    def __call__(self) -> tuple[int, int | None]:
        return min(self.rows * self._width, self._size), self._size


class _Cursor:
    """Reads a map from front to back."""

    def __init__(self, data: mmap.mmap, name: str) -> None:
        self.data = data
        self.position = 0
        self._name = name

    @property
    def left(self) -> int:
        return len(self.data) - self.position

    def broken(self, what: str) -> InputError:
        return InputError(f"{self._name}: byte {self.position:,}: {what}")

    def numbers(self, layout: str) -> tuple[int | float, ...]:
        size = struct.calcsize(f"<{layout}")
        if self.left < size:
            raise self.broken("the file ends there, within the model")
        values = struct.unpack_from(f"<{layout}", self.data, self.position)
        self.position += size
        return values

    def whole(self, layout: str) -> list[int]:
        return [int(value) for value in self.numbers(layout)]

    def word(self) -> bytes:
        end = self.data.find(b"\0", self.position)
        if end < 0:
            raise self.broken("the file ends there, within a word")
        word = self.data[self.position : end]
        self.position = end + 1
        return word


def _read_header(cursor: _Cursor) -> _Header:
    magic, version = cursor.whole("ii")
    if struct.pack("<i", magic) != MAGIC:
        raise cursor.broken("this is not a fastText model: its first bytes are others")
    if version not in _VERSIONS:
        raise cursor.broken(f"fastText's format version {version} is not known here (only 11 and 12 are)")
    dim, _, _, _, _, _, _, model, buckets, shortest, longest, _ = cursor.whole("12i")
    cursor.numbers("d")
    if not 1 <= dim <= MOST_DIMENSIONS:
        raise cursor.broken(f"{dim:,} dimensions: 1 to {MOST_DIMENSIONS:,} can be read")
    if version == _VERSIONS[0] and model == _SUPERVISED:
        longest = 0  # FastText::loadModel: such models never used n-grams
    size, words, labels, _, pruned = cursor.whole("iiiqq")
    if min(size, words, labels) < 0 or words + labels != size:
        raise cursor.broken(f"{size:,} entries are not {words:,} words and {labels:,} labels")
    if pruned >= 0:
        raise cursor.broken(
            "this model is quantized (.ftz), which loses what its vectors were; import the .bin it was made of"
        )
    names, counts = _read_entries(cursor, size=size, words=words)
    (quantized,) = cursor.whole("?")
    if quantized:
        raise cursor.broken(
            "this model is quantized (.ftz), which loses what its vectors were; import the .bin it was made of"
        )
    try:
        ngrams = Ngrams(max(1, shortest), longest, buckets) if longest > 0 else None
    except InputError as error:
        raise cursor.broken(str(error)) from None
    return _Header(dim, ngrams, names, counts)


def _read_entries(cursor: _Cursor, *, size: int, words: int) -> tuple[list[bytes], NDArray[np.int64]]:
    """The words and their counts; labels are passed over."""
    names: list[bytes] = []
    counts: list[int] = []
    for entry in range(size):
        name = cursor.word()
        count, kind = cursor.whole("qb")
        if kind != (_WORD if entry < words else _LABEL):
            raise cursor.broken(f"entry {entry:,} of the dictionary is of kind {kind}, out of order")
        if entry < words:
            names.append(name)
            counts.append(count)
    return names, np.array(counts, dtype=np.int64)


def _read_matrix(cursor: _Cursor, *, columns: int | None = None) -> NDArray[np.float32]:
    """A matrix, mapped. The last one, of the output, may be quantized: it is only passed over."""
    if columns is None:
        (quantized,) = cursor.whole("?")
        if quantized:
            cursor.position = len(cursor.data)
            return np.zeros((0, 0), np.float32)
    rows, width = cursor.whole("qq")
    if rows < 0 or width < 0 or (columns is not None and width != columns):
        raise cursor.broken(
            f"a matrix of {rows:,} × {width:,} where {columns or 'more than 0'} columns are expected"
        )
    if cursor.left < rows * width * 4:
        raise cursor.broken(
            f"truncated: {rows:,} × {width:,} numbers do not fit in the {cursor.left:,} bytes that follow"
        )
    matrix = (
        np.frombuffer(cursor.data, dtype="<f4", count=rows * width, offset=cursor.position)
        if rows * width
        else None
    )
    cursor.position += rows * width * 4
    return np.zeros((rows, width), np.float32) if matrix is None else matrix.reshape(rows, width)


def _read_words(header: _Header, matrix: NDArray[np.float32], progress: _Progress) -> Iterator[Rows]:
    step = rows_at_once(header.dim)
    for first in range(0, len(header.words), step):
        words = header.words[first : first + step]
        rows = np.array(matrix[first : first + len(words)])
        if header.ngrams is not None:
            rows = mix_in_ngrams(header.ngrams, words, rows, matrix[len(header.words) :])
        progress.rows = first + len(words)
        yield Rows(
            words,
            rows,
            where=Places("word", range(first, first + len(words))),
            counts=header.counts[first : first + len(words)],
        )


def _find_subwords(header: _Header, matrix: NDArray[np.float32], progress: _Progress) -> NgramRows | None:
    if header.ngrams is None:
        return None
    first, step = len(header.words), rows_at_once(header.dim)

    def read() -> Iterator[NDArray[np.float32]]:
        for start in range(first, len(matrix), step):
            progress.rows = min(start + step, len(matrix))
            yield np.array(matrix[start : start + step])

    return NgramRows(header.ngrams, read)
