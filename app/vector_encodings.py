"""Vectors as bytes: JSON with numbers or base64, NumPy's .npy, and an Arrow stream.

Each is written from the array at once: no object stands for a number on the way.
"""

from __future__ import annotations

import binascii
import functools
import importlib.util
import io
from collections.abc import Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Any

import numpy as np
from numpy.typing import NDArray
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
    text, width = encode_rows(asked.lookup.rows)
    said = {word: "," + to_json(members).decode()[1:-1] for word, members in asked.describe().items()}
    results = [
        f'{{"word":{encode_basestring(word)},"vector":"{text[start : start + width]}"{said.get(word, "")}}}'
        for word, start in zip(asked.words, range(0, len(text), width), strict=True)
    ]
    origin = to_json({"model": asked.model, "version": asked.version}).decode()
    return f'{origin[:-1]},"results":[{",".join(results)}]}}'.encode()


def encode_rows(rows: NDArray[np.float32]) -> tuple[str, int]:
    """The base64 of each of ``rows`` [n, D], one after another, and how many characters each takes."""
    n, size = len(rows), rows.shape[1] * 4
    padding = -size % 3
    # Rows filled up to whole groups of three bytes are encoded as one; what the filling became is then marked as such.
    filled = np.zeros((n, size + padding), dtype=np.uint8)
    filled[:, :size] = np.ascontiguousarray(rows, dtype="<f4").view(np.uint8)
    width = filled.shape[1] // 3 * 4
    text = bytearray(binascii.b2a_base64(filled.data, newline=False))
    if padding:
        np.frombuffer(text, dtype=np.uint8).reshape(n, width)[:, -padding:] = ord("=")
    return text.decode("ascii"), width


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
