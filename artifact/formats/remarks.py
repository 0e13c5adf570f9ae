"""What an import noticed and went on from: counted by kind, with the place of the first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

KINDS = {
    "duplicate-word": "words that stand more than once, in NFC; the first of each was kept",
    "white-space": "words with white space in them, found by name, but never in a text",
    "broken-utf-8": "words that are not UTF-8; what could not be read became U+FFFD",
    "line-break": "words with a line break in them, left out",
    "empty-word": "empty words, left out",
    "long-word": "words longer than 1,000 bytes, left out",
}
"""What is said of words; ``Remarks.say`` says anything else."""


@dataclass
class Remark:
    """One kind of oddity: how many words it concerned, and the first of them."""

    kind: str
    text: str
    count: int
    first: str = ""

    def __str__(self) -> str:
        if self.kind not in KINDS:
            return self.text
        return f"{self.text}: {self.count:,} (first: {self.first})"


class Remarks:
    """The oddities of one file, in the order in which they were first met."""

    def __init__(self) -> None:
        self._found: dict[str, Remark] = {}

    def count(self, kind: str, where: str) -> None:
        """Count one more word of a kind in ``KINDS``, met at ``where``."""
        remark = self._found.get(kind)
        if remark is None:
            self._found[kind] = Remark(kind, KINDS[kind], 1, where)
        else:
            remark.count += 1

    def say(self, kind: str, text: str, *, count: int = 1) -> None:
        """Remark on the file as a whole."""
        self._found[kind] = Remark(kind, text, count)

    def __iter__(self) -> Iterator[Remark]:
        return iter(self._found.values())

    def to_json(self) -> dict[str, int]:
        """How often each kind was met."""
        return {remark.kind: remark.count for remark in self}
