"""Compiled kernels, kept on disk where that is possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit


def kernel(signature: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a function for one signature, now, to machine code that lets other threads run.

    Numba keeps the result beside the source, else in the user's cache folder, or in ``NUMBA_CACHE_DIR`` where that
    is set. Where none of them can be written (a read-only container without a home), or the disk is full, the
    function is compiled for this process alone.
    """

    def compile_function(function: Callable[..., Any]) -> Callable[..., Any]:
        compiled: Callable[..., Any]
        try:
            compiled = njit(signature, nogil=True, error_model="numpy", cache=True)(function)
        except (RuntimeError, OSError):
            # Numba's "cannot cache function: no locator available", or a full disk.
            compiled = njit(signature, nogil=True, error_model="numpy")(function)
        return compiled

    return compile_function
