"""A language model: what comes next after a text, how probable a text is, and texts drawn from it. NumPy alone.

A line's end is the word <eos>. A text that does not end with a line break leaves its last line open; at the beginning of a
text, and after a line break, the model stands at the beginning of a line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from artifact.cells import Floats
from artifact.embedding import select_best
from artifact.errors import Corrupt, EmptyQuery, InputError
from artifact.manifest import Manifest
from artifact.mixture import Mixture
from artifact.network import Memory, Network
from artifact.ngrams import NGrams
from artifact.observers import UnknownObserver, tell_nobody
from artifact.pieces import ALONE, Crew
from artifact.state import State
from artifact.tokenizer import Tokenizer
from artifact.vocabulary import Vocabulary

EOS = "<eos>"
UNK = "<unk>"
_WORDS_AT_ONCE = 1024


class Prediction(NamedTuple):
    """A word and its probability."""

    word: str
    probability: float


class ScoredToken(NamedTuple):
    """A word of a text as it was read, and ln p of it after all before it; None where the model cannot know it."""

    token: str
    log_probability: float | None


@dataclass(frozen=True)
class TextScore:
    """The words of a text, exp of the mean of -ln p over those that have one, and the words that are unknown."""

    tokens: list[ScoredToken]
    perplexity: float
    unknown: list[str]


@dataclass(frozen=True)
class Reading:
    """A text that was read: p of each word by each part of the mixture, and in all."""

    parts: NDArray[np.float64]
    """[4, N]: network, n-grams, cache, pointer; zeros for a part that the model does not have."""
    mixture: NDArray[np.float64]
    """[N]: the parts with their weights; the network alone where there is no mixture."""
    state: State


class LanguageModel:
    """A network over a vocabulary that has <eos>, with n-grams and caches mixed in where the model has them."""

    def __init__(
        self,
        *,
        network: Network,
        vocabulary: Vocabulary,
        tokenizer: Tokenizer,
        ngrams: NGrams | None = None,
        mixture: Mixture | None = None,
        name: str = "",
        version: str = "",
        manifest: Manifest | None = None,
    ) -> None:
        eos_id = vocabulary.id(EOS)
        if eos_id is None:
            raise Corrupt(f"{name}: the vocabulary lacks {EOS}")
        if network.vocab_size != len(vocabulary):
            raise Corrupt(
                f"{name}: a network over {network.vocab_size} words, {len(vocabulary)} in the vocabulary"
            )
        if ngrams is not None and ngrams.vocab_size != len(vocabulary):
            raise Corrupt(
                f"{name}: n-grams over {ngrams.vocab_size} words, {len(vocabulary)} in the vocabulary"
            )
        if mixture is not None and mixture.ngrams > 0 and ngrams is None:
            raise Corrupt(f"{name}: the mixture has n-grams, the model has none")
        self.name = name
        self.version = version
        self.manifest = manifest
        self.vocabulary = vocabulary
        self.tokenizer = tokenizer
        self.network = network
        self.ngrams = ngrams
        self.mixture = mixture
        self.eos_id = eos_id
        self.unk_id = vocabulary.id(UNK)
        self.observe_unknown: UnknownObserver = tell_nobody
        self.unlisted = [token_id for token_id in (self.unk_id, self.eos_id) if token_id is not None]
        """Ids that are never among the next words."""

    @classmethod
    def from_tensors(
        cls,
        weights: Mapping[str, NDArray[Any]],
        *,
        recipe: Mapping[str, Any],
        ngrams: Mapping[str, NDArray[Any]] | None = None,
        **rest: Any,
    ) -> LanguageModel:
        """A model from the tensors of its files and ``recipe`` (``cell`` and, where there is one, ``mixture``)."""
        mixture = recipe.get("mixture")
        return cls(
            network=Network(weights, cell=str(recipe.get("cell"))),
            ngrams=None if ngrams is None else NGrams(ngrams),
            mixture=None if mixture is None else Mixture.from_json(mixture),
            **rest,
        )

    def split(self, text: str) -> list[tuple[str, int | None]]:
        """The words of ``text`` with their ids, <eos> at each line's end; None for what the model cannot know at all.

        Empty lines are left out, as in training. Unknown words have the id of <unk>, where the vocabulary has it.
        """
        result: list[tuple[str, int | None]] = []
        *ended, last = text.split("\n")
        for line in ended:
            if found := self._find(line):
                result += [*found, (EOS, self.eos_id)]
        return result + self._find(last)

    def encode(self, text: str) -> tuple[list[int], list[str]]:
        """The ids of ``text``, and the words that are unknown, each once: <unk> stands for them, if there is one."""
        pairs = self.split(text)
        return [token_id for _, token_id in pairs if token_id is not None], self._unknown(pairs)

    def tell_unknown(self, unknown: Sequence[str]) -> None:
        """Tell the observer of the unknown words of a text, as ``encode`` gave them, once its question has an answer."""
        if unknown:
            self.observe_unknown("left-out" if self.unk_id is None else "unk", len(unknown))

    def start(self) -> State:
        """The beginning of a text: of a line."""
        nothing = State(
            memory=self.network.start(),
            context=(),
            recent=np.empty(0, dtype=np.int32),
            trail=np.empty((0, self.network.hidden), dtype=np.float32),
        )
        begun = self.advance(nothing, [self.eos_id])
        # What stood before the text is not among the words that it may repeat.
        return State(begun.memory, begun.context, nothing.recent, nothing.trail)

    def advance(self, state: State, token_ids: Sequence[int]) -> State:
        """The state after also reading ``token_ids``, in one pass. Raises IndexError for an id outside."""
        return self.advance_all([state], [token_ids])[0]

    def advance_all(
        self, states: Sequence[State], texts: Sequence[Sequence[int]], *, crew: Crew = ALONE
    ) -> list[State]:
        """As ``advance``, for several texts stepped together, by all of ``crew``; their lengths may differ."""
        result, ids = list(states), [np.asarray(text, dtype=np.int32) for text in texts]
        for start in range(0, max(map(len, ids), default=0), _WORDS_AT_ONCE):
            lanes = [lane for lane, text in enumerate(ids) if len(text) > start]
            pieces = [ids[lane][start : start + _WORDS_AT_ONCE] for lane in lanes]
            memories, hs = self.network.run([result[lane].memory for lane in lanes], pieces, crew=crew)
            for lane, piece, memory, after in zip(lanes, pieces, memories, hs, strict=True):
                result[lane] = self._follow(result[lane], piece, memory, after)
        return result

    def predict(self, states: Sequence[State], *, mixture: bool = True, crew: Crew = ALONE) -> Floats:
        """p(next word) [B, V] after each of ``states``, mixed unless ``mixture`` is off or the model has none."""
        probabilities = self.network.probabilities(np.stack([state.h for state in states]), crew=crew)
        if mixture and self.mixture is not None:
            for row, state in zip(probabilities, states, strict=True):
                self._mix_in(row, state, self.mixture)
        return probabilities

    def next_words(
        self, state: State, *, top: int, prefix: str = "", mixture: bool = True
    ) -> tuple[list[Prediction], float]:
        """The ``top`` likeliest next words that begin with ``prefix``, and the probability of all that is not listed."""
        return self.list_words(self.predict([state], mixture=mixture)[0], top=top, prefix=prefix)

    def list_words(
        self, probabilities: Floats, *, top: int, prefix: str = ""
    ) -> tuple[list[Prediction], float]:
        """As ``next_words``, for ``probabilities`` [V]; <unk> and <eos> are never listed, ties fall in id order."""
        if top < 1:
            raise InputError(f"top must be at least 1, not {top}")
        scores = probabilities
        if prefix:
            scores = np.full_like(probabilities, -np.inf)
            matching = self.vocabulary.ids_with_prefix(self.tokenizer.word(prefix))
            scores[matching] = probabilities[matching]
        else:
            scores = probabilities.copy()
        scores[self.unlisted] = -np.inf
        best = select_best(scores, top)
        listed = probabilities[best].tolist()
        words = self.vocabulary.tokens(best.tolist())
        return [Prediction(*pair) for pair in zip(words, listed, strict=True)], max(0.0, 1.0 - sum(listed))

    def read(self, state: State, token_ids: Sequence[int], *, crew: Crew = ALONE) -> Reading:
        """p of each of ``token_ids`` [N] after all before it, by each part and in all, and the state at the end."""
        stream = np.asarray(token_ids, dtype=np.int32)
        parts = np.zeros((4, len(stream)))
        weights = np.zeros((4, len(stream)))
        weights[0] = 1.0
        for start in range(0, len(stream), _WORDS_AT_ONCE):
            piece = stream[start : start + _WORDS_AT_ONCE]
            columns = slice(start, start + len(piece))
            (memory,), (after,) = self.network.run([state.memory], [piece], crew=crew)
            before = np.concatenate([state.h[np.newaxis], after[:-1]])
            parts[0, columns] = self.network.score(before, piece)
            if self.ngrams is not None:
                parts[1, columns] = self.ngrams.score(piece, context=state.context)
            if self.mixture is not None:
                if self.mixture.cache:
                    parts[2, columns] = self.mixture.recency.score(state.recent, piece)
                if self.mixture.pointer:
                    trail = np.concatenate([state.trail, before])
                    parts[3, columns] = self.mixture.pointing.score(state.recent, piece, trail)
                weights[:, columns] = self.mixture.weigh(len(state.recent) + np.arange(len(piece)))
            state = self._follow(state, piece, memory, after)
        return Reading(parts=parts, mixture=(weights * parts).sum(axis=0), state=state)

    def score(self, text: str, *, mixture: bool = True) -> TextScore:
        """ln p of each word of ``text``, and its perplexity. EmptyQuery where no word of it can be known."""
        pairs = self.split(text)
        token_ids = [token_id for _, token_id in pairs if token_id is not None]
        reading = self.read(self.start(), token_ids)
        return self.list_scores(pairs, reading.mixture if mixture else reading.parts[0])

    def list_scores(
        self, pairs: Sequence[tuple[str, int | None]], probabilities: NDArray[np.float64]
    ) -> TextScore:
        """The score of a text that ``split`` made ``pairs`` of, from p of each word that has an id."""
        if not len(probabilities):
            raise EmptyQuery("there is no word in this text that the model could know")
        logs = np.log(np.maximum(probabilities, np.finfo(np.float64).tiny))
        rest = iter(logs.tolist())
        tokens = [ScoredToken(token, None if token_id is None else next(rest)) for token, token_id in pairs]
        return TextScore(
            tokens=tokens, perplexity=compute_perplexity(probabilities), unknown=self._unknown(pairs)
        )

    def check(self) -> None:
        """Corrupt unless every weight is finite and the n-grams are sound."""
        self.network.check()
        if self.ngrams is not None:
            self.ngrams.check()

    def _find(self, line: str) -> list[tuple[str, int | None]]:
        tokens = self.tokenizer.tokens(line)
        found = self.vocabulary.ids(tokens)
        return [
            (token, self.unk_id if token_id is None else token_id)
            for token, token_id in zip(tokens, found, strict=True)
        ]

    def _unknown(self, pairs: Sequence[tuple[str, int | None]]) -> list[str]:
        return list(
            dict.fromkeys(
                token
                for token, token_id in pairs
                if token_id is None or (token_id == self.unk_id and token != UNK)
            )
        )

    def _follow(self, state: State, piece: NDArray[np.int32], memory: Memory, after: Floats) -> State:
        """The state after ``piece`` [T], given the network's memory and its h ``after`` [T, H] each word."""
        return state.follow(
            piece,
            memory=memory,
            after=after,
            order=1 if self.ngrams is None else self.ngrams.order,
            span=0 if self.mixture is None else self.mixture.span,
            keeps_trail=self.mixture is not None and self.mixture.pointer > 0,
        )

    def _mix_in(self, row: Floats, state: State, mixture: Mixture) -> None:
        """Turn the network's distribution ``row`` [V] into the mixture's, in place."""
        weights = mixture.weigh(np.array([len(state.recent)]))[:, 0].tolist()
        row *= np.float32(weights[0])
        if self.ngrams is not None and weights[1] > 0:
            row += self.ngrams.predict(state.context) * np.float32(weights[1])
        if weights[2] > 0:
            recency = mixture.recency.predict(state.recent, vocab_size=len(row))
            row += recency * np.float32(weights[2])
        if weights[3] > 0:
            pointing = mixture.pointing.predict(state.recent, state.trail, state.h, vocab_size=len(row))
            row += pointing * np.float32(weights[3])


def compute_perplexity(probabilities: NDArray[np.float64]) -> float:
    """exp of the mean of -ln p. Needs at least one."""
    return float(np.exp(-np.log(np.maximum(probabilities, np.finfo(np.float64).tiny)).mean()))
