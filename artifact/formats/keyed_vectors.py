"""gensim's KeyedVectors as ``save`` writes them: a pickle, with large arrays in ``.npy`` files beside it.

The pickle is looked into, never unpickled (see ``inert_pickle``): a file that asks for anything but words and numbers gets
nothing. Whole models (Word2Vec, FastText) hold such vectors as ``wv``, and FastText's bring their n-grams.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.errors import InputError
from artifact.formats.foreign import Foreign, NgramRows, Places, Rows, rows_at_once
from artifact.formats.inert_pickle import Name, Thing, describe_array, describe_pickle, is_array
from artifact.formats.ngram_means import mix_in_ngrams
from artifact.formats.opening import GZIP
from artifact.formats.remarks import Remarks
from artifact.subwords import Ngrams

FORMAT = "keyed-vectors"
_WORD_KEYS = ("index_to_key", "index2word", "index2entity")
_VECTOR_KEYS = ("vectors", "syn0")


def is_pickle(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is a pickle of protocol 2 or later."""
    return len(head) > 1 and head[0] == 0x80 and 2 <= head[1] <= 5


def open_keyed_vectors(path: Path) -> Foreign:
    """The words, vectors and counts in ``path`` and the files beside it. Raises InputError, with how to convert others."""
    name = os.fsencode(path.name).decode("utf-8", "backslashreplace")
    with path.open("rb") as file:
        if file.peek(2).startswith(GZIP):
            raise InputError(f"{name}: unpack it first: other files may belong to it")
        root = describe_pickle(file, name=name)
    if not (
        isinstance(root, Thing)
        and isinstance(root.maker, Name)
        and root.maker.module.split(".")[0] == "gensim"
    ):
        raise InputError(f"{name}: a pickle, but not one of gensim's")
    state, prefix = _state(root), path.name
    if isinstance(inner := state.get("wv"), Thing):
        state, prefix = _state(inner), f"{prefix}.wv"
    parts = _Parts(path.with_name(prefix), state, name)
    words = next((state[key] for key in _WORD_KEYS if isinstance(state.get(key), list)), None)
    vectors = parts.array(*_VECTOR_KEYS)
    # FastText's are saved as the rows that they are the means of.
    own_rows = parts.array("vectors_vocab") if vectors is None else None
    vectors = own_rows if vectors is None else vectors
    if words is None or vectors is None or not all(isinstance(word, str) for word in words):
        raise InputError(
            f"{name}: {root.maker.name} of gensim, in which no words with vectors are found; convert it with gensim itself: "
            f"KeyedVectors.load({name!r}).save_word2vec_format({name + '.w2v'!r}, binary=True)"
        )
    if vectors.ndim != 2 or len(vectors) < len(words) or not vectors.shape[1] or vectors.dtype.kind != "f":
        raise InputError(
            f"{name}: {len(words):,} words do not fit vectors {vectors.shape} of {vectors.dtype}"
        )
    subwords, buckets = _find_subwords(parts, vectors.shape[1])
    if own_rows is not None and subwords is None and state.get("max_n"):
        raise InputError(
            f"{name}: FastText of a gensim before 3.7, whose n-grams are hashed in a way of its own"
        )
    remarks = Remarks()
    if subwords is None and parts.has("vectors_ngrams"):
        remarks.say(
            "no-subwords",
            "the vectors of n-grams are not in a form that is known here; unknown words will have no vectors",
        )
    done = [0]
    return Foreign(
        format=FORMAT,
        dim=int(vectors.shape[1]),
        words=len(words),
        blocks=_read(
            words,
            vectors,
            _find_counts(state, words, name=name),
            done,
            mix=None
            if own_rows is None or subwords is None or buckets is None
            else (subwords.ngrams, buckets),
        ),
        precision="float16" if vectors.dtype == np.float16 else "float32",
        progress=lambda: (done[0] * vectors.shape[1] * vectors.dtype.itemsize, vectors.nbytes),
        subwords=subwords,
        remarks=remarks,
    )


def _state(thing: Thing) -> dict[Any, Any]:
    return thing.state if isinstance(thing.state, dict) else {}


class _Parts:
    """The arrays of one saved object, in its state or beside its file."""

    def __init__(self, path: Path, state: dict[Any, Any], name: str) -> None:
        self.state = state
        self.name = name
        self._path = path

    def has(self, key: str) -> bool:
        """Whether there is an array of this name."""
        return is_array(self.state.get(key)) or key in (self.state.get("__numpys") or ())

    def array(self, *keys: str) -> NDArray[Any] | None:
        """The first of ``keys`` that there is an array of. Raises InputError where it cannot be read."""
        for key in keys:
            if is_array(self.state.get(key)):
                return describe_array(self.state[key], name=f"{self.name}: {key}")
            beside = self._path.with_name(f"{self._path.name}.{key}.npy")
            if key in (self.state.get("__numpys") or ()):
                return _map_array(beside)
        return None


def _map_array(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path.name}: not there; gensim saved it beside the other file") from None
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path.name}: not an array of numbers ({str(error)[:80]!r})") from None
    return array


def _find_counts(state: dict[Any, Any], words: list[str], *, name: str) -> NDArray[np.int64] | None:
    """gensim 4 has an array of them; before, each word had a record. None where they are not plain."""
    extras = state.get("expandos")
    counts: Any = None
    if isinstance(extras, dict) and is_array(extras.get("count")):
        counts = describe_array(extras["count"], name=f"{name}: count")
    elif isinstance(vocabulary := state.get("vocab"), dict):
        records = [vocabulary.get(word) for word in words]
        found = [_state(each).get("count") for each in records if isinstance(each, Thing)]
        if len(found) == len(words) and all(type(each) is int and 0 <= each < 1 << 62 for each in found):
            counts = np.array(found, dtype=np.int64)
    plain = (
        counts is not None and counts.dtype.kind in "iu" and counts.ndim == 1 and len(counts) >= len(words)
    )
    return counts[: len(words)].astype(np.int64) if plain else None


def _find_subwords(parts: _Parts, dim: int) -> tuple[NgramRows | None, NDArray[Any] | None]:
    settings = [parts.state.get(key) for key in ("min_n", "max_n", "bucket")]
    rows = parts.array("vectors_ngrams")
    # Models of gensim before 3.7 hashed otherwise, and say so.
    if (
        rows is None
        or not all(type(each) is int for each in settings)
        or parts.state.get("compatible_hash") is False
    ):
        return None, None
    shortest, longest, buckets = (int(each or 0) for each in settings)
    if longest < 1 or rows.shape != (buckets, dim):
        return None, None

    def read() -> Iterator[NDArray[np.float32]]:
        for start in range(0, buckets, rows_at_once(dim)):
            yield np.array(rows[start : start + rows_at_once(dim)], dtype=np.float32)

    return NgramRows(Ngrams(max(1, shortest), longest, buckets), read), rows


def _read(
    words: list[str],
    vectors: NDArray[Any],
    counts: NDArray[np.int64] | None,
    done: list[int],
    mix: tuple[Ngrams, NDArray[Any]] | None,
) -> Iterator[Rows]:
    step = rows_at_once(vectors.shape[1])
    for first in range(0, len(words), step):
        last = min(first + step, len(words))
        done[0] = last
        spelled = [word.encode("utf-8", "replace") for word in words[first:last]]
        rows = np.array(vectors[first:last])
        yield Rows(
            spelled,
            rows if mix is None else mix_in_ngrams(mix[0], spelled, rows, mix[1]),
            where=Places("word", range(first, last)),
            counts=None if counts is None else counts[first:last],
        )
