"""Matrix products on one core, near its multiply-add peak also for the few rows of one time step.

A library's product copies its right factor into panels at each call, which for the twenty rows of a batch costs more
than the product itself. Here the right factor is packed once for all steps that use it.

Packed, a matrix [K, N] is cut into panels of ``PANEL`` columns, each stored as [K, PANEL]. The columns that are left
become panels of ``LANES`` columns, the last of them filled up with zeros. A tile of up to ``TILE_ROWS`` rows by one panel is held in
registers while its K products are added up: tall and narrow, so that a thread's few rows pass over the weights once. What
a tile is added to is asked for before its loop and met after it. Everything is written once as LLVM vector code and lowered for the machine at hand.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils as untyped_cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from trainer.engines import emission
from trainer.engines.emission import HAS_32_WIDE_REGISTERS, LANES, call, splat, turn
from trainer.engines.language.compiled import compiled

cgutils: Any = untyped_cgutils
untyped_types: Any = types
TILE_ROWS, TILE_VECTORS = (10, 2) if HAS_32_WIDE_REGISTERS else (6, 1)
NARROW_ROWS = 5
PANEL = TILE_VECTORS * LANES
DEPTH = 704  # rows of a panel that are multiplied at a time: the rows of a tile beside them stay in the first cache
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


def _multiply_panel(
    width: int,
    rows: int,
    a: Any,
    a_row: int,
    a_item: int,
    a_piece: int,
    panel: Any,
    out: Any,
    out_row: int,
    count: int,
    pieces: int,
    keep: int,
) -> None:
    """``out += a · panel`` for a panel of ``width`` columns, or ``out = a · panel`` where ``keep`` is 0.

    ``a``, ``panel`` and ``out`` are pointers, ``a_row``, ``a_item``, ``a_piece`` and ``out_row`` distances in bytes. ``a`` comes
    in ``pieces`` of ``count`` columns, ``a_piece`` from one to the next; the panel's rows follow each other through all of them.
    """
    first = 0
    while first < rows:
        at, to = move(a, first * a_row), move(out, first * out_row)
        if width == PANEL:
            tiles = -(-(rows - first) // TILE_ROWS)
            height = (rows - first) // tiles  # as high as those that follow, or nearly so
            _multiply_tile(
                TILE_VECTORS, height, at, a_row, a_item, a_piece, panel, to, out_row, count, pieces, keep
            )
        else:
            height = NARROW_ROWS if rows - first >= NARROW_ROWS else 1
            _multiply_tile(1, height, at, a_row, a_item, a_piece, panel, to, out_row, count, pieces, keep)
        first += height


# One signature: the sizes and distances that callers have are of several integer types.
_SIZE = types.int64
_FACTORS = (POINTER, _SIZE, _SIZE, _SIZE, POINTER)
multiply_panel = compiled(
    _multiply_panel, types.void(_SIZE, _SIZE, *_FACTORS, POINTER, _SIZE, _SIZE, _SIZE, _SIZE)
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
def panel_count(columns: int) -> int:
    """The number of panels of ``columns`` columns."""
    return columns // PANEL + -(-(columns % PANEL) // LANES)


@compiled
def panel_start(columns: int, panel: int) -> int:
    """The column that the panel of that number begins with."""
    wide = columns // PANEL
    return min(panel, wide) * PANEL + max(panel - wide, 0) * LANES


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
def multiply_add(
    a: NDArray[np.float32], packed: NDArray[np.float32], out: NDArray[np.float32], keep: int = 1
) -> None:
    """``out += a · B``: ``a`` [M, K] of any layout, B [K, N] as ``pack`` left it, ``out`` [M, N] with whole rows.

    ``out = a · B`` where ``keep`` is 0.
    """
    rows, depth = a.shape
    columns = out.shape[1]
    a_row, a_item, out_row = a.strides[0], a.strides[1], out.strides[0]
    whole = columns // LANES * LANES
    edge = np.zeros((rows, LANES if whole < columns else 0), np.float32)
    kept = keep
    parts = -(-depth // DEPTH)
    for part in range(parts):
        first, last = depth * part // parts, depth * (part + 1) // parts
        count = last - first
        left = move(point(a, 0), first * a_item)
        start = 0
        while start < columns:
            width = panel_width(columns, start)
            panel = point(packed, start * depth + first * width)
            if start + width <= columns:
                to = move(point(out, 0), 4 * start)
                multiply_panel(width, rows, left, a_row, a_item, 0, panel, to, out_row, count, 1, keep)
            else:  # the filling has no place in out
                to = point(edge, 0)
                multiply_panel(width, rows, left, a_row, a_item, 0, panel, to, 4 * LANES, count, 1, 1)
            start += width
        keep = 1
    for i in range(rows):
        for j in range(columns - whole):
            out[i, whole + j] = edge[i, j] + (out[i, whole + j] if kept else 0)


@compiled
def multiply_turned(
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    rows: int,
    out: NDArray[np.float32],
    first: int,
    last: int,
    keep: int,
) -> None:
    """``out = A.T · B``, or ``+=`` with ``keep``: A [rows, M] and B [rows, N] as ``pack`` left them, ``out`` [M, N] with whole rows.

    Of the longer side of ``out``, the panels ``first`` to ``last``.
    """
    height, columns = out.shape
    tall = height > columns
    down, across = panel_count(height), panel_count(columns)
    edge = np.empty((PANEL, LANES), np.float32)
    for outer in range(first, last):
        for inner in range(across if tall else down):  # the shorter side, which stays in the second cache
            top = panel_start(height, outer if tall else inner)
            start = panel_start(columns, inner if tall else outer)
            lines, width = panel_width(height, top), panel_width(columns, start)
            filled = min(lines, height - top)
            left, right = point(a, top * rows), point(b, start * rows)
            if start + width <= columns:
                to = move(point(out, top), 4 * start)
                multiply_panel(width, filled, left, 4, 4 * lines, 0, right, to, out.strides[0], rows, 1, keep)
            else:  # the filling has no place in out
                to = point(edge, 0)
                multiply_panel(width, filled, left, 4, 4 * lines, 0, right, to, 4 * LANES, rows, 1, 0)
                for i in range(filled):
                    for j in range(columns - start):
                        out[top + i, start + j] = edge[i, j] + (out[top + i, start + j] if keep else 0)
