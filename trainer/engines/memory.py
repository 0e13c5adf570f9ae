"""Reading and writing single numbers by address, for code that walks lists of rows.

Numba counts references to every array it passes on, and an atomic count costs more than a row kernel's call;
an address is an integer and costs nothing. Nothing here checks a bound.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


def _element(builder: Any, kind: Any, size: int, address: Any, index: Any) -> Any:
    place = builder.add(address, builder.mul(index, ir.IntType(64)(size)))
    return builder.inttoptr(place, kind.as_pointer())


def _reader(kind: Any, size: int, result: Any) -> Any:
    @intrinsic
    def read(_typing: Any, _address: Any, _index: Any) -> Any:
        def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
            value = builder.load(_element(builder, kind, size, *values))
            return builder.sext(value, ir.IntType(64)) if kind == ir.IntType(32) else value

        return result(types.int64, types.int64), generate

    return read


def _writer(kind: Any, size: int, given: Any) -> Any:
    @intrinsic
    def write(_typing: Any, _address: Any, _index: Any, _value: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
            address, index, value = values
            builder.store(value, _element(builder, kind, size, address, index))
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, given), generate

    return write


read_int32 = _reader(ir.IntType(32), 4, types.int64)
read_int64 = _reader(ir.IntType(64), 8, types.int64)
read_float = _reader(ir.FloatType(), 4, types.float32)
write_int64 = _writer(ir.IntType(64), 8, types.int64)
write_float = _writer(ir.FloatType(), 4, types.float32)
