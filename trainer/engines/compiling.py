"""How the engine's functions are compiled: when they are first called, to code that lets other threads run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Numba's ``njit`` without the interpreter's lock. Its types are Numba's, so calls are not checked by mypy."""
    made: Callable[..., Any] = njit(nogil=True)(function)
    return made
