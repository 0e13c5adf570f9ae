"""Vectors as bytes: JSON with numbers or base64, NumPy's .npy, and an Arrow stream.

Each is written from the array at once: no object stands for a number on the way.
"""

from __future__ import annotations

import functools
import importlib.util
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pybase64 import b64encode
from pydantic_core import to_json

from artifact.lookup import Lookup

NPY = "application/x-npy"
ARROW = "application/vnd.apache.arrow.stream"
ARROW_EXTRA = "arrow"


@dataclass(frozen=True, slots=True)
class AskedVectors:
    """Words as they were asked for, how they were found, and where."""

    model: str
    version: str
    words: Sequence[str]
    lookup: Lookup

    def describe(self) -> dict[str, dict[str, Any]]:
        """What is to be said, besides their vectors, of the words that are not in the vocabulary as asked."""
        said: dict[str, dict[str, Any]] = {word: {"oov": True} for word in self.lookup.composed}
        return said | {word: {"matched": found} for word, found in self.lookup.matched.items()}


@functools.cache
def has_arrow() -> bool:
    """Whether Arrow streams can be written: the extra ``arrow`` is installed."""
    return importlib.util.find_spec("pyarrow") is not None


def write_floats(asked: AskedVectors) -> bytes:
    """JSON whose vectors are lists of numbers."""
    said = asked.describe()
    results = [
        {"word": word, "vector": row, **said.get(word, {})}
        for word, row in zip(asked.words, asked.lookup.rows.tolist(), strict=True)
    ]
    return to_json({"model": asked.model, "version": asked.version, "results": results})


def write_base64(asked: AskedVectors) -> bytes:
    """JSON whose vectors are base64 of little-endian float32."""
    texts, filling = encode_rows(asked.lookup.rows)
    # What stands before each text, and after the last: a NUL, which JSON never has bare, marks the places of the texts.
    between = b'","vector":"\0' + filling + b'"},{"word":"'
    words = to_json(list(asked.words))[2:-2].replace(b'","', between)
    head = to_json({"model": asked.model, "version": asked.version})[:-1]
    whole = b"".join((head, b',"results":[{"word":"', words, b'","vector":"\0', filling, b'"}]}'))
    fixed = whole.split(b"\0")
    if said := asked.describe():
        end = len(filling) + 1
        for place, word in enumerate(asked.words, start=1):
            if word in said:
                members = b"," + to_json(said[word])[1:-1]
                fixed[place] = fixed[place][:end] + members + fixed[place][end:]
    pieces = [b""] * (len(fixed) + len(texts))
    pieces[::2], pieces[1::2] = fixed, texts
    return b"".join(pieces)


def encode_rows(rows: NDArray[np.float32]) -> tuple[list[bytes], bytes]:
    """Each of ``rows`` [n, D] as base64 of little-endian float32, without the ``=`` that end it, and these.

    One call for all: rows are filled up with zeros to whole groups of three numbers, of which no character is kept.
    """
    count, dim = rows.shape
    padded = np.zeros((count, dim + -dim % 3), "<f4")
    padded[:, :dim] = rows
    whole = b64encode(padded.data)
    stride = padded.shape[1] * 16 // 3
    length = -(-dim * 16 // 3)
    texts = [whole[start : start + length] for start in range(0, count * stride, stride)]
    return texts, b"=" * (-4 * dim % 3)


def write_npy(asked: AskedVectors) -> bytes:
    """A .npy file of the vectors [n, D], float32."""
    file = io.BytesIO()
    np.lib.format.write_array(file, np.ascontiguousarray(asked.lookup.rows, dtype="<f4"), allow_pickle=False)
    return file.getvalue()


def write_arrow(asked: AskedVectors) -> bytes:
    """An Arrow stream with the columns word, vector (a list of D float32), oov and matched (null where as asked)."""
    import pyarrow as pa

    rows = np.ascontiguousarray(asked.lookup.rows, dtype="<f4")
    composed = set(asked.lookup.composed)
    columns = {
        "word": pa.array(asked.words, pa.string()),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1]),
        "oov": pa.array([word in composed for word in asked.words], pa.bool_()),
        "matched": pa.array([asked.lookup.matched.get(word) for word in asked.words], pa.string()),
    }
    batch = pa.record_batch(columns).replace_schema_metadata({"model": asked.model, "version": asked.version})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    content: bytes = sink.getvalue().to_pybytes()
    return content
