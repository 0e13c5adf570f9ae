"""The questions that Deep Learning from Scratch 2 asks its vectors (chapter 4, section 4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from artifact.embedding import Embedding, Neighbour
from artifact.errors import EmptyQuery

SIMILAR = ("you", "year", "car", "toyota")
ANALOGIES = (
    ("king", "man", "queen"),
    ("take", "took", "go"),
    ("car", "cars", "child"),
    ("good", "better", "bad"),
)
TOP = 5


@dataclass(frozen=True)
class Answer:
    """A question's words (one: what is similar; three: what is to the third as …), its answers, and unknown words."""

    words: Sequence[str]
    neighbours: Sequence[Neighbour]
    missing: Sequence[str]

    @property
    def question(self) -> str:
        if len(self.words) == 1:
            return self.words[0]
        a, b, c = self.words
        return f"{a} : {b} = {c} : ?"

    def to_json(self) -> dict[str, Any]:
        return {
            "question": self.question,
            "results": [{"word": each.word, "score": round(each.score, 6)} for each in self.neighbours],
            "missing": list(self.missing),
        }


def ask_book_questions(embedding: Embedding, *, top: int = TOP) -> list[Answer]:
    """What the vectors answer to the book's eight questions."""
    return [_ask(embedding, words, top=top) for words in (*((word,) for word in SIMILAR), *ANALOGIES)]


def _ask(embedding: Embedding, words: Sequence[str], *, top: int) -> Answer:
    missing = [word for word in words if embedding.find(word) is None]
    if missing:
        return Answer(words, [], missing)
    try:
        if len(words) == 1:
            return Answer(words, embedding.similar(words, top=top), [])
        a, b, c = words
        return Answer(words, embedding.analogy(a, b, c, top=top), [])
    except EmptyQuery:  # vectors of zeros, or that cancel out
        return Answer(words, [], [])
