"""The whole engine as one compiled function, kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from numba import njit

from trainer.engines.pieces import train_span
from trainer.engines.sources import source_digest


@cache
def compiled_piece(*, kept: bool = True) -> Callable[..., Any]:
    """``train_piece`` as machine code; compiled at its first call, or read from disk.

    Numba keeps it beside the source, else in the user's cache folder, or in ``NUMBA_CACHE_DIR`` where that is set; where
    none can be written, or with `kept` false, it is compiled for this process alone. Its key is the processor's name
    and features and, through `digest`, every source of this package: Numba itself looks at one file alone.
    """
    digest = source_digest()

    def train_piece(work, words, ends, ids, starts, keep, seed, piece, start, stop, first_rate, last_rate):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        _ = digest
        return train_span(
            work, words, ends, ids, starts, keep, seed, piece, start, stop, first_rate, last_rate
        )

    made: Callable[..., Any]
    if kept:
        try:
            made = njit(nogil=True, cache=True)(train_piece)
        except (RuntimeError, OSError):  # "cannot cache function: no locator available"
            return compiled_piece(kept=False)
    else:
        made = njit(nogil=True)(train_piece)
    return made
