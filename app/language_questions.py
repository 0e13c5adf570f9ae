"""Questions to language models, as the batching thread carries them out: tokenizing, stepping, listing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from app.asks import Advance, Question, Read
from app.kept_states import KeptStates
from artifact.errors import EmptyQuery
from artifact.generation import FinishReason, Generation
from artifact.language import LanguageModel, Prediction, TextScore
from artifact.sampling import Sampling

WORDS_AT_ONCE = 64
"""Words of a text to score that are read in one round."""


@dataclass(frozen=True)
class NextAnswer:
    """The likeliest next words, the probability of all that is not listed, and the unknown words of the text."""

    words: list[Prediction]
    remaining: float
    unknown: list[str]


@dataclass(frozen=True)
class GenerateAnswer:
    """A text that was drawn, why it ended, how many words that took, and the unknown words of what it goes on from."""

    text: str
    finish_reason: FinishReason
    tokens: int
    unknown: list[str]


def ask_next(
    model: LanguageModel, text: str, *, kept: KeptStates, top: int, prefix: str, mixture: bool
) -> Question:
    """A NextAnswer for ``text``."""
    token_ids, unknown = model.encode(text)
    advance = begin(model, token_ids, kept=kept, mixture=mixture)
    state, probabilities = yield advance
    kept.keep(model, token_ids, state)
    words, remaining = model.list_words(probabilities, top=top, prefix=prefix)
    model.tell_unknown(unknown)
    return NextAnswer(words, remaining, unknown)


def ask_score(model: LanguageModel, text: str, *, mixture: bool) -> Question:
    """A TextScore for ``text``. Raises EmptyQuery where it has no word that the model could know."""
    pairs = model.split(text)
    token_ids = [token_id for _, token_id in pairs if token_id is not None]
    if not token_ids:
        raise EmptyQuery("there is no word in this text that the model could know")
    state = model.start()
    pieces = []
    for start in range(0, len(token_ids), WORDS_AT_ONCE):
        reading = yield Read(model, state, token_ids[start : start + WORDS_AT_ONCE])
        pieces.append(reading.mixture if mixture else reading.parts[0])
        state = reading.state
    score: TextScore = model.list_scores(pairs, np.concatenate(pieces))
    model.tell_unknown(score.unknown)
    return score


def ask_generate(
    model: LanguageModel,
    text: str,
    *,
    kept: KeptStates,
    max_tokens: int,
    sampling: Sampling,
    seed: int,
    stop: Sequence[str],
    mixture: bool,
    show: Callable[[str], None] = lambda _: None,
) -> Question:
    """A GenerateAnswer that goes on from ``text``; ``show`` is given the pieces of the text as they come."""
    generation = Generation(model, max_tokens=max_tokens, sampling=sampling, seed=seed, stop=stop)
    token_ids, unknown = model.encode(text)
    state, probabilities = yield begin(model, token_ids, kept=kept, mixture=mixture)
    kept.keep(model, token_ids, state)
    while True:
        token_id = generation.take(probabilities)
        if piece := generation.show():
            show(piece)
        if generation.finish_reason is not None:
            model.tell_unknown(unknown)
            return GenerateAnswer(
                generation.text, generation.finish_reason, len(generation.token_ids), unknown
            )
        state, probabilities = yield Advance(model, state, [token_id], mixture=mixture)


def begin(model: LanguageModel, token_ids: Sequence[int], *, kept: KeptStates, mixture: bool) -> Advance:
    """Read ``token_ids`` from where a kept state leaves off."""
    found = kept.find(model, token_ids)
    if found is None:
        state, length = model.start(), 0
        kept.keep(model, (), state)
    else:
        state, length = found
    return Advance(model, state, token_ids[length:], mixture=mixture)
