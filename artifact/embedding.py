"""A word-vector model: lookup, most similar, analogy, similarity. Exact, over the whole vocabulary, in NumPy alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.approximate import ApproximateSearch
from artifact.errors import Corrupt, EmptyQuery, InputError, UnknownWords
from artifact.lookup import look_up
from artifact.manifest import Manifest
from artifact.neighbours import NeighbourTable
from artifact.observers import UnknownObserver, tell_nobody
from artifact.phrases import Phrases, spell
from artifact.search import NO_DIRECTION, Search, to_units
from artifact.subwords import Subwords
from artifact.tokenizer import Tokenizer
from artifact.vocabulary import Vocabulary
from artifact.word_index import WordIndex

_BLOCK_ROWS = 16_384
_MOST_SUGGESTED_FOR = 3


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A word and its cosine."""

    word: str
    score: float


def compute_norms(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Euclidean norms [V] of the rows of ``vectors`` [V, D], summed in float64, a block of rows at a time."""
    norms = np.empty(len(vectors), dtype=np.float32)
    for start in range(0, len(vectors), _BLOCK_ROWS):
        block = vectors[start : start + _BLOCK_ROWS].astype(np.float64)
        norms[start : start + _BLOCK_ROWS] = np.sqrt(np.einsum("vd,vd->v", block, block))
    return norms


class Embedding:
    """Word vectors [V, D] (float16 or float32, may be a memory map) with their norms [V], words and tokenizer.

    ``neighbours`` are the nearest words of each, computed before. ``index`` finds them approximately where that is asked
    for; where it cannot be opened, ``warnings`` say why. ``threads`` share a large search; see ``Search``.
    """

    def __init__(
        self,
        *,
        vectors: NDArray[Any],
        norms: NDArray[np.float32],
        vocabulary: Vocabulary,
        tokenizer: Tokenizer,
        name: str = "",
        version: str = "",
        manifest: Manifest | None = None,
        subwords: Subwords | None = None,
        phrases: Phrases | None = None,
        neighbours: NeighbourTable | None = None,
        index: WordIndex | None = None,
        threads: int = 1,
    ) -> None:
        if vectors.ndim != 2 or len(vectors) != len(vocabulary) or norms.shape != (len(vocabulary),):
            raise Corrupt(
                f"{name}: vectors {vectors.shape}, norms {norms.shape} and {len(vocabulary)} words do not fit"
            )
        if vectors.dtype not in (np.float16, np.float32) or norms.dtype != np.float32 or vectors.shape[1] < 1:
            raise Corrupt(
                f"{name}: vectors must be float16 or float32 with at least one dimension, norms float32"
            )
        if not np.isfinite(norms).all() or (norms < 0).any():
            raise Corrupt(f"{name}: a norm is negative or not finite")
        if subwords is not None and subwords.rows.shape[1] != vectors.shape[1]:
            raise Corrupt(f"{name}: subwords {subwords.rows.shape} and vectors {vectors.shape} do not fit")
        if neighbours is not None and neighbours.words != len(vocabulary):
            raise Corrupt(f"{name}: neighbours of {neighbours.words} words, but there are {len(vocabulary)}")
        if index is not None and (index.words, index.dim) != vectors.shape:
            raise Corrupt(
                f"{name}: an index of {index.words} words, {index.dim} dimensions, and vectors {vectors.shape} do not fit"
            )
        self.name = name
        self.version = version
        self.manifest = manifest
        self.vocabulary = vocabulary
        self.tokenizer = tokenizer
        self.phrases = phrases
        self.dim = int(vectors.shape[1])
        self._vectors = vectors
        self._norms = norms
        self._subwords = subwords
        self._search = Search(vectors, norms, threads=threads)
        self.neighbours = neighbours
        self.warnings: list[str] = []
        self.observe_unknown: UnknownObserver = tell_nobody
        self._word_index = index
        self.index = None if index is None else self._open_index(index, threads=threads)

    @classmethod
    def from_arrays(
        cls,
        *,
        vectors: NDArray[Any],
        vocabulary: Vocabulary,
        tokenizer: Tokenizer,
        name: str = "",
        version: str = "",
        subwords: Subwords | None = None,
        phrases: Phrases | None = None,
    ) -> Embedding:
        """A model in memory, as during training."""
        return cls(
            vectors=vectors,
            norms=compute_norms(vectors),
            vocabulary=vocabulary,
            tokenizer=tokenizer,
            name=name,
            version=version,
            subwords=subwords,
            phrases=phrases,
        )

    def tokens(self, text: str) -> list[str]:
        """The tokens of a text, as in training: phrases joined, none across the end of a line."""
        if self.phrases is None:
            return self.tokenizer.tokens(text)
        lines = (self.phrases.join(self.tokenizer.tokens(line)) for line in text.split("\n"))
        return [token for line in lines for token in line]

    def find(self, word: str) -> int | None:
        """The id of ``word``, normalised as in training, or None. "New York" finds a phrase that was trained as one token."""
        token_id = self.vocabulary.id(self.tokenizer.word(word))
        if token_id is None and self.phrases is not None and len(tokens := self.tokens(word)) == 1:
            token_id = self.vocabulary.id(tokens[0])
        return token_id

    def oov(self, words: Sequence[str]) -> list[str]:
        """Those of ``words`` that are not in the vocabulary. Where questions answer all the same, subwords made them up."""
        return [word for word in words if self.find(word) is None]

    def token_id(self, word: str) -> int:
        """The id of ``word``; UnknownWords, with suggestions, where there is none."""
        return self.token_ids([word])[0]

    def token_ids(self, words: Sequence[str]) -> list[int]:
        """The ids of ``words``; UnknownWords names all that have none."""
        if oov := self.oov(words):
            raise UnknownWords(list(dict.fromkeys(oov)), self.suggest(oov))
        return [token_id for word in words if (token_id := self.find(word)) is not None]

    def vectors(self, words: Sequence[str]) -> NDArray[np.float32]:
        """The vectors [n, D] of ``words`` as trained (not normalised); UnknownWords names all that have none.

        Where the model has subwords, a word that is not in the vocabulary gets the mean of the vectors of its character
        n-grams, if the vocabulary knows any of them.
        """
        return self._look_up(words)[1]

    def rows(self, token_ids: NDArray[np.intp]) -> NDArray[np.float32]:
        """The vectors [n, D] of the words with these ids, as trained, in an array of their own."""
        return self._vectors.take(token_ids, axis=0).astype(np.float32, copy=False)

    def compose(self, tokens: Sequence[str]) -> list[NDArray[np.float32] | None]:
        """For each token a vector [D] from its character n-grams; None where there is none, or the model has no subwords."""
        return [None] * len(tokens) if self._subwords is None else self._subwords.compose(tokens)

    def similar(
        self, positive: Sequence[str], negative: Sequence[str] = (), *, top: int = 10
    ) -> list[Neighbour]:
        """The ``top`` words nearest to the sum of the unit vectors of ``positive`` less those of ``negative``.

        Cosine over the whole vocabulary; the query's own words are left out. With words on both sides this is 3CosAdd
        (Levy and Goldberg 2014, equation 3). Vectors as from ``vectors``. Raises UnknownWords, and EmptyQuery where
        nothing is asked for. The answer for one word stands in ``neighbours``, where there are as many.
        """
        if len(positive) == 1 and not negative and (known := self.recall(positive[0], top=top)) is not None:
            return [Neighbour(word, score) for word, score in zip(*known, strict=True)]
        if not positive and not negative:
            raise EmptyQuery("at least one word is needed")
        token_ids, rows = self._look_up([*positive, *negative])
        signs = np.array([1.0] * len(positive) + [-1.0] * len(negative))
        query = signs @ to_units(rows)
        if np.linalg.norm(query) < NO_DIRECTION:
            raise EmptyQuery("these vectors cancel out: no direction is left to search in")
        ids, scores = self.nearest(query[np.newaxis].astype(np.float32), top=top, exclude=[token_ids])
        return [
            Neighbour(self.vocabulary.token(token_id), score)
            for token_id, score in zip(ids[0].tolist(), scores[0].tolist(), strict=True)
            if token_id >= 0
        ]

    def recall(self, word: str, *, top: int) -> tuple[list[str], list[float]] | None:
        """Words and scores as ``similar`` finds them for one word, read from ``neighbours``; None where they are not there."""
        if self.neighbours is None or top < 1 or (token_id := self.find(word)) is None:
            return None
        row = self.neighbours.row(token_id, top)
        if row is None or not self._norms[token_id]:
            return None
        ids, scores = row
        return self.vocabulary.tokens(ids), scores

    def analogy(self, a: str, b: str, c: str, *, top: int = 5) -> list[Neighbour]:
        """``a`` is to ``b`` as ``c`` is to …: the words nearest to b - a + c (chapter 4.3.2 of the book, on unit vectors)."""
        return self.similar([b, c], [a], top=top)

    def similarity(self, a: Sequence[str], b: Sequence[str]) -> NDArray[np.float32]:
        """The cosines [len(a), len(b)] of every word of ``a`` with every word of ``b``."""
        units = to_units(self._look_up([*a, *b])[1])
        cosines = np.clip(units[: len(a)] @ units[len(a) :].T, -1.0, 1.0)
        return cosines.astype(np.float32)

    def nearest(
        self,
        queries: NDArray[np.float32],
        *,
        top: int,
        exclude: Sequence[Sequence[int]] = (),
        restrict_vocab: int | None = None,
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Ids and cosines [Q, top] of the words nearest to each of ``queries`` [Q, D], best first, ties in id order.

        ``exclude`` holds ids to leave out, one list for each query; ``restrict_vocab`` looks at the first (most
        frequent) words only. Where there are fewer than ``top`` words, ids are -1 and cosines 0 from there on.
        """
        if top < 1:
            raise InputError(f"top must be at least 1, not {top}")
        limit = min(restrict_vocab or len(self.vocabulary), len(self.vocabulary))
        return self._search.nearest(queries, top=top, exclude=exclude, limit=limit)

    def cosines(self, units: NDArray[np.float32], *, start: int, end: int) -> NDArray[np.float32]:
        """The cosines [Q, end - start] of ``units`` [Q, D] of length 1 with the words ``start`` … ``end`` - 1.

        -inf for words without a direction.
        """
        products = units @ self._vectors[start:end].astype(np.float32, copy=False).T
        norms = self._norms[start:end]
        cosines: NDArray[np.float32] = np.divide(
            products, norms, out=np.full_like(products, -np.inf), where=norms > 0
        )
        return cosines

    def observe_batches(self, observe: Callable[[int], object]) -> None:
        """Have ``observe`` told how many questions each search, exact or by the index, answers together."""
        self._search.observe_batches(observe)
        if self.index is not None:
            self.index.observe_batches(observe)

    def check(self) -> None:
        """Corrupt unless every vector is finite and has the norm that is stored for it."""
        for start in range(0, len(self._vectors), _BLOCK_ROWS):
            rows = slice(start, start + _BLOCK_ROWS)
            norms = compute_norms(self._vectors[rows])
            if not np.isfinite(norms).all() or not np.allclose(
                norms, self._norms[rows], rtol=1e-4, atol=1e-6
            ):
                raise Corrupt(f"{self.name}/{self.version}: the norms are not those of the vectors")
        for part in (self._subwords, self.phrases):
            if part is not None:
                part.check()
        if self.neighbours is not None:
            self.neighbours.check(self._search.neighbours)
        if self._word_index is not None:
            self._word_index.check(self._vectors)

    def _open_index(self, index: WordIndex, *, threads: int) -> ApproximateSearch | None:
        try:
            return ApproximateSearch(self._search, index, threads=threads)
        except InputError as error:
            self.warnings.append(f"the index is not used, all answers are exact: {error}")
            return None

    def _look_up(self, words: Sequence[str]) -> tuple[list[int], NDArray[np.float32]]:
        """The ids of those of ``words`` that have one, and the vectors [n, D] of all."""
        lookup = look_up(self, words, other_cases=False)
        return lookup.token_ids[lookup.token_ids >= 0].tolist(), lookup.rows

    def suggest(self, words: Sequence[str], top: int = 5) -> list[str]:
        """Known words that unknown ``words`` may be slips of: the closest to each of the first few, in turn."""
        found = [self.vocabulary.suggest(self.spell(word), top) for word in words[:_MOST_SUGGESTED_FOR]]
        turns = itertools.chain.from_iterable(itertools.zip_longest(*found))
        return list(dict.fromkeys(word for word in turns if word is not None))[: 2 * top]

    def spell(self, word: str) -> str:
        """How the vocabulary would write a word that it lacks: several words as a phrase, where it has phrases."""
        tokens = [] if self.phrases is None else self.tokens(word)
        return spell(tokens) if len(tokens) > 1 else self.tokenizer.word(word)


def select_best(scores: NDArray[np.floating[Any]], top: int) -> NDArray[np.intp]:
    """The positions of the ``top`` highest scores, best first, ties by position; -inf is never selected."""
    if top == 1:  # what evaluation asks tens of thousands of times
        best = np.argmax(scores)
        return np.array([best] if scores[best] > -np.inf else [], dtype=np.intp)
    if top < len(scores):
        threshold = np.partition(scores, len(scores) - top)[len(scores) - top]
        candidates = np.flatnonzero(scores >= threshold)
    else:
        candidates = np.arange(len(scores))
    order = np.lexsort((candidates, -scores[candidates]))[:top]
    chosen = candidates[order]
    return chosen[scores[chosen] > -np.inf]
