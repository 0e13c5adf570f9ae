"""How vector code is written: the few words that the row kernels are made of, each a line or two of LLVM.

Addresses are 64-bit integers, `lanes` sixteen float32 in a value. Numba calls a kernel's Python once, when it compiles
the calling code; what the Python says is then part of that code.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

from llvmlite import ir
from numba import config as untyped_config
from numba import types
from numba.core import cgutils as untyped
from numba.core import codegen as untyped_codegen
from numba.extending import intrinsic

cgutils: Any = untyped
codegen: Any = untyped_codegen
config: Any = untyped_config

LANES = 16
ROW_BYTES = 4 * LANES  # of one vector

FLOAT = ir.FloatType()
LANE = ir.VectorType(FLOAT, LANES)
INT = ir.IntType(64)

untyped_types: Any = types
POINTER = untyped_types.CPointer(types.float32)
Pointer: TypeAlias = Any
"""What a kernel's parameter is annotated with that is a pointer, not an address."""


def find_wide_registers() -> bool:
    """Whether the machine that Numba compiles for holds thirty-two vectors of sixteen floats."""
    features = config.CPU_FEATURES
    if features is None:
        features = codegen.get_host_cpu_features()
    return "+avx512f" in features.split(",")


HAS_32_WIDE_REGISTERS = find_wide_registers()


def offset(builder: Any, base: Any, index: Any, size: int) -> Any:
    """The address ``base + index * size``; `index` is a Python int or a 64-bit value."""
    if isinstance(index, int):
        return builder.add(base, INT(index * size))
    return builder.add(base, builder.mul(index, INT(size)))


def load(builder: Any, address: Any, vector: int = 0) -> Any:
    pointer = builder.inttoptr(offset(builder, address, vector, ROW_BYTES), LANE.as_pointer())
    return builder.load(pointer, align=4)


def store(builder: Any, value: Any, address: Any, vector: int = 0) -> None:
    pointer = builder.inttoptr(offset(builder, address, vector, ROW_BYTES), LANE.as_pointer())
    builder.store(value, pointer, align=4)


def scalar(builder: Any, address: Any, kind: Any = FLOAT) -> Any:
    return builder.load(builder.inttoptr(address, kind.as_pointer()))


def splat(builder: Any, value: Any) -> Any:
    one = builder.insert_element(ir.Constant(LANE, ir.Undefined), value, ir.IntType(32)(0))
    return builder.shuffle_vector(
        one, ir.Constant(LANE, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    )


def constant(value: float) -> Any:
    return ir.Constant(LANE, [ir.Constant(FLOAT, value)] * LANES)


def equal_lanes(builder: Any, ids: Any, token_id: Any) -> Any:
    kind = ir.VectorType(ir.IntType(32), LANES)
    here = builder.load(builder.inttoptr(ids, kind.as_pointer()), align=4)
    wanted = builder.trunc(token_id, ir.IntType(32))
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), wanted, ir.IntType(32)(0))
    every = builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), ir.Constant(kind, [0] * LANES))
    return builder.icmp_signed("==", here, every)


def call(builder: Any, name: str, result: Any, arguments: list[Any], flags: tuple[str, ...] = ()) -> Any:
    kind = ir.FunctionType(result, [a.type for a in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments, fastmath=flags)


def multiply_add(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """``a * b + c``, fused where the machine has it."""
    return call(builder, "llvm.fmuladd.v16f32", LANE, [a, b, c])


def prefetch(builder: Any, pointer: Any, *, is_written: bool = False) -> None:
    """Ask for the line of memory at a pointer to bytes, which need not be one of ours."""
    flag = ir.IntType(32)
    arguments = [pointer, flag(int(is_written)), flag(3), flag(1)]
    call(builder, "llvm.prefetch.p0", ir.VoidType(), arguments)


def turn(builder: Any, rows: list[Any]) -> list[Any]:
    """Sixteen lanes of sixteen rows, transposed: lane i of result j is lane j of row i."""
    rows = list(rows)
    index = ir.VectorType(ir.IntType(32), LANES)
    step = 1
    while step < LANES:  # swap the off-diagonal step x step blocks of every pair of rows
        low = ir.Constant(index, [j if not j & step else j - step + LANES for j in range(LANES)])
        high = ir.Constant(index, [j + step if not j & step else j + LANES for j in range(LANES)])
        for i in range(LANES):
            if not i & step:
                top, bottom = rows[i], rows[i + step]
                rows[i] = builder.shuffle_vector(top, bottom, low)
                rows[i + step] = builder.shuffle_vector(top, bottom, high)
        step *= 2
    return rows


def add_across(builder: Any, rows: list[Any]) -> Any:
    """The sum of every row's lanes: a lane for each of at most sixteen rows, zeros after them.

    Each pair of rows becomes one, half of its lanes from either, folded: four times over, by shuffles that are cheap everywhere.
    """
    index = ir.VectorType(ir.IntType(32), LANES)
    pairs, quads, firsts = [0, LANES, 1, LANES + 1], [0, 1, LANES, LANES + 1], [0, 1, 4, 5]
    folds = [  # lanes of the first half, and how far the second lies behind
        ([4 * quad + lane for quad in range(4) for lane in pairs], 2),
        ([4 * quad + lane for quad in range(4) for lane in quads], 2),
        ([4 * quad + lane for quad in firsts for lane in range(4)], 8),
        ([8 * pair + lane for pair in range(4) for lane in range(4)], 4),
    ]
    for lanes, apart in folds:
        low, high = ir.Constant(index, lanes), ir.Constant(index, [lane + apart for lane in lanes])
        rows = [*rows, constant(0.0)] if len(rows) % 2 else rows
        rows = [
            builder.fadd(builder.shuffle_vector(x, y, low), builder.shuffle_vector(x, y, high))
            for x, y in zip(rows[::2], rows[1::2], strict=True)
        ]
    return rows[0]


def accumulator(builder: Any) -> Any:
    """A stack slot of lanes, set to zero here; LLVM turns it into a register."""
    slot = cgutils.alloca_once(builder, LANE)
    builder.store(constant(0.0), slot)
    return slot


def kernel(emit: Callable[..., None]) -> Any:
    """Make ``emit(builder, *arguments)`` callable from Numba.

    Parameters annotated ``int`` are shapes: constants in the calling code, unrolled here. All others come as LLVM
    values: ``float`` as float32, ``Pointer`` as a pointer to float32, the rest (addresses, counts) as 64-bit integers.
    """
    names = list(inspect.signature(emit).parameters)[1:]
    shapes = {name for name in names if emit.__annotations__[name] == "int"}
    kinds = {"float": types.float32, "Pointer": POINTER}
    kind = {name: kinds.get(emit.__annotations__[name], types.int64) for name in names}

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
