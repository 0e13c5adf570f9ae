"""Questions for the words nearest to others: towards some, away from others, added or multiplied, among all or among a few.

Every term of a question counts by its direction: a word's vector or a raw one, brought to length 1, times its weight.

``3cosadd``
    The cosine with the weighted sum of the positive terms less that of the negative ones; with words on both sides,
    3CosAdd (Levy and Goldberg 2014, "Linguistic Regularities in Sparse and Explicit Word Representations", equation 3).
``3cosmul``
    The product of the positive terms' cosines over that of the negative ones' plus 0.001 (the same paper, equation 4).
    Cosines are first brought to 0 … 1, as (cosine + 1) / 2; a weight is its factor's exponent. Without negative terms
    nothing is divided.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from artifact.embedding import Embedding, Neighbour, select_best
from artifact.errors import EmptyQuery, InputError, QueryError
from artifact.lookup import Lookup, look_up, tell_found
from artifact.search import NO_DIRECTION, to_units

Method = Literal["3cosadd", "3cosmul"]
EPSILON = 1e-3
MOST_SUGGESTIONS = 8
"""How many of several questions may look for words like their unknown ones, which takes milliseconds each."""
_SCORES_AT_ONCE = 1 << 22
_LEAST_ROWS, _MOST_ROWS = 1_024, 16_384


@dataclass(frozen=True, slots=True)
class Term:
    """A word, or a raw vector [D], and how much it counts (above 0)."""

    value: str | Sequence[float] | NDArray[Any]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Question:
    """The ``top`` words nearest to ``positive`` and far from ``negative``, best first, ties in id order.

    ``restrict_vocab`` looks at the first (most frequent) words only, ``among`` at these words only; ``exclude`` and the
    question's own words are left out, and so is what scores less than ``min_score``. Unless ``exact``, an index may answer
    where the model has one and the question is for all words by 3CosAdd.
    """

    positive: Sequence[Term] = ()
    negative: Sequence[Term] = ()
    top: int = 10
    method: Method = "3cosadd"
    restrict_vocab: int | None = None
    among: Sequence[str] | None = None
    exclude: Sequence[str] = ()
    min_score: float | None = None
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Ranking:
    """The answer to a question; ``composed`` and ``matched`` are those of the Lookup of its words.

    ``recall`` is that of the index, where one answered: a word may be missing then. The scores are exact all the same.
    """

    neighbours: list[Neighbour]
    composed: list[str] = field(default_factory=list)
    matched: dict[str, str] = field(default_factory=dict)
    recall: float | None = None


_Kept = tuple[NDArray[np.intp], NDArray[np.float64]]
Search = Callable[..., tuple[NDArray[np.int32], NDArray[np.float32]]]
"""What finds the nearest words to many queries at once: called and answering as ``Embedding.nearest``."""


def ask_analogy(a: str, b: str, c: str, **options: Any) -> Question:
    """``a`` is to ``b`` as ``c`` is to …: towards b and c, away from a."""
    return Question([Term(b), Term(c)], [Term(a)], **options)


def answer(
    embedding: Embedding, questions: Sequence[Question], *, search: Search | None = None
) -> list[Ranking | QueryError]:
    """The answer to each question, or why there is none: UnknownWords, or EmptyQuery where no direction is left.

    Questions that look at the same words are one product. Raises InputError for vectors that are not [D] finite numbers,
    and for a ``top`` below 1.
    """
    answers: dict[int, Ranking | QueryError] = {}
    added: dict[int | None, list[tuple[int, _Prepared]]] = defaultdict(list)
    by_index: list[tuple[int, _Prepared]] = []
    multiplied: dict[int | None, list[tuple[int, _Prepared]]] = defaultdict(list)
    failed = 0
    for place, question in enumerate(questions):
        try:
            prepared = _prepare(embedding, question, suggest=failed < MOST_SUGGESTIONS)
        except QueryError as error:
            answers[place] = error
            failed += 1
            continue
        if question.among is not None:
            answers[place] = _rank_few(embedding, prepared)
        elif search is None and _suits_index(embedding, prepared):
            by_index.append((place, prepared))
        else:
            together = multiplied if question.method == "3cosmul" else added
            together[question.restrict_vocab].append((place, prepared))
    for restrict_vocab, group in added.items():
        nearest = functools.partial(search or embedding.nearest, restrict_vocab=restrict_vocab)
        answers.update(_rank_sums(embedding, group, nearest))
    if by_index and embedding.index is not None:
        recall = embedding.index.figures.recall
        for place, ranking in _rank_sums(embedding, by_index, embedding.index.nearest).items():
            answers[place] = replace(ranking, recall=recall)
    for restrict_vocab, group in multiplied.items():
        limit = min(restrict_vocab or len(embedding.vocabulary), len(embedding.vocabulary))
        rankings = _rank_products(embedding, [prepared for _, prepared in group], limit)
        answers.update(zip((place for place, _ in group), rankings, strict=True))
    for found in answers.values():
        if isinstance(found, Ranking):
            tell_found(embedding, found.composed, found.matched)
    return [answers[place] for place in range(len(questions))]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A question whose words are found.

    ``units`` [T, D] are its terms, positive ones first, ``weights`` [T] theirs, below 0 for negative ones; ``direction``
    [D] is their sum at length 1, or zeros. ``left_out`` holds ids that may not be answered; ``among`` are the ids [n]
    and unit vectors [n, D] of the words that may, where the question names them.
    """

    question: Question
    units: NDArray[np.float64]
    weights: NDArray[np.float64]
    direction: NDArray[np.float64]
    left_out: list[int]
    lookup: Lookup
    among: Lookup

    def tell(self, words: Sequence[str], scores: Sequence[float]) -> Ranking:
        """Those of ``words``, which stand best first, that score enough; there may be more scores than words."""
        floor = -np.inf if self.question.min_score is None else self.question.min_score
        listed = [
            Neighbour(word, score) for word, score in zip(words, scores, strict=False) if score >= floor
        ]
        return Ranking(listed, self.lookup.composed, self.lookup.matched)


def _prepare(embedding: Embedding, question: Question, *, suggest: bool) -> _Prepared:
    """Find the words of a question, all at once, so that every unknown one is named."""
    if question.top < 1:
        raise InputError(f"top must be at least 1, not {question.top}")
    terms = [*question.positive, *question.negative]
    if not terms:
        raise EmptyQuery("at least one word or vector is needed")
    words = [term.value for term in terms if isinstance(term.value, str)]
    lookup = look_up(embedding, [*words, *question.exclude, *(question.among or ())], suggest=suggest)
    border = len(words) + len(question.exclude)
    units = np.empty((len(terms), embedding.dim))
    rows = iter(to_units(lookup.rows[: len(words)]))
    for place, term in enumerate(terms):
        units[place] = (
            next(rows) if isinstance(term.value, str) else _read_vector(term.value, dim=embedding.dim)
        )
    weights = np.array([term.weight for term in terms], dtype=np.float64)
    weights[len(question.positive) :] *= -1
    direction = weights @ units
    length = np.linalg.norm(direction)
    cancels = length < NO_DIRECTION * np.abs(weights).max()
    if cancels and (question.method == "3cosadd" or not units.any()):
        raise EmptyQuery("these vectors cancel out: no direction is left to search in")
    return _Prepared(
        question,
        units,
        weights,
        direction=np.zeros_like(direction) if cancels else direction / length,
        left_out=[token_id for token_id in lookup.token_ids[:border].tolist() if token_id >= 0],
        lookup=lookup,
        among=lookup.part(border, len(lookup.token_ids)),
    )


def _suits_index(embedding: Embedding, prepared: _Prepared) -> bool:
    """Whether an index is there, may answer, and has what this question is for."""
    question = prepared.question
    return (
        embedding.index is not None
        and not question.exact
        and question.method == "3cosadd"
        and (question.restrict_vocab or np.inf) >= len(embedding.vocabulary)
        and embedding.index.suits(question.top, excluded=len(prepared.left_out))
    )


def _rank_sums(
    embedding: Embedding, group: Sequence[tuple[int, _Prepared]], nearest: Search
) -> dict[int, Ranking]:
    """What ``nearest`` finds for questions under 3CosAdd, all at once, by their places."""
    ids, scores = nearest(
        np.array([prepared.direction for _, prepared in group], dtype=np.float32),
        top=max(prepared.question.top for _, prepared in group),
        exclude=[prepared.left_out for _, prepared in group],
    )
    rankings = {}
    for row, (place, prepared) in enumerate(group):
        found = [token_id for token_id in ids[row].tolist() if token_id >= 0][: prepared.question.top]
        rankings[place] = prepared.tell(embedding.vocabulary.tokens(found), scores[row].tolist())
    return rankings


def _rank_few(embedding: Embedding, prepared: _Prepared) -> Ranking:
    """The best of the words that the question names, each once; composed ones have no id and stand last in ties."""
    question, size = prepared.question, len(embedding.vocabulary)
    limit = question.restrict_vocab or size
    asked = {term.value for term in (*question.positive, *question.negative) if isinstance(term.value, str)}
    found = zip(prepared.among.token_ids.tolist(), question.among or (), strict=True)
    entries: dict[str, tuple[int, int]] = {}
    for place, (token_id, word) in enumerate(found):
        if 0 <= token_id < limit and token_id not in prepared.left_out:
            entries.setdefault(embedding.vocabulary.token(token_id), (token_id, place))
        elif token_id < 0 and limit >= size and word not in asked and word not in question.exclude:
            entries.setdefault(word, (size, place))
    words = sorted(entries, key=entries.__getitem__)
    units = to_units(prepared.among.rows[[entries[word][1] for word in words]])
    scores = _score(prepared, units @ prepared.units.T, units @ prepared.direction)
    scores[~units.any(axis=1)] = -np.inf
    best = select_best(scores, min(question.top, len(scores))).tolist() if words else []
    return prepared.tell([words[place] for place in best], scores[best].tolist())


def _rank_products(embedding: Embedding, group: Sequence[_Prepared], limit: int) -> list[Ranking]:
    """The best of the first ``limit`` words under 3CosMul, for several questions, a block of words at a time."""
    units = np.concatenate([prepared.units for prepared in group]).astype(np.float32)
    ends = np.cumsum([len(prepared.units) for prepared in group]).tolist()
    kept = [(np.empty(0, dtype=np.intp), np.empty(0)) for _ in group]
    step = min(max(_LEAST_ROWS, _SCORES_AT_ONCE // len(units)), _MOST_ROWS)
    for start in range(0, limit, step):
        cosines = embedding.cosines(units, start=start, end=min(start + step, limit))
        for number, (prepared, end) in enumerate(zip(group, ends, strict=True)):
            own = cosines[end - len(prepared.units) : end]
            scores = _score(prepared, own.T.astype(np.float64), own[0])
            scores[np.isneginf(own[0])] = -np.inf
            left_out = [token_id - start for token_id in prepared.left_out]
            scores[[place for place in left_out if 0 <= place < len(scores)]] = -np.inf
            kept[number] = _keep_best(kept[number], scores, start, prepared.question.top)
    return [
        prepared.tell(embedding.vocabulary.tokens(ids.tolist()), scores.tolist())
        for prepared, (ids, scores) in zip(group, kept, strict=True)
    ]


def _keep_best(kept: _Kept, scores: NDArray[np.float64], start: int, top: int) -> _Kept:
    """Ids and scores of the ``top`` best so far, now that a block of words from ``start`` on is scored too."""
    ids, best = kept
    if len(best) == top and scores.max() <= best[-1]:
        return kept
    chosen = select_best(scores, min(top, len(scores)))
    # What was kept comes first, as its ids do: of equal scores those stay.
    ids, best = np.concatenate([ids, chosen + start]), np.concatenate([best, scores[chosen]])
    order = select_best(best, min(top, len(best))) if len(best) else np.empty(0, dtype=np.intp)
    return ids[order], best[order]


def _score(prepared: _Prepared, cosines: NDArray[Any], added: NDArray[Any]) -> NDArray[np.float64]:
    """The scores [n] of words by their cosines [n, T] with each term and those [n] with the terms' sum."""
    if prepared.question.method == "3cosadd":
        return np.clip(added.astype(np.float64), -1.0, 1.0)
    factors = np.clip((cosines + 1) / 2, 0.0, 1.0) ** np.abs(prepared.weights)
    border = len(prepared.question.positive)
    scores: NDArray[np.float64] = factors[:, :border].prod(axis=1)
    if prepared.question.negative:
        scores = scores / (factors[:, border:].prod(axis=1) + EPSILON)
    return scores


def _read_vector(value: Sequence[float] | NDArray[Any], *, dim: int) -> NDArray[np.float64]:
    """A raw vector [D] at length 1, or zeros; InputError where it is not ``dim`` finite numbers."""
    vector = np.array(value, dtype=np.float64)
    if vector.shape != (dim,):
        raise InputError(f"a vector has {vector.size} numbers where the model has {dim} dimensions")
    if not np.isfinite(vector).all():
        raise InputError("a vector holds a number that is not finite")
    # Scaled first, so that no square overflows or vanishes.
    largest = np.abs(vector).max()
    return to_units(vector[np.newaxis] / largest)[0] if largest > 0 else vector
