"""What products by panels are made of: a tile of sums held in registers, a transposed square, and places in memory.

A tile has few vectors and many rows, so that a thread's few rows pass over a panel once. What the tile is added to is asked for before its
loop and met after it. Everything is written once as LLVM vector code and lowered for the machine at hand.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils as untyped_cgutils
from numba.extending import intrinsic

from trainer.engines import emission
from trainer.engines.emission import HAS_32_WIDE_REGISTERS, LANES, call, splat, turn

cgutils: Any = untyped_cgutils
untyped_types: Any = types
TILE_ROWS, TILE_VECTORS = (10, 2) if HAS_32_WIDE_REGISTERS else (6, 1)
NARROW_ROWS = 5
AHEAD = 16  # vectors of a panel that are asked for before they are needed: no prefetcher follows it from page to page

POINTER = untyped_types.CPointer(types.float32)

_BYTE = ir.IntType(8)
_FLOAT = ir.FloatType()
_INT = ir.IntType(64)
_LANE = ir.VectorType(_FLOAT, LANES)


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
    vectors: Any,
    height: Any,
    a: Any,
    a_row: Any,
    a_item: Any,
    a_piece: Any,
    panel: Any,
    out: Any,
    out_row: Any,
    count: Any,
    pieces: Any,
    keep: Any,
) -> Any:
    """``out[i, :] += Σ_p Σ_k a[p, i, k] * panel[p, k, :]`` for 1 to ``TILE_ROWS`` rows of ``vectors`` vectors.

    ``a``, ``panel`` and ``out`` are pointers, ``a_row``, ``a_item``, ``a_piece`` and ``out_row`` distances in bytes.
    """
    del height, a, a_row, a_item, a_piece, panel, out, out_row, count, pieces, keep
    int64 = types.int64
    factors = (POINTER, int64, int64, int64, POINTER)
    signature = types.void(vectors, int64, *factors, POINTER, int64, int64, int64, int64)

    def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        after = builder.append_basic_block("after")
        heights = builder.switch(values[1], after)
        for height in _heights(vectors.literal_value):
            block = builder.append_basic_block(f"rows.{height}")
            heights.add_case(_INT(height), block)
            builder.position_at_end(block)
            _emit_tile(builder, vectors.literal_value, height, *values[2:])
            builder.branch(after)
        builder.position_at_end(after)
        return context.get_dummy_value()

    return signature, generate


def _heights(vectors: int) -> list[int]:
    """The rows a tile may have: of a narrow panel, of which a matrix has few, one or many."""
    return list(range(1, TILE_ROWS + 1)) if vectors == TILE_VECTORS else [1, NARROW_ROWS]


multiply_tile: Any = intrinsic(prefer_literal=True)(_define_tile)


def _define_turn(_typing: Any, source: Any, source_row: Any, out: Any, out_row: Any) -> Any:
    """``out[j, i] = source[i, j]`` for sixteen rows of sixteen: pointers, and distances in bytes."""
    del source, source_row, out, out_row

    def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        _emit_turn(builder, *values)
        return context.get_dummy_value()

    return types.void(POINTER, types.int64, POINTER, types.int64), generate


turn_tile: Any = intrinsic(_define_turn)


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
    vectors: int,
    rows: int,
    a: Any,
    a_row: Any,
    a_item: Any,
    a_piece: Any,
    panel: Any,
    out: Any,
    out_row: Any,
    count: Any,
    pieces: Any,
    keep: Any,
) -> None:
    places = [
        [_vector(b, _move(b, out, b.mul(out_row, _INT(i))), v) for v in range(vectors)] for i in range(rows)
    ]
    sums = [[cgutils.alloca_once(b, _LANE) for _ in range(vectors)] for _ in range(rows)]
    for i in range(rows):
        for v in range(vectors):
            b.store(ir.Constant(_LANE, [0.0] * LANES), sums[i][v])
            _prefetch(b, places[i][v], is_written=True)
    item_bytes = _INT(4 * LANES * vectors)
    with cgutils.for_range(b, pieces) as piece:
        left = _move(b, a, b.mul(piece.index, a_piece))
        right = _move(b, panel, b.mul(b.mul(piece.index, count), item_bytes))
        with cgutils.for_range(b, count) as loop:
            item = _move(b, right, b.mul(loop.index, item_bytes))
            lanes = [b.load(_vector(b, item, v), align=4) for v in range(vectors)]
            for v in range(vectors):
                _prefetch(b, _vector(b, item, AHEAD + v))
            here = _move(b, left, b.mul(loop.index, a_item))
            _prefetch(b, _move(b, here, b.mul(a_item, _INT(AHEAD // 2))))
            for i in range(rows):
                factor = splat(b, b.load(_move(b, here, b.mul(a_row, _INT(i)))))
                for v in range(vectors):
                    b.store(emission.multiply_add(b, factor, lanes[v], b.load(sums[i][v])), sums[i][v])
    with b.if_then(b.icmp_signed("!=", keep, _INT(0))):
        for i in range(rows):
            for v in range(vectors):
                b.store(b.fadd(b.load(sums[i][v]), b.load(places[i][v], align=4)), sums[i][v])
    for i in range(rows):
        for v in range(vectors):
            b.store(b.load(sums[i][v]), places[i][v], align=4)


def _prefetch(b: Any, pointer: Any, *, is_written: bool = False) -> None:
    flag = ir.IntType(32)
    address = b.bitcast(pointer, _BYTE.as_pointer())
    call(b, "llvm.prefetch.p0", ir.VoidType(), [address, flag(int(is_written)), flag(3), flag(1)])
