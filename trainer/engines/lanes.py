"""Row kernels on sixteen float32 lanes, written once as LLVM vector code and lowered by LLVM for the machine at hand.

A row is a run of float32 padded with zeros to a multiple of sixteen; `vectors` counts its sixteens.
Rows are named by address, and the rows of a kernel by an array of addresses (int64), so that the same kernel
reads a table at scattered places, a buffer in order, or one row of zeros standing in for "no word here".
LLVM splits <16 x float> into two AVX2 registers or four NEON ones; nothing here names an instruction set
but the tile shape, which keeps the accumulators of a product within the registers there are.

Every kernel has a NumPy twin in tests/engines/twins.py. Nothing here checks a bound: callers own the memory.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils as untyped
from numba.extending import intrinsic

cgutils: Any = untyped

LANES = 16
ROW_BYTES = 4 * LANES  # of one vector
HAS_32_WIDE_REGISTERS = bool(llvm.get_host_cpu_features().get("avx512f", False))
TILE_ROWS, TILE_VECTORS = (
    (4, 4) if HAS_32_WIDE_REGISTERS else (2, 3)
)  # accumulators, some registers left over
SCORE_ROWS = 16 if HAS_32_WIDE_REGISTERS else 4

_FLOAT = ir.FloatType()
_LANE = ir.VectorType(_FLOAT, LANES)
_INT = ir.IntType(64)


# ---- how a kernel is written: addresses are 64-bit integers, lanes are values ----


def _at(builder: Any, base: Any, index: Any, size: int) -> Any:
    """The address ``base + index * size``; `index` is a Python int or a 64-bit value."""
    if isinstance(index, int):
        return builder.add(base, _INT(index * size))
    return builder.add(base, builder.mul(index, _INT(size)))


def _load(builder: Any, address: Any, vector: int = 0) -> Any:
    pointer = builder.inttoptr(_at(builder, address, vector, ROW_BYTES), _LANE.as_pointer())
    return builder.load(pointer, align=4)


def _store(builder: Any, value: Any, address: Any, vector: int = 0) -> None:
    pointer = builder.inttoptr(_at(builder, address, vector, ROW_BYTES), _LANE.as_pointer())
    builder.store(value, pointer, align=4)


def _scalar(builder: Any, address: Any, kind: Any = _FLOAT) -> Any:
    return builder.load(builder.inttoptr(address, kind.as_pointer()))


def _splat(builder: Any, value: Any) -> Any:
    one = builder.insert_element(ir.Constant(_LANE, ir.Undefined), value, ir.IntType(32)(0))
    return builder.shuffle_vector(
        one, ir.Constant(_LANE, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    )


def _constant(value: float) -> Any:
    return ir.Constant(_LANE, [ir.Constant(_FLOAT, value)] * LANES)


def _equal_lanes(builder: Any, ids: Any, token_id: Any) -> Any:
    kind = ir.VectorType(ir.IntType(32), LANES)
    here = builder.load(builder.inttoptr(ids, kind.as_pointer()), align=4)
    wanted = builder.trunc(token_id, ir.IntType(32))
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), wanted, ir.IntType(32)(0))
    every = builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), ir.Constant(kind, [0] * LANES))
    return builder.icmp_signed("==", here, every)


def _call(builder: Any, name: str, result: Any, arguments: list[Any], flags: tuple[str, ...] = ()) -> Any:
    kind = ir.FunctionType(result, [a.type for a in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments, fastmath=flags)


def _multiply_add(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """``a * b + c``, fused where the machine has it."""
    return _call(builder, "llvm.fmuladd.v16f32", _LANE, [a, b, c])


def _accumulator(builder: Any) -> Any:
    """A stack slot of lanes, set to zero here; LLVM turns it into a register."""
    slot = cgutils.alloca_once(builder, _LANE)
    builder.store(_constant(0.0), slot)
    return slot


def _kernel(emit: Callable[..., None]) -> Any:
    """Make ``emit(builder, *arguments)`` callable from Numba.

    Parameters annotated ``int`` are shapes: constants in the calling code, unrolled here. All others come as LLVM
    values: ``float`` as float32, the rest (addresses, counts) as 64-bit integers.
    """
    names = list(inspect.signature(emit).parameters)[1:]
    shapes = {name for name in names if emit.__annotations__[name] == "int"}
    kind = {name: types.float32 if emit.__annotations__[name] == "float" else types.int64 for name in names}

    def define(_typing: Any, *arguments: Any) -> Any:
        given = dict(zip(names, arguments, strict=True))
        fixed = {name: given[name].literal_value for name in shapes}
        signature = types.void(*[given[name] if name in shapes else kind[name] for name in names])

        def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
            emit(builder, **dict(zip(names, values, strict=True)) | fixed)
            return context.get_dummy_value()

        return signature, generate

    define.__name__, define.__doc__ = emit.__name__, emit.__doc__
    parameters = [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in ("_typing", *names)]
    setattr(define, "__signature__", inspect.Signature(parameters))  # noqa: B010  (mypy: no such attribute)
    return intrinsic(prefer_literal=True)(define)


@_kernel
def multiply_tile(
    b: Any,
    keep: int,
    rows: int,
    width: int,
    a: Any,
    a_row: Any,
    a_item: Any,
    out: Any,
    items: Any,
    count: Any,
    at: Any,
) -> None:
    """``out[i][at:at+width] += sum_k a[i, k] * items[k][at:at+width]`` for `rows` output rows, at in bytes; = without `keep`."""
    sums = [[_accumulator(b) for _ in range(width)] for _ in range(rows)]
    with cgutils.for_range(b, count) as loop:
        item = b.add(_scalar(b, _at(b, items, loop.index, 8), _INT), at)
        lanes = [_load(b, item, v) for v in range(width)]
        here = b.add(a, b.mul(loop.index, a_item))
        for i in range(rows):
            factor = _splat(b, _scalar(b, b.add(here, b.mul(a_row, _INT(i)))))
            for v in range(width):
                b.store(_multiply_add(b, factor, lanes[v], b.load(sums[i][v])), sums[i][v])
    for i in range(rows):  # one row after the other: the same row may stand in the list twice
        row = b.add(_scalar(b, _at(b, out, i, 8), _INT), at)
        for v in range(width):
            total = b.load(sums[i][v])
            _store(b, b.fadd(_load(b, row, v), total) if keep else total, row, v)


@_kernel
def window_panel(
    b: Any, width: int, keep: int, window: Any, source: Any, out: Any, scale: Any, count: Any, at: Any
) -> None:
    """Triangular window sums of `count` rows, by two running sums; see :func:`add_windows`."""
    total = [_accumulator(b) for _ in range(width)]
    slope = [_accumulator(b) for _ in range(width)]

    def lanes(index: Any) -> list[Any]:
        row = b.add(_scalar(b, _at(b, source, index, 8), _INT), at)
        return [_load(b, row, v) for v in range(width)]

    with cgutils.for_range(b, b.add(window, _INT(1))) as loop:  # sums of the first row, from scratch
        i = loop.index
        height = b.uitofp(b.add(i, _INT(1)), _FLOAT)
        left, right = lanes(b.sub(i, window)), lanes(b.sub(b.add(window, _INT(1)), i))
        tall, less = _splat(b, height), _splat(b, b.uitofp(i, _FLOAT))
        for v in range(width):
            both = _multiply_add(b, less, right[v], b.load(total[v]))
            b.store(_multiply_add(b, tall, left[v], both), total[v])
            b.store(b.fadd(b.load(slope[v]), b.fsub(right[v], left[v])), slope[v])
    peak = b.fneg(_splat(b, b.uitofp(b.add(window, _INT(1)), _FLOAT)))
    with cgutils.for_range(b, count) as loop:
        i = loop.index
        here, after = lanes(i), lanes(b.add(i, _INT(1)))
        enters, leaves = lanes(b.add(i, b.add(window, _INT(2)))), lanes(b.sub(i, window))
        factor = _splat(b, _scalar(b, _at(b, scale, i, 4)))
        row = b.add(_scalar(b, _at(b, out, i, 8), _INT), at)
        for v in range(width):
            around = _multiply_add(b, peak, here[v], b.load(total[v]))
            _store(
                b,
                _multiply_add(b, factor, around, _load(b, row, v)) if keep else b.fmul(factor, around),
                row,
                v,
            )
            b.store(b.fadd(b.load(total[v]), b.load(slope[v])), total[v])
            change = _multiply_add(b, _constant(-2.0), after[v], b.fadd(enters[v], leaves[v]))
            b.store(b.fadd(b.load(slope[v]), change), slope[v])


@_kernel
def scale_row(b: Any, keep: int, vectors: Any, factor: float, source: Any, out: Any) -> None:
    """``out = factor * source``, or ``out += factor * source`` with `keep`."""
    factor = _splat(b, factor)
    with cgutils.for_range(b, vectors) as loop:
        here, there = _at(b, source, loop.index, ROW_BYTES), _at(b, out, loop.index, ROW_BYTES)
        value = _load(b, here)
        _store(b, _multiply_add(b, factor, value, _load(b, there)) if keep else b.fmul(factor, value), there)


@_kernel
def dot_row(b: Any, vectors: Any, left: Any, right: Any, out: Any) -> None:
    """``out[0] = sum(left * right)``."""
    total = _accumulator(b)
    with cgutils.for_range(b, vectors) as loop:
        here, there = _at(b, left, loop.index, ROW_BYTES), _at(b, right, loop.index, ROW_BYTES)
        b.store(_multiply_add(b, _load(b, here), _load(b, there), b.load(total)), total)
    start = ir.Constant(_FLOAT, -0.0)
    value = _call(b, "llvm.vector.reduce.fadd.v16f32", _FLOAT, [start, b.load(total)], ("reassoc",))
    b.store(value, b.inttoptr(out, _FLOAT.as_pointer()))


@_kernel
def transpose_tile(b: Any, source: Any, at: Any, out: Any) -> None:
    """Sixteen lanes of sixteen rows, turned: ``out[j, i] = source[i][at + j]``; out is contiguous."""
    rows = [_load(b, b.add(_scalar(b, _at(b, source, i, 8), _INT), at)) for i in range(LANES)]
    index = ir.VectorType(ir.IntType(32), LANES)
    step = 1
    while step < LANES:  # swap the off-diagonal step x step blocks of every pair of rows
        low = ir.Constant(index, [j if not j & step else j - step + LANES for j in range(LANES)])
        high = ir.Constant(index, [j + step if not j & step else j + LANES for j in range(LANES)])
        for i in range(LANES):
            if not i & step:
                top, bottom = rows[i], rows[i + step]
                rows[i] = b.shuffle_vector(top, bottom, low)
                rows[i + step] = b.shuffle_vector(top, bottom, high)
        step *= 2
    for j in range(LANES):
        _store(b, rows[j], out, j)


@_kernel
def prefetch_row(b: Any, vectors: Any, row: Any) -> None:
    """Ask for a row that will be read and written soon."""
    flag = ir.IntType(32)
    with cgutils.for_range(b, vectors) as loop:
        line = b.inttoptr(_at(b, row, loop.index, ROW_BYTES), ir.IntType(8).as_pointer())
        _call(b, "llvm.prefetch.p0", ir.VoidType(), [line, flag(0), flag(3), flag(1)])


def _match_lanes(_typing: Any, _ids: Any, _token_id: Any) -> Any:

    def generate(_context: Any, b: Any, _signature: Any, values: Any) -> Any:
        mask = b.bitcast(_equal_lanes(b, *values), ir.IntType(LANES))
        return b.zext(mask, _INT)

    return types.int64(types.int64, types.int64), generate


match_lanes: Callable[..., Any] = intrinsic(_match_lanes)
"""Which of the sixteen int32 at address `ids` are `token_id`: bit k of the result is lane k."""


# sigmoid(x) = 1/2 + x P(x²) / Q(x²) on |x| <= 16, a minimax fit: absolute error below 2e-7 in float32
_SIGMOID_REACH = 16.0
_SIGMOID_P = (
    0.2499999850988388,
    0.008398872800171375,
    5.569004497374408e-05,
    8.505216442245e-08,
    1.4708942397412272e-11,
)
_SIGMOID_Q = (1.0, 0.11692879348993301, 0.0016335025429725647, 5.311234872351633e-06, 3.3022353740363997e-09)


@_kernel
def sigmoid_row(b: Any, masked: int, factor: float, ids: Any, excluded: Any, row: Any) -> None:
    """``row = factor * sigmoid(row)`` for one vector; with `masked`, 0 where ``ids == excluded`` (int32 lanes)."""
    x = _load(b, row)
    for name, bound in (("llvm.minnum.v16f32", _SIGMOID_REACH), ("llvm.maxnum.v16f32", -_SIGMOID_REACH)):
        x = _call(b, name, _LANE, [x, _constant(bound)])
    square = b.fmul(x, x)
    top, bottom = _constant(_SIGMOID_P[-1]), _constant(_SIGMOID_Q[-1])
    for p, q in zip(_SIGMOID_P[-2::-1], _SIGMOID_Q[-2::-1], strict=True):
        top, bottom = (
            _multiply_add(b, top, square, _constant(p)),
            _multiply_add(b, bottom, square, _constant(q)),
        )
    value = b.fmul(_splat(b, factor), b.fadd(_constant(0.5), b.fdiv(b.fmul(x, top), bottom)))
    if masked:
        value = b.select(_equal_lanes(b, ids, excluded), _constant(0.0), value)
    _store(b, value, row)
