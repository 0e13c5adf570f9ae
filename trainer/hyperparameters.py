"""SageMaker's hyperparameters: one JSON object whose values are all strings, some of them JSON once more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from artifact.errors import InputError

_OTHERS = ("sagemaker_", "_")
"""How hyperparameters begin that are meant for the platform's own tools."""


def read_hyperparameters(path: Path) -> dict[str, str]:
    """By name, as an option takes them; nulls and the platform's own are left out. Raises InputError."""
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise InputError(f"{path}: not JSON") from None
    if not isinstance(found, dict):
        raise InputError(f"{path}: not an object")
    spelled = {
        name: _spell(path, name, value) for name, value in found.items() if not name.startswith(_OTHERS)
    }
    return {name: text for name, text in spelled.items() if text is not None}


def _spell(path: Path, name: str, value: Any) -> str | None:
    """A value as it is written on a command line; None for null."""
    if isinstance(value, str):
        try:
            inner = json.loads(value)
        except ValueError:
            return value
        # Numbers stay as they were written.
        if not isinstance(inner, (str, bool, list, dict, type(None))):
            return value
        value = inner
    match value:
        case None:
            return None
        case bool():
            return "1" if value else "0"
        case str() | int() | float():
            return str(value)
        case list() if all(isinstance(each, (str, int, float)) for each in value):
            return ",".join(map(str, value))
    raise InputError(f"{path}: {name[:60]!a} must be a string or a number")
