"""How alike words are, sets of words, and texts; and which word of several does not match the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.embedding import Embedding
from artifact.errors import EmptyQuery
from artifact.lookup import look_up, tell_found
from artifact.search import NO_DIRECTION, to_units
from artifact.texts import DEFAULT_A, embed_texts


@dataclass(frozen=True, slots=True)
class Comparison:
    """Cosines [len(a), len(b)]; ``composed`` and ``matched`` are those of the Lookup of the words."""

    scores: NDArray[np.float64]
    composed: list[str] = field(default_factory=list)
    matched: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OddWord:
    """The word that is farthest from the mean, by its place, and the cosine [n] of each word with the mean."""

    place: int
    scores: NDArray[np.float64]
    composed: list[str] = field(default_factory=list)
    matched: dict[str, str] = field(default_factory=dict)


def compare_words(
    embedding: Embedding, a: Sequence[str], b: Sequence[str], *, suggest: bool = True
) -> Comparison:
    """The cosine of every word of ``a`` with every word of ``b``; 0 for a vector of zeros. Raises as ``look_up`` does."""
    lookup = look_up(embedding, [*a, *b], suggest=suggest)
    units = to_units(lookup.rows)
    tell_found(embedding, lookup.composed, lookup.matched)
    return Comparison(_multiply(units[: len(a)], units[len(a) :]), lookup.composed, lookup.matched)


def compare_sets(
    embedding: Embedding, a: Sequence[Sequence[str]], b: Sequence[Sequence[str]], *, suggest: bool = True
) -> Comparison:
    """The cosine of every set of words of ``a`` with every set of ``b``: of the means of their words' unit vectors.

    A word that stands in a set twice counts twice. Raises as ``look_up`` does, and EmptyQuery for a set that is empty or whose
    vectors cancel out.
    """
    sets = [*a, *b]
    lookup = look_up(embedding, [word for words in sets for word in words], suggest=suggest)
    units = to_units(lookup.rows)
    ends = np.cumsum([len(words) for words in sets])
    means = np.empty((len(sets), embedding.dim))
    for place, (words, end) in enumerate(zip(sets, ends.tolist(), strict=True)):
        if not words:
            raise EmptyQuery("a set has no words")
        means[place] = units[end - len(words) : end].mean(axis=0)
        if np.linalg.norm(means[place]) < NO_DIRECTION:
            raise EmptyQuery("the vectors of a set cancel out: no direction is left to compare")
    directions = to_units(means)
    tell_found(embedding, lookup.composed, lookup.matched)
    return Comparison(_multiply(directions[: len(a)], directions[len(a) :]), lookup.composed, lookup.matched)


def compare_texts(
    embedding: Embedding, a: Sequence[str], b: Sequence[str], *, smoothing: float = DEFAULT_A
) -> Comparison:
    """The cosine of every text of ``a`` with every text of ``b``, as ``embed_texts`` makes their vectors; errors as there."""
    units = to_units(embed_texts(embedding, [*a, *b], a=smoothing, normalise=True))
    return Comparison(_multiply(units[: len(a)], units[len(a) :]))


def find_odd_word(embedding: Embedding, words: Sequence[str], *, suggest: bool = True) -> OddWord:
    """The word of ``words`` whose cosine with the mean of all their unit vectors is smallest, the first among equals.

    Raises as ``look_up`` does, and EmptyQuery where there are no words or their vectors cancel out.
    """
    if not words:
        raise EmptyQuery("at least one word is needed")
    lookup = look_up(embedding, words, suggest=suggest)
    units = to_units(lookup.rows)
    mean = units.mean(axis=0)
    if np.linalg.norm(mean) < NO_DIRECTION:
        raise EmptyQuery("these vectors cancel out: they have no mean direction")
    scores = _multiply(units, to_units(mean[np.newaxis]))[:, 0]
    tell_found(embedding, lookup.composed, lookup.matched)
    return OddWord(int(np.argmin(scores)), scores, lookup.composed, lookup.matched)


def _multiply(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    cosines: NDArray[np.float64] = np.clip(a @ b.T, -1.0, 1.0)
    return cosines
