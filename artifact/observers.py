"""Those who are told of what happens while questions are answered: nobody, unless someone asks to be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

UnknownHow = Literal["subwords", "case", "left-out", "unk", "refused"]
"""What became of words that a vocabulary lacks as asked.

subwords: composed from character n-grams. case: found in another case. left-out: the rest of a text was answered for. unk: read
as <unk>. refused: one of several questions had no answer for them.
"""
UnknownObserver = Callable[[UnknownHow, int], object]
"""Told of how many distinct words of one question that became, once it has its answer. Any thread may call it."""


def tell_nobody(*_: object) -> None:
    """An observer that does nothing, so that there always is one to call."""
