"""Texts drawn from a language model, one word at a time; whoever drives it has the model step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from artifact.cells import Floats
from artifact.errors import InputError
from artifact.language import LanguageModel
from artifact.sampling import Sampling
from artifact.state import State

FinishReason = Literal["length", "stop"]


class Generation:
    """A text in the making: ``take`` the distribution of the next word until ``finish_reason`` is there.

    <unk> is never drawn; <eos> is written as a line break. The words of a line are joined by a space. ``stop``: texts at
    which to end; they are not part of the result. Raises InputError for a ``max_tokens`` below 1 and for a stop that has no
    word (a line break counts as one).
    """

    def __init__(
        self,
        model: LanguageModel,
        *,
        max_tokens: int,
        sampling: Sampling,
        seed: int,
        stop: Sequence[str] = (),
    ) -> None:
        if max_tokens < 1:
            raise InputError(f"max_tokens must be at least 1, not {max_tokens}")
        self._model = model
        self._max_tokens = max_tokens
        self._sampling = sampling
        self._random = np.random.default_rng(seed)
        self._stops: list[list[str]] = []
        for text in stop:
            if not (tokens := _find_words(model, text)):
                raise InputError("a stop must have a word or a line break in it")
            self._stops.append(tokens)
        self._words: list[str] = []
        self._shown = 0
        self.token_ids: list[int] = []
        self.finish_reason: FinishReason | None = None

    @property
    def text(self) -> str:
        """What was drawn so far, without a stop."""
        return self._join(0, len(self._words))

    def take(self, probabilities: Floats) -> int:
        """Draw the next word by ``probabilities`` [V]; its id, which the model is to read next."""
        allowed = probabilities
        if self._model.unk_id is not None:
            allowed = probabilities.copy()
            allowed[self._model.unk_id] = 0
        token_id = self._sampling.draw(allowed, self._random)
        self.token_ids.append(token_id)
        self._words.append("\n" if token_id == self._model.eos_id else self._model.vocabulary.token(token_id))
        for stop in self._stops:
            if self._words[-len(stop) :] == stop:
                del self._words[-len(stop) :]
                self.finish_reason = "stop"
                return token_id
        if len(self.token_ids) >= self._max_tokens:
            self.finish_reason = "length"
        return token_id

    def show(self) -> str:
        """What can be shown that was not shown before: a stop may still swallow the last words until the end."""
        held_back = 0
        if self.finish_reason is None:
            held_back = max((self._begun(stop) for stop in self._stops), default=0)
        end = max(self._shown, len(self._words) - held_back)
        piece = self._join(self._shown, end)
        self._shown = end
        return piece

    def _begun(self, stop: Sequence[str]) -> int:
        """How many of the last words may be the beginning of ``stop``."""
        return max(
            (length for length in range(1, len(stop)) if self._words[-length:] == list(stop[:length])),
            default=0,
        )

    def _join(self, start: int, end: int) -> str:
        pieces: list[str] = []
        for place in range(start, end):
            word = self._words[place]
            if place and word != "\n" and self._words[place - 1] != "\n":
                pieces.append(" ")
            pieces.append(word)
        return "".join(pieces)


def generate(
    model: LanguageModel,
    text: str,
    *,
    max_tokens: int = 20,
    sampling: Sampling | None = None,
    seed: int = 0,
    stop: Sequence[str] = (),
    mixture: bool = True,
) -> Generation:
    """A finished generation that goes on from ``text``. The same seed gives the same text."""
    generation = Generation(
        model, max_tokens=max_tokens, sampling=sampling or Sampling(), seed=seed, stop=stop
    )
    state: State = model.advance(model.start(), model.encode(text)[0])
    while generation.finish_reason is None:
        token_id = generation.take(model.predict([state], mixture=mixture)[0])
        if generation.finish_reason is None:
            state = model.advance(state, [token_id])
    return generation


def _find_words(model: LanguageModel, text: str) -> list[str]:
    """The words of ``text`` with its line breaks, each as it is written in a result."""
    words: list[str] = []
    for number, line in enumerate(text.split("\n")):
        words += ["\n"] * (number > 0) + model.tokenizer.tokens(line)
    return words
