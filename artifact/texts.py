"""A text as one vector: the mean of its words' vectors, frequent words weighing less (smooth inverse frequency).

Arora, Liang and Ma 2017, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings", algorithm 1. A word weighs
a / (a + p(w)), where p(w) is its share of the training text. The paper's second step, taking off the first principal
component of a set of texts, is left out: the vector of a text must not depend on the texts that stand beside it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.embedding import Embedding
from artifact.errors import EmptyQuery, InputError, UnknownText

DEFAULT_A = 1e-3
"""The paper's choice; 1e-4 to 1e-3 served it about equally well."""
_BLOCK_TOKENS = 8_192


@dataclass(frozen=True, slots=True)
class TokenizedTexts:
    """The tokens of several texts, one after another, and how many each text has [N]."""

    tokens: list[str]
    lengths: list[int]


def embed_texts(
    embedding: Embedding, texts: Sequence[str], *, a: float = DEFAULT_A, normalise: bool = False
) -> NDArray[np.float32]:
    """The vectors [N, D] of ``texts``; with ``normalise`` of length 1. One text gives the same bytes in any batch.

    Tokens are those of training, phrases joined. A word that the vocabulary lacks is composed from subwords where the
    model has them (p = 0, so it weighs 1), else left out. Raises, naming the text by its place (from 0): EmptyQuery for a
    text without words or whose vectors cancel out, UnknownText for one of unknown words only; and InputError for an ``a``
    that is not above 0.
    """
    return embed_tokens(embedding, tokenize_texts(embedding, texts), a=a, normalise=normalise)


def tokenize_texts(embedding: Embedding, texts: Sequence[str]) -> TokenizedTexts:
    """The tokens of ``texts``, as in training."""
    found = list(map(embedding.tokens, texts))
    return TokenizedTexts(list(itertools.chain.from_iterable(found)), list(map(len, found)))


def embed_tokens(
    embedding: Embedding,
    texts: TokenizedTexts,
    *,
    a: float = DEFAULT_A,
    normalise: bool = False,
    suggest: bool = True,
) -> NDArray[np.float32]:
    """As ``embed_texts``, of texts whose tokens are at hand. Unless ``suggest`` is false, an UnknownText has suggestions."""
    if not 0 < a < float("inf"):
        raise InputError(f"a must be above 0, not {a}")
    lengths = np.array(texts.lengths, dtype=np.intp)
    if not lengths.all():
        raise EmptyQuery(f"text {int(np.flatnonzero(lengths == 0)[0])} has no words")
    sums = _Sums(len(lengths), embedding.dim)
    text_of = np.repeat(np.arange(len(lengths)), lengths)
    token_ids = embedding.vocabulary.locate(texts.tokens)
    known = token_ids >= 0
    composed = left_out = 0
    if not known.all():
        composed, left_out = _add_composed(embedding, texts.tokens, np.flatnonzero(~known), text_of, sums)
        token_ids, text_of = token_ids[known], text_of[known]
    _add_known(embedding, token_ids, text_of, sums, a=a)
    if not sums.counts.all():
        raise _unknown(embedding, texts, int(np.flatnonzero(sums.counts == 0)[0]), suggest=suggest)
    norms = np.linalg.norm(sums.vectors, axis=1)
    if (cancelled := norms <= 1e-6 * sums.lengths).any():
        place = int(np.flatnonzero(cancelled)[0])
        raise EmptyQuery(f"the vectors of text {place} cancel out: no direction is left")
    if composed:
        embedding.observe_unknown("subwords", composed)
    if left_out:
        embedding.observe_unknown("left-out", left_out)
    scale = norms if normalise else sums.counts
    return (sums.vectors / scale[:, np.newaxis]).astype(np.float32)


def describe_weighting(
    embedding: Embedding, *, a: float = DEFAULT_A, normalise: bool = False
) -> dict[str, Any]:
    """The settings that vectors of texts were made with, for an answer to carry.

    ``frequencies`` tells where p(w) came from: ``counts`` of the training text, or the ``rank`` in the vocabulary.
    """
    return {
        "weighting": "smooth-inverse-frequency",
        "a": a,
        "frequencies": "counts" if embedding.vocabulary.has_counts else "rank",
        "normalised": normalise,
    }


class _Sums:
    """For each text [N] the sum of its words' weighted vectors [N, D], the sum of their lengths, and how many they are."""

    def __init__(self, texts: int, dim: int) -> None:
        self.vectors = np.zeros((texts, dim), dtype=np.float64)
        self.lengths = np.zeros(texts, dtype=np.float64)
        self.counts = np.zeros(texts, dtype=np.int64)

    def add(self, rows: NDArray[np.float32], text_of: NDArray[np.intp]) -> None:
        """Add weighted vectors [t, D] of texts [t] that do not fall."""
        starts = np.flatnonzero(np.diff(text_of, prepend=-1))
        texts = text_of[starts]
        self.vectors[texts] += np.add.reduceat(rows, starts, axis=0)
        self.lengths[texts] += np.add.reduceat(np.sqrt(np.einsum("td,td->t", rows, rows)), starts)
        self.counts[texts] += np.diff(starts, append=len(rows))


def _add_known(
    embedding: Embedding,
    token_ids: NDArray[np.intp],
    text_of: NDArray[np.intp],
    sums: _Sums,
    *,
    a: float,
) -> None:
    """Add the weighted vectors of words of the vocabulary."""
    weights = (a / (a + embedding.vocabulary.frequencies(token_ids))).astype(np.float32)
    for block in _cut(text_of):
        rows = embedding.rows(token_ids[block])
        rows *= weights[block, np.newaxis]
        sums.add(rows, text_of[block])


def _cut(text_of: NDArray[np.intp]) -> Iterator[slice]:
    """Blocks of tokens that bound the memory: of whole texts where one fits, so that a text is summed alike in any batch."""
    start = 0
    while start < len(text_of):
        end = start + _BLOCK_TOKENS
        if end < len(text_of):
            begins = int(np.searchsorted(text_of, text_of[end], side="left"))
            if begins > start:
                end = begins
        yield slice(start, end)
        start = end


def _add_composed(
    embedding: Embedding,
    tokens: Sequence[str],
    places: NDArray[np.intp],
    text_of: NDArray[np.intp],
    sums: _Sums,
) -> tuple[int, int]:
    """Add what subwords make of the tokens at ``places``, none of which the vocabulary has.

    How many words that were, and how many others nothing could be made of.
    """
    unknown = list(dict.fromkeys(tokens[place] for place in places.tolist()))
    composed = dict(zip(unknown, embedding.compose(unknown), strict=True))
    made = [place for place in places.tolist() if composed[tokens[place]] is not None]
    for start in range(0, len(made), _BLOCK_TOKENS):
        block = made[start : start + _BLOCK_TOKENS]
        rows = np.array([composed[tokens[place]] for place in block], dtype=np.float32)
        sums.add(rows, text_of[block])
    added = sum(vector is not None for vector in composed.values())
    return added, len(unknown) - added


def _unknown(embedding: Embedding, texts: TokenizedTexts, place: int, *, suggest: bool) -> UnknownText:
    start = sum(texts.lengths[:place])
    oov = list(dict.fromkeys(texts.tokens[start : start + texts.lengths[place]]))
    return UnknownText(place, oov, embedding.vocabulary.suggest(oov[0]) if suggest else [])
