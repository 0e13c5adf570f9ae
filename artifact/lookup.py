"""What the words of a question turned out to be: their ids and vectors, and how each that is not there as asked was found."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from artifact.errors import UnknownWords

if TYPE_CHECKING:  # which looks words up itself
    from artifact.embedding import Embedding


@dataclass(frozen=True, slots=True)
class Lookup:
    """The words of a question as they were found, in the order asked.

    ``token_ids`` [n] is -1 where the vector was composed from character n-grams; ``rows`` [n, D] are the vectors as trained;
    ``composed`` lists the words so composed; ``matched`` maps words that are there in another case only to that spelling.
    """

    token_ids: NDArray[np.intp]
    rows: NDArray[np.float32]
    composed: list[str] = field(default_factory=list)
    matched: dict[str, str] = field(default_factory=dict)

    def part(self, start: int, end: int) -> Lookup:
        """The ids and vectors of the words ``start`` … ``end`` - 1."""
        return Lookup(self.token_ids[start:end], self.rows[start:end])


def look_up(
    embedding: Embedding, words: Sequence[str], *, suggest: bool = True, other_cases: bool = True
) -> Lookup:
    """Find ``words`` all at once: normalised as in training, else composed from subwords, else in another case.

    Another case (lower, Title, UPPER, the first that is there) is tried with ``other_cases``, where the vocabulary keeps
    case. Raises UnknownWords, naming all that cannot be found, with suggestions unless ``suggest`` is false.
    """
    token_ids = _find(embedding, words)
    missing = np.flatnonzero(token_ids < 0).tolist()
    if not missing:
        return Lookup(token_ids, embedding.rows(token_ids))
    vectors: dict[int, NDArray[np.float32]] = {}
    matched: dict[str, str] = {}
    unknown: list[str] = []
    made = embedding.compose([embedding.spell(words[place]) for place in missing])
    for place, vector in zip(missing, made, strict=True):
        word = words[place]
        if vector is not None:
            vectors[place] = vector
        elif other_cases and (token_id := find_other_case(embedding, word)) is not None:
            token_ids[place] = token_id
            matched[word] = embedding.vocabulary.token(token_id)
        else:
            unknown.append(word)
    if unknown:
        unknown = list(dict.fromkeys(unknown))
        raise UnknownWords(unknown, embedding.suggest(unknown) if suggest else ())
    rows = embedding.rows(np.maximum(token_ids, 0))
    for place, vector in vectors.items():
        rows[place] = vector
    return Lookup(token_ids, rows, list(dict.fromkeys(words[place] for place in vectors)), matched)


def tell_found(embedding: Embedding, composed: Collection[str], matched: Collection[str]) -> None:
    """Tell the observer of ``embedding`` of the words of a Lookup, once the question that they belong to has its answer."""
    if composed:
        embedding.observe_unknown("subwords", len(composed))
    if matched:
        embedding.observe_unknown("case", len(matched))


def look_up_known(embedding: Embedding, words: Sequence[str]) -> Lookup | None:
    """As ``look_up`` where all of ``words`` are in the vocabulary, which is quick; None where one is not."""
    token_ids = _find(embedding, words)
    return None if (token_ids < 0).any() else Lookup(token_ids, embedding.rows(token_ids))


def find_other_case(embedding: Embedding, word: str) -> int | None:
    """The id of ``word`` in lower case, Title case or UPPER case; None where there is none, or case is not kept."""
    if not embedding.tokenizer.keeps_case:
        return None
    for spelling in _spell_in_cases(embedding.tokenizer.word(word)):
        if (token_id := embedding.find(spelling)) is not None:
            return token_id
    return None


def _spell_in_cases(word: str) -> Iterator[str]:
    # Two kinds of Title: capitalize() leaves the s of "Peter's" small, title() begins each part of "New_York" large.
    yield from (word.lower(), word.capitalize(), word.title(), word.upper())


def _find(embedding: Embedding, words: Sequence[str]) -> NDArray[np.intp]:
    token_ids = embedding.vocabulary.search(embedding.tokenizer.words(words))
    if embedding.phrases is not None:
        for place in np.flatnonzero(token_ids < 0).tolist():
            found = embedding.find(words[place])
            token_ids[place] = -1 if found is None else found
    return token_ids
