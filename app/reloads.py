"""What became of looking for another version of a model, for the log, the answers of admin routes and the metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ReloadResult = Literal["swapped", "unchanged", "failed", "removed"]


@dataclass(frozen=True, slots=True)
class Reload:
    """One look at the store for one model.

    swapped: another version answers now, or a first one. unchanged: the one that answered is still the one to serve.
    failed: the version to serve is broken, so that ``before`` or an older one answers, or none. removed: the store has no
    version of it any more.
    """

    model: str
    result: ReloadResult
    before: str | None
    version: str | None
    """What answers now."""
    seconds: float
    """Checking, opening and warming."""
