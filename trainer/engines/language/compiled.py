"""How the kernels for language models are compiled: once, kept on disk where that is possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

from trainer.engines.sources import source_digest

# Sums may be made in another order and products fused with them; what is not a number must stay so.
FAST_MATH = {"contract", "reassoc", "nsz", "arcp"}
_njit: Any = numba.njit


def compiled(function: Callable[..., Any], signature: Any = None) -> Any:
    """``function`` as machine code that lets other threads run.

    Compiled when it is first called, for each combination of argument types; with ``signature`` at once, for that alone.
    """
    # Numba keeps machine code under the function's name and looks at its file alone, not at those it calls.
    function.__qualname__ += f"-{source_digest()[:8]}"
    signatures = [] if signature is None else [signature]
    try:
        return _njit(*signatures, nogil=True, error_model="numpy", fastmath=FAST_MATH, cache=True)(function)
    except (RuntimeError, OSError):  # Numba's "cannot cache function: no locator available", or a full disk
        return _njit(*signatures, nogil=True, error_model="numpy", fastmath=FAST_MATH)(function)
