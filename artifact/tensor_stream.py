"""A safetensors file whose largest tensor comes a block of rows at a time, its length not known before it ends."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from artifact.errors import InputError
from artifact.weights import encode_header, order_tensors, write_array

_BLOCK_BYTES = 8 << 20


class TensorStream:
    """Writes to ``path`` the tensor ``name`` [rows, columns] and, ``beside`` it, tensors of one element a row.

    The bytes are those of ``write_tensors``. ``expected`` rows is a guess: where it is right, each row is written once;
    where it is not, all rows are moved within the file at the end. The elements beside must not be narrower than those
    of the rows, nor their names come after it, which puts the rows last. A context manager that closes the file.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        *,
        columns: int,
        dtype: np.dtype[Any],
        beside: Mapping[str, np.dtype[Any]],
        expected: int = 0,
    ) -> None:
        self.rows = 0
        self._name = name
        self._columns = columns
        self._dtype = dtype
        self._beside = dict(beside)
        self._order = order_tensors({**self._beside, name: dtype})
        if self._order[-1] != name:
            raise InputError(f"tensor {name}: its elements are wider than those of {self._order[-1]}")
        self._start = self._find_start(expected)
        self._file: BinaryIO = path.open("wb+")
        self._file.seek(self._start)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, rows: NDArray[Any]) -> None:
        """Add ``rows`` [n, columns], whose elements are of the stream's type."""
        if rows.shape[1:] != (self._columns,) or rows.dtype != self._dtype:
            raise InputError(
                f"tensor {self._name}: rows {rows.shape} of {rows.dtype} are not {self._columns} of {self._dtype}"
            )
        write_array(self._file, rows)
        self.rows += len(rows)

    def finish(self, beside: Mapping[str, NDArray[Any]]) -> None:
        """Write the header and the tensors ``beside``, each [rows], and fsync."""
        found = {name: (array.dtype, array.shape) for name, array in beside.items()}
        if found != {name: (dtype, (self.rows,)) for name, dtype in self._beside.items()}:
            raise InputError(f"tensor {self._name}: {found} does not fit beside {self.rows} rows")
        start = self._find_start(self.rows)
        length = self.rows * self._columns * self._dtype.itemsize
        _move(self._file, source=self._start, target=start, length=length)
        self._file.seek(0)
        self._file.write(self._encode_header(self.rows))
        for name in self._order[:-1]:
            write_array(self._file, beside[name])
        self._file.truncate(start + length)
        self._file.flush()
        os.fsync(self._file.fileno())

    def _encode_header(self, rows: int) -> bytes:
        shapes: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {
            name: (self._beside[name], (rows,)) for name in self._order[:-1]
        }
        return encode_header({**shapes, self._name: (self._dtype, (rows, self._columns))})

    def _find_start(self, rows: int) -> int:
        return len(self._encode_header(rows)) + rows * sum(dtype.itemsize for dtype in self._beside.values())


def _move(file: BinaryIO, *, source: int, target: int, length: int) -> None:
    """Move bytes within a file, also where the places overlap."""
    steps = range(0, length, _BLOCK_BYTES)
    if source == target:
        return
    for offset in steps if target < source else reversed(steps):
        file.seek(source + offset)
        block = file.read(min(_BLOCK_BYTES, length - offset))
        file.seek(target + offset)
        file.write(block)
