"""How the C library shares out memory between threads."""

from __future__ import annotations

import ctypes
import os

MOST_ARENAS = 2
_VARIABLE = "MALLOC_ARENA_MAX"
_M_ARENA_MAX = -8


def limit_arenas() -> None:
    """Let all threads of this process, and of those that it starts, allocate from two arenas; to be called before they do.

    The GNU C library otherwise gives each thread its own, and each keeps the blocks that searches in it needed: hundreds of
    megabytes in a process that answers large models with many threads, private to each worker. A user's own
    MALLOC_ARENA_MAX stands. Other C libraries are left as they are.
    """
    if _VARIABLE in os.environ:
        return
    os.environ[_VARIABLE] = str(MOST_ARENAS)
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    mallopt(_M_ARENA_MAX, MOST_ARENAS)
