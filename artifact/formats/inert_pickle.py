"""Looking into a pickle without unpickling: what it would make is described, never made.

A pickle is a program for a small stack machine. The program is followed here by the same steps (``pickletools`` of the
standard library takes it apart), but where ``pickle`` would import a name or call something, a plain record of that is put
on the stack. Nothing that a file names is ever imported, called or given a state.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from artifact.errors import InputError

_ARRAY_KINDS = "fiu"
_RECONSTRUCT = {("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct")}
_FROM_BUFFER = {("numpy.core.numeric", "_frombuffer"), ("numpy._core.numeric", "_frombuffer")}


@dataclass(frozen=True)
class Name:
    """A class or function that the pickle would import."""

    module: str
    name: str

    @property
    def pair(self) -> tuple[str, str]:
        return self.module, self.name


@dataclass(eq=False)
class Thing:
    """What calling ``maker`` with ``arguments`` would give, and the state that it would be given then."""

    maker: Any
    arguments: Any
    state: Any = None
    items: list[Any] = field(default_factory=list)


class _Broken(Exception):
    pass


_MARK = object()
_EMPTY: dict[str, Callable[[], Any]] = {
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_SET": set,
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = frozenset({
    "INT", "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
})  # fmt: skip
_IGNORED = frozenset({"PROTO", "FRAME"})
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def describe_pickle(file: BinaryIO, *, name: str) -> Any:
    """What the pickle in ``file`` is of: plain values, lists, dicts and ``Thing``. Raises InputError with the byte."""
    machine = _Machine()
    position = 0
    try:
        for opcode, argument, place in pickletools.genops(file):
            position = place or 0
            if opcode.name == "STOP":
                return machine.pop()
            machine.step(opcode.name, argument)
    except _Broken as error:
        raise InputError(f"{name}: byte {position:,}: {error}") from None
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, MemoryError) as error:
        raise InputError(
            f"{name}: byte {position:,}: broken or truncated pickle ({str(error)[:80]!r})"
        ) from None
    raise InputError(f"{name}: byte {position:,}: broken or truncated pickle")


class _Machine:
    """The stack, the memo, and one step."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def pop(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise _Broken("broken pickle: a mark where a value is expected")
        return value

    def step(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in _LITERALS:
            stack.append(argument)
        elif name in _IGNORED:
            pass
        elif name in {"MEMOIZE", "BINPUT", "LONG_BINPUT"}:
            self._memo[len(self._memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in {"BINGET", "LONG_BINGET"}:
            stack.append(self._memo[argument])
        elif name == "MARK":
            stack.append(_MARK)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name in _TUPLES:
            values = tuple(reversed([self.pop() for _ in range(_TUPLES[name])]))
            stack.append(values)
        else:
            self._build(name, argument)

    def _build(self, name: str, argument: Any) -> None:
        """The steps that put values together."""
        match name:
            case "TUPLE":
                self._stack.append(tuple(self._pop_to_mark()))
            case "FROZENSET":
                self._stack.append(frozenset(self._pop_to_mark()))
            case "APPEND" | "APPENDS" | "ADDITEMS":
                values = [self.pop()] if name == "APPEND" else self._pop_to_mark()
                self._extend(values)
            case "SETITEM" | "SETITEMS":
                values = [self.pop(), self.pop()][::-1] if name == "SETITEM" else self._pop_to_mark()
                self._set_items(values)
            case "GLOBAL":
                module, _, attribute = argument.partition(" ")
                self._stack.append(Name(module, attribute))
            case "STACK_GLOBAL":
                attribute, module = self.pop(), self.pop()
                self._stack.append(Name(str(module), str(attribute)))
            case "REDUCE" | "NEWOBJ":
                arguments, maker = self.pop(), self.pop()
                self._stack.append(Thing(maker, arguments))
            case "BUILD":
                state = self.pop()
                if isinstance(thing := self._stack[-1], Thing):
                    thing.state = state
            case _:
                raise _Broken(f"the pickle has a step {name}, which is not followed here")

    def _pop_to_mark(self) -> list[Any]:
        values = []
        while (value := self._stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def _extend(self, values: list[Any]) -> None:
        match self._stack[-1]:
            case list() as target:
                target += values
            case set() as target:
                target.update(values)
            case Thing() as thing:
                thing.items += values
            case _:
                raise _Broken("broken pickle: values are added to what holds none")

    def _set_items(self, values: list[Any]) -> None:
        match self._stack[-1]:
            case dict() as target:
                target.update(zip(values[::2], values[1::2], strict=True))
            case Thing() as thing:
                thing.items += values
            case _:
                raise _Broken("broken pickle: items are set in what holds none")


def is_array(value: Any) -> bool:
    """Whether ``value`` describes a NumPy array."""
    return (
        isinstance(value, Thing)
        and isinstance(value.maker, Name)
        and value.maker.pair in _RECONSTRUCT | _FROM_BUFFER
    )


def describe_array(value: Any, *, name: str) -> NDArray[Any]:
    """The array of numbers that ``value`` describes. Raises InputError for anything else."""
    try:
        if not is_array(value):
            raise _Broken("it is not an array")
        if value.maker.pair in _RECONSTRUCT:
            _, shape, dtype, fortran, data = value.state
        else:
            data, dtype, shape, order = value.arguments
            fortran = order == "F"
        array = np.frombuffer(_find_bytes(data), dtype=_find_dtype(dtype))
        return array.reshape(shape, order="F" if fortran else "C")
    except (_Broken, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{name}: an array in it cannot be read ({str(error)[:80]!r})") from None


def _find_bytes(data: Any) -> bytes | bytearray:
    match data:
        case bytes() | bytearray():
            return data
        case str():  # how Python 2 wrote bytes
            return data.encode("latin-1")
        case Thing(maker=Name(module="_codecs", name="encode"), arguments=(str() as text, "latin1")):
            return text.encode("latin-1")
    raise _Broken("its numbers are not bytes")


def _find_dtype(value: Any) -> np.dtype[Any]:
    match value:
        case Thing(
            maker=Name(module="numpy", name="dtype"),
            arguments=(str() as code, *_),
            state=(_, str() as order, *_),
        ):
            if len(code) == 2 and code[0] in _ARRAY_KINDS and code[1] in "1248" and order in "<>|=":
                return np.dtype(order + code)
    raise _Broken("its elements are not plain numbers")
