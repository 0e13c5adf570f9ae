"""Keeping a text that lies in a mapped file out of this process's memory once it was read."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray


def let_go(array: NDArray[Any], start: int, stop: int) -> None:
    """Give back the pages of ``array[start:stop]``; the system keeps them while it has room, and reading brings them back.

    For arrays mapped to be read. Does nothing for one that lies in memory, nor where the system knows no such advice.
    """
    owner: Any = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if not isinstance(owner, mmap.mmap) or not hasattr(mmap, "MADV_DONTNEED"):
        return
    begin = array.ctypes.data - np.frombuffer(owner, np.uint8).ctypes.data
    low = (begin + start * array.itemsize) // mmap.PAGESIZE * mmap.PAGESIZE
    high = begin + stop * array.itemsize
    if high > low:
        owner.madvise(mmap.MADV_DONTNEED, low, high - low)
