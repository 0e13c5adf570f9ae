"""What compiled code depends on: Numba keeps machine code for one file and does not look at those that it calls."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path


@cache
def source_digest() -> str:
    """The sha256 of all sources of the engines: part of the key of kept machine code."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
