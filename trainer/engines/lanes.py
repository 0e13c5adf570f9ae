"""Row kernels on sixteen float32 lanes, written once as LLVM vector code and lowered by LLVM for the machine at hand.

A row is a run of float32 padded with zeros to a multiple of sixteen; `vectors` counts its sixteens.
Rows are named by address, and the rows of a kernel by an array of addresses (int64), so that the same kernel
reads a table at scattered places, a buffer in order, or one row of zeros standing in for "no word here".
LLVM splits <16 x float> into two AVX2 registers or four NEON ones; nothing here names an instruction set
but the tile shape, which keeps the accumulators of a product within the registers there are.

Every kernel has a NumPy twin in tests/engines/twins.py. Nothing here checks a bound: callers own the memory.
"""

from __future__ import annotations

from collections.abc import Callable
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
    ROW_BYTES,
    accumulator,
    add_across,
    call,
    cgutils,
    constant,
    equal_lanes,
    kernel,
    load,
    multiply_add,
    offset,
    prefetch,
    scalar,
    splat,
    store,
    turn,
)

TILE_ROWS, TILE_VECTORS = (
    (4, 4) if HAS_32_WIDE_REGISTERS else (2, 3)
)  # accumulators, some registers left over
SCORE_ROWS = 16 if HAS_32_WIDE_REGISTERS else 4
DOTS = 12 if HAS_32_WIDE_REGISTERS else 4  # dot products at once


@kernel
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
    sums = [[accumulator(b) for _ in range(width)] for _ in range(rows)]
    with cgutils.for_range(b, count) as loop:
        item = b.add(scalar(b, offset(b, items, loop.index, 8), INT), at)
        lanes = [load(b, item, v) for v in range(width)]
        here = b.add(a, b.mul(loop.index, a_item))
        for i in range(rows):
            factor = splat(b, scalar(b, b.add(here, b.mul(a_row, INT(i)))))
            for v in range(width):
                b.store(multiply_add(b, factor, lanes[v], b.load(sums[i][v])), sums[i][v])
    for i in range(rows):  # one row after the other: the same row may stand in the list twice
        row = b.add(scalar(b, offset(b, out, i, 8), INT), at)
        for v in range(width):
            total = b.load(sums[i][v])
            store(b, b.fadd(load(b, row, v), total) if keep else total, row, v)


@kernel
def window_panel(
    b: Any, width: int, keep: int, window: Any, source: Any, out: Any, scale: Any, count: Any, at: Any
) -> None:
    """Triangular window sums of `count` rows, by two running sums; see :func:`add_windows`."""
    total = [accumulator(b) for _ in range(width)]
    slope = [accumulator(b) for _ in range(width)]

    def lanes(index: Any) -> list[Any]:
        row = b.add(scalar(b, offset(b, source, index, 8), INT), at)
        return [load(b, row, v) for v in range(width)]

    with cgutils.for_range(b, b.add(window, INT(1))) as loop:  # sums of the first row, from scratch
        i = loop.index
        height = b.uitofp(b.add(i, INT(1)), FLOAT)
        left, right = lanes(b.sub(i, window)), lanes(b.sub(b.add(window, INT(1)), i))
        tall, less = splat(b, height), splat(b, b.uitofp(i, FLOAT))
        for v in range(width):
            both = multiply_add(b, less, right[v], b.load(total[v]))
            b.store(multiply_add(b, tall, left[v], both), total[v])
            b.store(b.fadd(b.load(slope[v]), b.fsub(right[v], left[v])), slope[v])
    peak = b.fneg(splat(b, b.uitofp(b.add(window, INT(1)), FLOAT)))
    with cgutils.for_range(b, count) as loop:
        i = loop.index
        here, after = lanes(i), lanes(b.add(i, INT(1)))
        enters, leaves = lanes(b.add(i, b.add(window, INT(2)))), lanes(b.sub(i, window))
        factor = splat(b, scalar(b, offset(b, scale, i, 4)))
        row = b.add(scalar(b, offset(b, out, i, 8), INT), at)
        for v in range(width):
            around = multiply_add(b, peak, here[v], b.load(total[v]))
            store(
                b,
                multiply_add(b, factor, around, load(b, row, v)) if keep else b.fmul(factor, around),
                row,
                v,
            )
            b.store(b.fadd(b.load(total[v]), b.load(slope[v])), total[v])
            change = multiply_add(b, constant(-2.0), after[v], b.fadd(enters[v], leaves[v]))
            b.store(b.fadd(b.load(slope[v]), change), slope[v])


@kernel
def scale_row(b: Any, keep: int, vectors: Any, factor: float, source: Any, out: Any) -> None:
    """``out = factor * source``, or ``out += factor * source`` with `keep`."""
    factor = splat(b, factor)
    with cgutils.for_range(b, vectors) as loop:
        here, there = offset(b, source, loop.index, ROW_BYTES), offset(b, out, loop.index, ROW_BYTES)
        value = load(b, here)
        store(b, multiply_add(b, factor, value, load(b, there)) if keep else b.fmul(factor, value), there)


@kernel
def clear_row(b: Any, vectors: Any, out: Any) -> None:
    """``out = 0``."""
    with cgutils.for_range(b, vectors) as loop:
        store(b, constant(0.0), offset(b, out, loop.index, ROW_BYTES))


@kernel
def dot_row(b: Any, vectors: Any, left: Any, right: Any, out: Any) -> None:
    """``out[0] = sum(left * right)``."""
    total = accumulator(b)
    with cgutils.for_range(b, vectors) as loop:
        here, there = offset(b, left, loop.index, ROW_BYTES), offset(b, right, loop.index, ROW_BYTES)
        b.store(multiply_add(b, load(b, here), load(b, there), b.load(total)), total)
    start = ir.Constant(FLOAT, -0.0)
    value = call(b, "llvm.vector.reduce.fadd.v16f32", FLOAT, [start, b.load(total)], ("reassoc",))
    b.store(value, b.inttoptr(out, FLOAT.as_pointer()))


@kernel
def dot_rows(b: Any, count: int, vectors: Any, left: Any, rows: Any, out: Any) -> None:
    """``out[k] = sum(left * rows[k])`` for `count` rows, at most sixteen, named at `rows`; sixteen lanes are written."""
    totals = [accumulator(b) for _ in range(count)]
    with cgutils.for_range(b, vectors) as loop:
        at = offset(b, INT(0), loop.index, ROW_BYTES)
        here = load(b, b.add(left, at))
        for k in range(count):
            there = load(b, b.add(scalar(b, offset(b, rows, k, 8), INT), at))
            b.store(multiply_add(b, here, there, b.load(totals[k])), totals[k])
    store(b, add_across(b, [b.load(total) for total in totals]), out)


@kernel
def transpose_tile(b: Any, source: Any, at: Any, out: Any) -> None:
    """Sixteen lanes of sixteen rows, turned: ``out[j, i] = source[i][at + j]``, at in bytes; out is [16, 16]."""
    rows = [load(b, b.add(scalar(b, offset(b, source, i, 8), INT), at)) for i in range(LANES)]
    for j, turned in enumerate(turn(b, rows)):
        store(b, turned, out, j)


@kernel
def prefetch_row(b: Any, vectors: Any, row: Any) -> None:
    """Ask for a row that will be read and written soon."""
    with cgutils.for_range(b, vectors) as loop:
        prefetch(b, b.inttoptr(offset(b, row, loop.index, ROW_BYTES), ir.IntType(8).as_pointer()))


def _match_lanes(_typing: Any, _ids: Any, _words: Any, _low: Any, _high: Any) -> Any:

    def generate(_context: Any, b: Any, _signature: Any, values: Any) -> Any:
        ids, words, low, high = values
        mask = ir.VectorType(ir.IntType(1), LANES)
        found = cgutils.alloca_once(b, mask)
        b.store(ir.Constant(mask, [0] * LANES), found)
        with cgutils.for_range(b, high, start=low) as loop:
            word = b.load(b.inttoptr(offset(b, words, loop.index, 4), ir.IntType(32).as_pointer()))
            b.store(b.or_(b.load(found), equal_lanes(b, ids, b.zext(word, INT))), found)
        return b.zext(b.bitcast(b.load(found), ir.IntType(LANES)), INT)

    return types.int64(*[types.int64] * 4), generate


match_lanes: Callable[..., Any] = intrinsic(_match_lanes)
"""Which of the sixteen int32 at address `ids` stand among ``words[low:high]``, int32 too: bit k of the result is lane k."""


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


def _sigmoid(b: Any, x: Any) -> Any:
    for name, bound in (("llvm.minnum.v16f32", _SIGMOID_REACH), ("llvm.maxnum.v16f32", -_SIGMOID_REACH)):
        x = call(b, name, LANE, [x, constant(bound)])
    square = b.fmul(x, x)
    top, bottom = constant(_SIGMOID_P[-1]), constant(_SIGMOID_Q[-1])
    for p, q in zip(_SIGMOID_P[-2::-1], _SIGMOID_Q[-2::-1], strict=True):
        top, bottom = (
            multiply_add(b, top, square, constant(p)),
            multiply_add(b, bottom, square, constant(q)),
        )
    return b.fadd(constant(0.5), b.fdiv(b.fmul(x, top), bottom))


@kernel
def sigmoid_row(b: Any, masked: int, factor: float, ids: Any, excluded: Any, row: Any) -> None:
    """``row = factor * sigmoid(row)`` for one vector; with `masked`, 0 where ``ids == excluded`` (int32 lanes)."""
    value = b.fmul(splat(b, factor), _sigmoid(b, load(b, row)))
    if masked:
        value = b.select(equal_lanes(b, ids, excluded), constant(0.0), value)
    store(b, value, row)


def _lane_numbers(b: Any, first: Any) -> Any:
    """float32 lanes ``first, first + 1, ...`` for a 64-bit integer."""
    steps = ir.Constant(LANE, [ir.Constant(FLOAT, float(i)) for i in range(LANES)])
    return b.fadd(splat(b, b.sitofp(first, FLOAT)), steps)


@kernel
def band_row(
    b: Any, factor: float, center: Any, window: Any, low: Any, high: Any, first: Any, row: Any
) -> None:
    """Scores of one vector, whose lanes are numbered from `first` on, into gradients of the words around `center`:

    ``factor * (window + 1 - |lane - center|) * (1 - sigmoid(row))`` for lanes in ``low .. high`` but `center`, else 0.
    """
    lane = _lane_numbers(b, first)
    far = call(b, "llvm.fabs.v16f32", LANE, [b.fsub(lane, splat(b, b.sitofp(center, FLOAT)))])
    weight = b.fsub(splat(b, b.sitofp(b.add(window, INT(1)), FLOAT)), far)
    value = b.fmul(b.fmul(splat(b, factor), weight), _sigmoid(b, b.fneg(load(b, row))))
    inside = b.fcmp_ordered(">=", lane, splat(b, b.sitofp(low, FLOAT)))
    inside = b.and_(inside, b.fcmp_ordered("<", lane, splat(b, b.sitofp(high, FLOAT))))
    inside = b.and_(inside, b.fcmp_ordered(">", far, constant(0.0)))
    store(b, b.select(inside, value, constant(0.0)), row)
