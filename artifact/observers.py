"""Those who are told of what happens while questions are answered: nobody, unless someone asks to be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

UnknownHow = Literal["subwords", "case"]
"""How a word that a vocabulary lacks as asked was answered all the same."""
UnknownObserver = Callable[[UnknownHow, int], object]
"""Told how many distinct words of one question were answered so, once it has its answer. Any thread may call it."""


def tell_nobody(*_: object) -> None:
    """An observer that does nothing, so that there always is one to call."""
