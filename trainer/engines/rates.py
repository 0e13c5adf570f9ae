"""The learning rate, which falls in a straight line over the words of all epochs, as in word2vec.c."""

from __future__ import annotations

from trainer.recipes import WordVectorSettings

FIRST_RATES = {"cbow": 0.05, "skipgram": 0.025}
LAST_RATES = {"cbow": 1e-4, "skipgram": 0.1}
"""At the end, as a share of the first rate. word2vec.c ends both at 1e-4; skip-gram's scores are a little better where it
ends above that (docs/measurements.md)."""


def choose_rate(settings: WordVectorSettings) -> float:
    """The first rate: what ``settings`` say, or the model's own."""
    return settings.learning_rate or FIRST_RATES[settings.model]


def fall(settings: WordVectorSettings, words: int, total: int) -> float:
    """The rate after `words` of `total`."""
    share = words / max(total, 1)
    return choose_rate(settings) * (1 - share * (1 - LAST_RATES[settings.model]))
