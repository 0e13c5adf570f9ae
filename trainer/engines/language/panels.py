"""Matrix products on one core, near its multiply-add peak also for the few rows of one time step.

A library's product copies its right factor into panels at each call, which for the twenty rows of a batch costs more
than the product itself. Here the right factor is packed once for all steps that use it.

Packed, a matrix [K, N] is cut into panels of ``PANEL`` columns, each stored as [K, PANEL]. The columns that are left
become panels of ``LANES`` columns, the last of them filled up with zeros. A tile of ``TILE_ROWS`` rows by one panel is held in registers
while its K products are added up. Everything is written once as LLVM vector code and lowered for the machine at hand.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils as untyped_cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from trainer.engines.emission import turn
from trainer.engines.language.compiled import compiled

cgutils: Any = untyped_cgutils
untyped_types: Any = types
LANES = 16
HAS_32_WIDE_REGISTERS = bool(binding.get_host_cpu_features().get("avx512f", False))
TILE_ROWS, TILE_VECTORS = (5, 5) if HAS_32_WIDE_REGISTERS else (6, 1)
PANEL = TILE_VECTORS * LANES
DEPTH = 512  # rows of a panel that are used for all rows of the left factor in turn: they stay in the second cache

POINTER = untyped_types.CPointer(types.float32)

_BYTE = ir.IntType(8)
_FLOAT = ir.FloatType()
_INT = ir.IntType(64)
_LANE = ir.VectorType(_FLOAT, LANES)
_FMA = ir.FunctionType(_LANE, [_LANE, _LANE, _LANE])


# Pointers stay pointers. An address that is made an integer, added to and made a pointer again is right in the function
# that does so, but not where Numba puts this function into another after LLVM has prepared it for its own code: the sum's
# summands may then have changed places, and what is 0 there is taken for a null pointer.


def _define_point(_typing: Any, array: Any, start: Any) -> Any:
    """The place of the element ``start`` of a flat ``array``, or of the first element of its row ``start``."""
    del start

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = signature.args[0]
        view = context.make_array(kind)(context, builder, values[0])
        stride = cgutils.unpack_tuple(builder, view.strides, kind.ndim)[0]
        return _move(builder, view.data, builder.mul(values[1], stride))

    return POINTER(array, types.int64), generate


def _define_move(_typing: Any, pointer: Any, distance: Any) -> Any:
    """``pointer`` and a ``distance`` in bytes."""
    del pointer, distance

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return _move(builder, *values)

    return POINTER(POINTER, types.int64), generate


def _move(b: Any, pointer: Any, distance: Any) -> Any:
    moved = b.gep(b.bitcast(pointer, _BYTE.as_pointer()), [distance])
    return b.bitcast(moved, _FLOAT.as_pointer())


point: Any = intrinsic(_define_point)
move: Any = intrinsic(_define_move)


def _define_tile(
    _typing: Any,
    rows: Any,
    vectors: Any,
    a: Any,
    a_row: Any,
    a_item: Any,
    panel: Any,
    out: Any,
    out_row: Any,
    count: Any,
) -> Any:
    """``out[i, :] += Σ_k a[i, k] * panel[k, :]`` for ``rows`` rows of ``vectors`` vectors.

    ``a``, ``panel`` and ``out`` are pointers, ``a_row``, ``a_item`` and ``out_row`` distances in bytes.
    """
    del a, a_row, a_item, panel, out, out_row, count
    int64 = types.int64
    signature = types.void(rows, vectors, POINTER, int64, int64, POINTER, POINTER, int64, int64)

    def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        _emit_tile(builder, rows.literal_value, vectors.literal_value, *values[2:])
        return context.get_dummy_value()

    return signature, generate


_multiply_tile: Any = intrinsic(prefer_literal=True)(_define_tile)


def _define_turn(_typing: Any, source: Any, source_row: Any, out: Any, out_row: Any) -> Any:
    """``out[j, i] = source[i, j]`` for sixteen rows of sixteen: pointers, and distances in bytes."""
    del source, source_row, out, out_row

    def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        _emit_turn(builder, *values)
        return context.get_dummy_value()

    return types.void(POINTER, types.int64, POINTER, types.int64), generate


_turn_tile: Any = intrinsic(_define_turn)


def _vector(b: Any, pointer: Any, v: int) -> Any:
    return b.bitcast(_move(b, pointer, _INT(4 * LANES * v)), _LANE.as_pointer())


def _emit_turn(b: Any, source: Any, source_row: Any, out: Any, out_row: Any) -> None:
    def row(base: Any, distance: Any, i: int) -> Any:
        return _vector(b, _move(b, base, b.mul(distance, _INT(i))), 0)

    rows = [b.load(row(source, source_row, i), align=4) for i in range(LANES)]
    for j, turned in enumerate(turn(b, rows)):
        b.store(turned, row(out, out_row, j), align=4)


def _emit_tile(
    b: Any,
    rows: int,
    vectors: int,
    a: Any,
    a_row: Any,
    a_item: Any,
    panel: Any,
    out: Any,
    out_row: Any,
    count: Any,
) -> None:
    fma = cgutils.get_or_insert_function(b.module, _FMA, "llvm.fmuladd.v16f32")
    undefined = ir.Constant(_LANE, ir.Undefined)
    everywhere = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    rows_out = [_move(b, out, b.mul(out_row, _INT(i))) for i in range(rows)]
    sums = [[cgutils.alloca_once(b, _LANE) for _ in range(vectors)] for _ in range(rows)]
    for i in range(rows):
        for v in range(vectors):
            b.store(b.load(_vector(b, rows_out[i], v), align=4), sums[i][v])
    with cgutils.for_range(b, count) as loop:
        item = _move(b, panel, b.mul(loop.index, _INT(4 * LANES * vectors)))
        lanes = [b.load(_vector(b, item, v), align=4) for v in range(vectors)]
        here = _move(b, a, b.mul(loop.index, a_item))
        for i in range(rows):
            factor = b.load(_move(b, here, b.mul(a_row, _INT(i))))
            one = b.insert_element(undefined, factor, ir.IntType(32)(0))
            factor = b.shuffle_vector(one, undefined, everywhere)
            for v in range(vectors):
                b.store(b.call(fma, [factor, lanes[v], b.load(sums[i][v])]), sums[i][v])
    for i in range(rows):
        for v in range(vectors):
            b.store(b.load(sums[i][v]), _vector(b, rows_out[i], v), align=4)


def _multiply_panel(
    width: int, rows: int, a: Any, a_row: int, a_item: int, panel: Any, out: Any, out_row: int, count: int
) -> None:
    """``out += a · panel`` for a panel of ``width`` columns: pointers, and distances in bytes."""
    i = 0
    if width == PANEL:
        while i + TILE_ROWS <= rows:
            at, to = move(a, i * a_row), move(out, i * out_row)
            _multiply_tile(TILE_ROWS, TILE_VECTORS, at, a_row, a_item, panel, to, out_row, count)
            i += TILE_ROWS
        while i < rows:
            at, to = move(a, i * a_row), move(out, i * out_row)
            _multiply_tile(1, TILE_VECTORS, at, a_row, a_item, panel, to, out_row, count)
            i += 1
    else:
        while i + TILE_ROWS <= rows:
            at, to = move(a, i * a_row), move(out, i * out_row)
            _multiply_tile(TILE_ROWS, 1, at, a_row, a_item, panel, to, out_row, count)
            i += TILE_ROWS
        while i < rows:
            at, to = move(a, i * a_row), move(out, i * out_row)
            _multiply_tile(1, 1, at, a_row, a_item, panel, to, out_row, count)
            i += 1


# One signature: the sizes and distances that callers have are of several integer types.
_SIZE = types.int64
multiply_panel = compiled(
    _multiply_panel,
    types.void(_SIZE, _SIZE, POINTER, _SIZE, _SIZE, POINTER, POINTER, _SIZE, _SIZE),
)


@compiled
def packed_width(columns: int) -> int:
    """The number of columns with their filling."""
    return -(-columns // LANES) * LANES


@compiled
def panel_width(columns: int, start: int) -> int:
    """The width of the panel that begins at column ``start`` of ``columns``."""
    return PANEL if start + PANEL <= columns else LANES


@compiled
def pack(matrix: NDArray[np.float32], packed: NDArray[np.float32], first: int, last: int) -> None:
    """Write columns ``first`` to ``last`` of ``matrix`` [K, N], of any layout, to ``packed`` [K * packed_width(N)].

    ``first`` is a multiple of ``PANEL``, and so is ``last`` unless it is N: threads can share the work.
    """
    depth, columns = matrix.shape
    is_turned = matrix.strides[0] < matrix.strides[1]
    lines = matrix.T  # its rows are what is contiguous where the matrix is a transposed view
    for begin in range(0, depth, LANES):  # few rows at a time, so that memory is read in order
        end = min(begin + LANES, depth)
        start = first
        while start < last:
            width = panel_width(columns, start)
            filled = min(width, columns - start)
            panel = packed[start * depth : (start + width) * depth].reshape(depth, width)
            done = 0
            if is_turned and end - begin == LANES:
                while done + LANES <= filled:
                    source = move(point(lines, start + done), 4 * begin)
                    _turn_tile(source, lines.strides[0], move(point(panel, begin), 4 * done), 4 * width)
                    done += LANES
            for k in range(begin, end):
                for j in range(done, filled):
                    panel[k, j] = matrix[k, start + j]
                for j in range(filled, width):
                    panel[k, j] = 0
            start += width


@compiled
def multiply_add(a: NDArray[np.float32], packed: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """``out += a · B``: ``a`` [M, K] of any layout, B [K, N] as ``pack`` left it, ``out`` [M, N] with whole rows."""
    rows, depth = a.shape
    columns = out.shape[1]
    a_row, a_item, out_row = a.strides[0], a.strides[1], out.strides[0]
    whole = columns // LANES * LANES
    edge = np.zeros((rows, LANES if whole < columns else 0), np.float32)
    for first in range(0, depth, DEPTH):
        count = min(DEPTH, depth - first)
        left = move(point(a, 0), first * a_item)
        start = 0
        while start < columns:
            width = panel_width(columns, start)
            panel = point(packed, start * depth + first * width)
            if start + width <= columns:
                to = move(point(out, 0), 4 * start)
                multiply_panel(width, rows, left, a_row, a_item, panel, to, out_row, count)
            else:  # the filling has no place in out
                multiply_panel(width, rows, left, a_row, a_item, panel, point(edge, 0), 4 * LANES, count)
            start += width
    for i in range(rows):
        for j in range(columns - whole):
            out[i, whole + j] += edge[i, j]
