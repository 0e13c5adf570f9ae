"""Analogy questions in Google's format (Mikolov et al. 2013, arXiv 1301.3781, section 4.1), answered by 3CosAdd."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from artifact.embedding import Embedding
from artifact.errors import InputError
from trainer.evaluate.lines import read_lines
from trainer.evaluate.words import find_word

RESTRICT_VOCAB = 30_000  # what word2vec's compute-accuracy is usually run with
_SYNTACTIC_PREFIX = "gram"
_QUESTIONS_AT_ONCE = 4096

Question = tuple[str, str, str, str]


@dataclass(frozen=True)
class Section:
    """Questions of one kind: the first word is to the second as the third is to the fourth."""

    name: str
    questions: Sequence[Question]


@dataclass(frozen=True)
class Score:
    """How many questions were asked, how many of them had only known words, and how many of those were answered right."""

    asked: int = 0
    covered: int = 0
    correct: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(self.asked + other.asked, self.covered + other.covered, self.correct + other.correct)

    @property
    def accuracy(self) -> float | None:
        """Correct of covered; None where nothing is covered."""
        return self.correct / self.covered if self.covered else None

    def to_json(self) -> dict[str, Any]:
        return {
            "accuracy": self.accuracy,
            "correct": self.correct,
            "covered": self.covered,
            "asked": self.asked,
        }


@dataclass(frozen=True)
class AnalogyResult:
    """Scores by section, among the ``restrict_vocab`` most frequent words."""

    restrict_vocab: int
    sections: dict[str, Score]

    @property
    def total(self) -> Score:
        return sum(self.sections.values(), Score())

    @property
    def semantic(self) -> Score | None:
        """All sections but those on grammar; None where no section is on grammar, so that there is nothing to tell apart."""
        return self._sum(syntactic=False) if self.syntactic else None

    @property
    def syntactic(self) -> Score | None:
        """The sections whose names begin with "gram", as in Google's set; None where there are none."""
        return self._sum(syntactic=True) if any(map(_is_syntactic, self.sections)) else None

    def to_json(self) -> dict[str, Any]:
        result = {**self.total.to_json(), "restrict_vocab": self.restrict_vocab}
        for name, score in (("semantic", self.semantic), ("syntactic", self.syntactic)):
            if score is not None:
                result[name] = score.to_json()
        result["sections"] = {name: score.to_json() for name, score in self.sections.items()}
        return result

    def _sum(self, *, syntactic: bool) -> Score:
        chosen = [score for name, score in self.sections.items() if _is_syntactic(name) == syntactic]
        return sum(chosen, Score())


def read_questions(path: Path) -> list[Section]:
    """The sections of a file of ``: name`` lines and lines of four words. Raises InputError with file and line."""
    sections: dict[str, list[Question]] = {}
    current: list[Question] | None = None
    for number, line in read_lines(path):
        if line.startswith(":"):
            current = sections.setdefault(line[1:].strip() or "unnamed", [])
            continue
        words = line.split()
        if len(words) != 4:
            raise InputError(f"{path}:{number}: an analogy is four words, not {len(words)}")
        if current is None:
            current = sections.setdefault("unnamed", [])
        current.append((words[0], words[1], words[2], words[3]))
    if not any(sections.values()):
        raise InputError(f"{path}: there are no questions in it")
    return [Section(name, questions) for name, questions in sections.items()]


def evaluate_analogies(
    embedding: Embedding, sections: Sequence[Section], *, restrict_vocab: int = RESTRICT_VOCAB
) -> AnalogyResult:
    """Ask every question whose four words are all among the ``restrict_vocab`` most frequent.

    The answer is the word nearest to b - a + c, the question's own words left out, as in word2vec's compute-accuracy.
    Case is folded where the model's tokenizer folds it, and for words that are not known as they are written.
    """
    restrict_vocab = min(restrict_vocab, len(embedding.vocabulary))
    scores: dict[str, Score] = {}
    asked_ids: list[tuple[int, ...]] = []
    asked_sections: list[str] = []
    found: dict[str, int | None] = {}
    for section in sections:
        covered = 0
        for question in section.questions:
            for word in question:
                if word not in found:
                    token_id = find_word(embedding, word)
                    known = token_id is not None and token_id < restrict_vocab
                    found[word] = token_id if known else None
            ids = tuple(token_id for word in question if (token_id := found[word]) is not None)
            if len(ids) == 4:
                covered += 1
                asked_ids.append(ids)
                asked_sections.append(section.name)
        scores[section.name] = Score(asked=len(section.questions), covered=covered)
    for name, right in zip(asked_sections, _answer(embedding, asked_ids, restrict_vocab), strict=True):
        scores[name] += Score(correct=int(right))
    return AnalogyResult(restrict_vocab, scores)


def _answer(embedding: Embedding, asked: Sequence[tuple[int, ...]], restrict_vocab: int) -> list[bool]:
    """Whether each question, four token ids, is answered right."""
    if not asked:
        return []
    ids = np.array(asked, dtype=np.int64)  # [Q, 4]
    used, places = np.unique(ids, return_inverse=True)
    vectors = embedding.vectors(embedding.vocabulary.tokens(used.tolist()))
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    right: list[bool] = []
    for start in range(0, len(ids), _QUESTIONS_AT_ONCE):
        a, b, c, _ = np.moveaxis(units[places.reshape(ids.shape)[start : start + _QUESTIONS_AT_ONCE]], 1, 0)
        block = ids[start : start + _QUESTIONS_AT_ONCE]
        best, _ = embedding.nearest(
            b - a + c, top=1, exclude=block[:, :3].tolist(), restrict_vocab=restrict_vocab
        )
        right.extend((best[:, 0] == block[:, 3]).tolist())
    return right


def _is_syntactic(section: str) -> bool:
    return section.startswith(_SYNTACTIC_PREFIX)
