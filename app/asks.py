"""What a question to a language model wants computed.

A question is a generator that yields what it wants computed and is sent the result; its return value is the answer.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from artifact.cells import Floats
from artifact.language import LanguageModel
from artifact.state import State


@dataclass(slots=True)
class Advance:
    """Read ``token_ids`` after ``state``; the result is the state then, and p(next word) [V] where ``predict`` is set."""

    model: LanguageModel
    state: State
    token_ids: Sequence[int]
    predict: bool = True
    mixture: bool = True
    done: int = 0


@dataclass(slots=True)
class Read:
    """Read ``token_ids``, few at a time, with p of each; the result is the Reading."""

    model: LanguageModel
    state: State
    token_ids: Sequence[int]


Ask = Advance | Read
Advanced = tuple[State, Floats | None]
Question = Generator[Ask, Any, Any]
"""Yields an Ask; is sent Advanced for an Advance and a Reading for a Read."""
