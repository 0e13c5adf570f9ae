"""What products by panels are made of: a tile of sums held in registers, a transposed square, and places in memory.

A tile has few vectors and many rows, so that a thread's few rows pass over a panel once. What the tile is added to is asked for before its
loop and met after it. Everything is written once as LLVM vector code and lowered for the machine at hand.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from trainer.engines.emission import (
    FLOAT,
    HAS_32_WIDE_REGISTERS,
    INT,
    LANE,
    LANES,
    POINTER,
    Pointer,
    cgutils,
    constant,
    kernel,
    multiply_add,
    prefetch,
    splat,
    turn,
)

TILE_ROWS, TILE_VECTORS = (10, 2) if HAS_32_WIDE_REGISTERS else (6, 1)
NARROW_ROWS = 5
AHEAD = 16  # vectors of a panel that are asked for before they are needed: no prefetcher follows it from page to page

_BYTE = ir.IntType(8)


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
    return b.bitcast(moved, FLOAT.as_pointer())


point: Any = intrinsic(_define_point)
move: Any = intrinsic(_define_move)


def _vector(b: Any, pointer: Any, v: int) -> Any:
    return b.bitcast(_move(b, pointer, INT(4 * LANES * v)), LANE.as_pointer())


@kernel
def turn_tile(b: Any, source: Pointer, source_row: Any, out: Pointer, out_row: Any) -> None:
    """``out[j, i] = source[i, j]`` for sixteen rows of sixteen: pointers, and distances in bytes."""

    def row(base: Any, distance: Any, i: int) -> Any:
        return _vector(b, _move(b, base, b.mul(distance, INT(i))), 0)

    rows = [b.load(row(source, source_row, i), align=4) for i in range(LANES)]
    for j, turned in enumerate(turn(b, rows)):
        b.store(turned, row(out, out_row, j), align=4)


@kernel
def multiply_tile(
    b: Any,
    vectors: int,
    height: Any,
    a: Pointer,
    a_row: Any,
    a_item: Any,
    a_piece: Any,
    panel: Pointer,
    out: Pointer,
    out_row: Any,
    count: Any,
    pieces: Any,
    keep: Any,
) -> None:
    """``out[i, :] += Σ_p Σ_k a[p, i, k] * panel[p, k, :]`` for ``height`` rows of ``vectors`` vectors; = where ``keep`` is 0.

    ``a_row``, ``a_item``, ``a_piece`` and ``out_row`` are distances in bytes.
    """
    item_bytes = INT(4 * LANES * vectors)

    def emit(rows: int) -> None:
        row_places = [_move(b, out, b.mul(out_row, INT(i))) for i in range(rows)]
        places = [[_vector(b, place, v) for v in range(vectors)] for place in row_places]
        sums = [[cgutils.alloca_once(b, LANE) for _ in range(vectors)] for _ in range(rows)]
        for i in range(rows):
            for v in range(vectors):
                b.store(constant(0.0), sums[i][v])
                _ask_for(b, places[i][v], is_written=True)
        with cgutils.for_range(b, pieces) as piece:
            left = _move(b, a, b.mul(piece.index, a_piece))
            right = _move(b, panel, b.mul(b.mul(piece.index, count), item_bytes))
            with cgutils.for_range(b, count) as loop:
                item = _move(b, right, b.mul(loop.index, item_bytes))
                lanes = [b.load(_vector(b, item, v), align=4) for v in range(vectors)]
                for v in range(vectors):
                    _ask_for(b, _vector(b, item, AHEAD + v))
                here = _move(b, left, b.mul(loop.index, a_item))
                _ask_for(b, _move(b, here, b.mul(a_item, INT(AHEAD // 2))))
                for i in range(rows):
                    factor = splat(b, b.load(_move(b, here, b.mul(a_row, INT(i)))))
                    for v in range(vectors):
                        b.store(multiply_add(b, factor, lanes[v], b.load(sums[i][v])), sums[i][v])
        with b.if_then(b.icmp_signed("!=", keep, INT(0))):
            for i in range(rows):
                for v in range(vectors):
                    b.store(b.fadd(b.load(sums[i][v]), b.load(places[i][v], align=4)), sums[i][v])
        for i in range(rows):
            for v in range(vectors):
                b.store(b.load(sums[i][v]), places[i][v], align=4)

    after = b.append_basic_block("after")
    heights = b.switch(height, after)
    for rows in _heights(vectors):
        block = b.append_basic_block(f"rows.{rows}")
        heights.add_case(INT(rows), block)
        b.position_at_end(block)
        emit(rows)
        b.branch(after)
    b.position_at_end(after)


def _heights(vectors: int) -> list[int]:
    """The rows a tile may have: of a narrow panel, of which a matrix has few, one or many."""
    return list(range(1, TILE_ROWS + 1)) if vectors == TILE_VECTORS else [1, NARROW_ROWS]


def _ask_for(b: Any, pointer: Any, *, is_written: bool = False) -> None:
    prefetch(b, b.bitcast(pointer, _BYTE.as_pointer()), is_written=is_written)
