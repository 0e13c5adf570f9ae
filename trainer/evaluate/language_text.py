"""How well a published language model foretells a text: the perplexity of the network alone, and of what is served."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from artifact.errors import InputError
from artifact.language import LanguageModel, compute_perplexity
from trainer.corpus.reading import read_pieces
from trainer.corpus.sources import find_sources

_PIECE_BYTES = 1 << 20
_WORDS_AT_ONCE = 2048


@dataclass(frozen=True)
class LanguageTextResult:
    """What a text came to. Every line's end is a word; unknown words count as <unk>."""

    words: int
    unknown: int
    """How many words became <unk>."""
    left_out: int
    """How many could not be scored because the model has no <unk>."""
    perplexity: float
    """Of the network alone."""
    mixture_perplexity: float | None
    """Of the network with n-grams and caches, which is what is served; None where the model has no mixture."""

    def to_json(self) -> dict[str, Any]:
        """As ``evaluate --json`` has it."""
        return {
            "perplexity": round(self.perplexity, 4),
            "mixture_perplexity": None
            if self.mixture_perplexity is None
            else round(self.mixture_perplexity, 4),
            "text": {"words": self.words, "unknown": self.unknown, "left_out": self.left_out},
        }


def evaluate_language_text(
    model: LanguageModel, source: str, *, progress: Callable[[int], None] = lambda _: None
) -> LanguageTextResult:
    """Read the text of ``source`` (a path, a folder, a glob or -) in one pass, the caches going on from line to line.

    ``progress`` is told the words read so far. Raises InputError where there is no text, or no word that could be known.
    """
    state = model.start()
    network: list[np.ndarray[Any, np.dtype[np.float64]]] = []
    mixed: list[np.ndarray[Any, np.dtype[np.float64]]] = []
    words = unknown = left_out = 0
    waiting: list[int] = []

    def read(count: int) -> None:
        nonlocal state, words
        for start in range(0, count, _WORDS_AT_ONCE):
            reading = model.read(state, waiting[start : min(start + _WORDS_AT_ONCE, count)])
            state = reading.state
            network.append(reading.parts[0])
            mixed.append(reading.mixture)
            words += len(reading.mixture)
            progress(words)
        del waiting[:count]

    for line in _read_lines(source):
        for token, token_id in model.split(f"{line}\n"):
            if token_id is None:
                left_out += 1
            else:
                unknown += token_id == model.unk_id and token != model.vocabulary.token(token_id)
                waiting.append(token_id)
        read(len(waiting) // _WORDS_AT_ONCE * _WORDS_AT_ONCE)
    read(len(waiting))
    if not words:
        raise InputError(f"{source}: there is no word in this text that the model could know")
    return LanguageTextResult(
        words=words,
        unknown=unknown,
        left_out=left_out,
        perplexity=compute_perplexity(np.concatenate(network)),
        mixture_perplexity=None if model.mixture is None else compute_perplexity(np.concatenate(mixed)),
    )


def _read_lines(name: str) -> Iterator[str]:
    """The lines of a text, with what is not UTF-8 replaced, as a corpus is read."""
    for source in find_sources([name]):
        rest = b""
        for piece, _ in read_pieces(source, _PIECE_BYTES):
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                yield line.decode("utf-8", "replace")
        if rest:
            yield rest.decode("utf-8", "replace")
