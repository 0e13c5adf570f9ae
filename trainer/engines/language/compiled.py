"""How the engines of language models are compiled: once, kept on disk where that is possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

# Sums may be made in another order and products fused with them; what is not a number must stay so.
FAST_MATH = {"contract", "reassoc", "nsz", "arcp"}


def compiled(function: Callable[..., Any]) -> Any:
    """``function`` as machine code that lets other threads run, compiled when it is first called."""
    try:
        return njit(nogil=True, error_model="numpy", fastmath=FAST_MATH, cache=True)(function)
    except RuntimeError:  # Numba's "cannot cache function: no locator available"
        return njit(nogil=True, error_model="numpy", fastmath=FAST_MATH)(function)
