"""Canonical JSON: one byte string per value, so that a digest of it means something."""

from __future__ import annotations

import json
from typing import Any

from artifact.errors import Corrupt, InputError


def encode_json(value: Any) -> bytes:
    """Sorted keys, compact separators, UTF-8, one newline at the end.

    Raises InputError for what JSON cannot say (NaN, infinity, lone surrogates, other types).
    """
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode("utf-8") + b"\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"cannot be written as JSON: {error}") from None


def decode_json(data: bytes, *, where: str) -> Any:
    """The value of ``data``; Corrupt unless ``data`` is exactly what encode_json makes of that value."""
    try:
        value = json.loads(data.decode("utf-8"))
        canonical = encode_json(value)
    except (ValueError, RecursionError, InputError):
        raise Corrupt(f"{where}: not valid JSON") from None
    if canonical != data:
        raise Corrupt(f"{where}: not in canonical form (sorted keys, compact, one newline at the end)")
    return value
