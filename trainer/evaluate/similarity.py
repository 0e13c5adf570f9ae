"""Word similarity: how well cosines order pairs of words as people do (Spearman's rank correlation)."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from artifact.embedding import Embedding
from artifact.errors import InputError
from trainer.evaluate.lines import read_lines
from trainer.evaluate.words import find_word


@dataclass(frozen=True)
class Pair:
    """Two words, and how similar people find them, on any scale."""

    first: str
    second: str
    score: float


@dataclass(frozen=True)
class SimilarityResult:
    """``spearman`` over the covered pairs; None where fewer than two are covered or all are alike."""

    spearman: float | None
    covered: int
    asked: int

    def to_json(self) -> dict[str, Any]:
        return {"spearman": self.spearman, "covered": self.covered, "asked": self.asked}


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of a file of two words and a score a line, separated by tabs, commas or spaces.

    ``#`` begins a comment line; one header line is passed over. Raises InputError with file and line.
    """
    pairs: list[Pair] = []
    header_may_come = True
    for number, line in read_lines(path):
        if line.startswith("#"):
            continue
        fields = _split(line)
        if len(fields) < 3 or not fields[0] or not fields[1]:
            raise InputError(f"{path}:{number}: two words and a score are needed, not {len(fields)} fields")
        score = _read_score(fields[2])
        if score is not None:
            pairs.append(Pair(fields[0], fields[1], score))
        elif not header_may_come:
            raise InputError(f"{path}:{number}: the third field must be a number, not {fields[2][:40]!r}")
        header_may_come = False
    if not pairs:
        raise InputError(f"{path}: there are no pairs of words in it")
    return pairs


def evaluate_similarity(embedding: Embedding, pairs: Sequence[Pair]) -> SimilarityResult:
    """Spearman's correlation of the cosines with the scores, over the pairs whose words are both known."""
    known: list[tuple[int, int, float]] = []
    for pair in pairs:
        first, second = find_word(embedding, pair.first), find_word(embedding, pair.second)
        if first is not None and second is not None:
            known.append((first, second, pair.score))
    if len(known) < 2:
        return SimilarityResult(None, len(known), len(pairs))
    tokens = embedding.vocabulary.token
    left = embedding.vectors([tokens(first) for first, _, _ in known])
    right = embedding.vectors([tokens(second) for _, second, _ in known])
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    products = np.einsum("nd,nd->n", left, right, dtype=np.float64)
    cosines = np.divide(products, lengths, out=np.zeros(len(known)), where=lengths > 0)
    scores = np.array([score for _, _, score in known])
    return SimilarityResult(_correlate(cosines, scores), len(known), len(pairs))


def _correlate(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any]) -> float | None:
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return None  # without an order there is no correlation
    from scipy.stats import spearmanr

    return float(spearmanr(first, second).statistic)


def _split(line: str) -> list[str]:
    if "\t" in line:
        fields = line.split("\t")
    elif "," in line:
        fields = next(csv.reader([line]))
    else:
        fields = line.split()
    return [field.strip() for field in fields]


def _read_score(text: str) -> float | None:
    try:
        score = float(text)
    except ValueError:
        return None
    return score if math.isfinite(score) else None
