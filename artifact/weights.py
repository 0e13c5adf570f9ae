"""Tensors to and from safetensors files, written in a stream and read by memory map.

The format is that of https://github.com/huggingface/safetensors: eight bytes of header length, a JSON header, then the
tensors without gaps. Reading here is stricter than the format asks for: nothing in a header is believed before it is checked.
"""

from __future__ import annotations

import json
import math
import mmap
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from artifact.errors import Corrupt, InputError

_DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_MAX_HEADER_BYTES = 16 << 20
_BLOCK_BYTES = 8 << 20
_ALIGNMENT = 64


def write_tensors(path: Path, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write ``tensors`` to ``path`` in blocks, so that mapped arrays larger than memory pass through; fsynced."""
    ordered = order_tensors({name: array.dtype for name, array in tensors.items()})
    header = encode_header({name: (tensors[name].dtype, tensors[name].shape) for name in ordered})
    with path.open("wb") as file:
        file.write(header)
        for name in ordered:
            write_array(file, tensors[name])
        file.flush()
        os.fsync(file.fileno())


def order_tensors(dtypes: Mapping[str, np.dtype[Any]]) -> list[str]:
    """The names in the order of their place: wide elements first, so that each tensor starts at a multiple of its own."""
    return sorted(dtypes, key=lambda name: (-dtypes[name].itemsize, name))


def encode_header(tensors: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]]) -> bytes:
    """The bytes before the tensors, which follow in the order given. InputError for an element type that cannot be stored."""
    header: dict[str, Any] = {}
    offset = 0
    for name, (dtype, shape) in tensors.items():
        stored = dtype.newbyteorder("<")
        if stored not in _NAMES:
            raise InputError(f"tensor {name}: element type {dtype} cannot be stored")
        end = offset + math.prod(shape) * stored.itemsize
        header[name] = {"dtype": _NAMES[stored], "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-(len(encoded) + 8) % _ALIGNMENT)
    return len(encoded).to_bytes(8, "little") + encoded


def write_array(file: BinaryIO, array: NDArray[Any]) -> None:
    """Write the elements of ``array``, little-endian, in blocks."""
    rows = array.reshape(-1)
    step = max(1, _BLOCK_BYTES // array.dtype.itemsize)
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        file.write(np.ascontiguousarray(block, dtype=array.dtype.newbyteorder("<")).data)


def map_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Every tensor of the file as a read-only array over one shared memory map; Corrupt names what is wrong."""
    size = path.stat().st_size
    with path.open("rb") as file:
        prefix = file.read(8)
        length = int.from_bytes(prefix, "little")
        if len(prefix) < 8 or length > min(_MAX_HEADER_BYTES, size - 8):
            raise Corrupt(f"{path.name}: truncated, or not a safetensors file")
        header = _parse_header(file.read(length), where=path.name)
        entries = _check_entries(header, data_bytes=size - 8 - length, where=path.name)
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    tensors: dict[str, NDArray[Any]] = {}
    for name, (dtype, shape, start) in entries.items():
        count = math.prod(shape)
        flat: NDArray[Any] = (
            np.frombuffer(mapped, dtype=dtype, count=count, offset=8 + length + start)
            if count
            else np.empty(0, dtype)
        )
        tensors[name] = flat.reshape(shape)
    return tensors


def _parse_header(data: bytes, *, where: str) -> dict[str, Any]:
    try:
        header = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Corrupt(f"{where}: the header is not JSON") from None
    if not isinstance(header, dict):
        raise Corrupt(f"{where}: the header is not a JSON object")
    header.pop("__metadata__", None)
    return header


def _is_length(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 1 << 48


def _check_entries(
    header: dict[str, Any], *, data_bytes: int, where: str
) -> dict[str, tuple[np.dtype[Any], tuple[int, ...], int]]:
    entries: dict[str, tuple[np.dtype[Any], tuple[int, ...], int]] = {}
    spans: list[tuple[int, int]] = []
    for name, entry in header.items():
        shown = f"{where}: tensor {name[:40]!a}"
        match entry:
            case {"dtype": str() as code, "shape": list() as shape, "data_offsets": [start, end]}:
                lengths = [*shape, start, end]
            case _:
                raise Corrupt(f"{shown}: the entry is malformed")
        if code not in _DTYPES or len(shape) > 8 or not all(map(_is_length, lengths)):
            raise Corrupt(f"{shown}: its element type, shape or place is not one that can be read")
        dtype = _DTYPES[code]
        if end - start != math.prod(shape) * dtype.itemsize:
            raise Corrupt(f"{shown}: its shape and its bytes do not agree")
        entries[name] = (dtype, tuple(shape), start)
        spans.append((start, end))
    position = 0
    for start, end in sorted(spans):
        if start != position:
            raise Corrupt(f"{where}: tensors overlap or leave gaps")
        position = end
    if position != data_bytes:
        raise Corrupt(f"{where}: {data_bytes} bytes of data where the header says {position}")
    return entries
