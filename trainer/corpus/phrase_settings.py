"""What phrases are looked for, and how well the words of a pair hold together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.errors import InputError
from artifact.phrases import Joining
from artifact.tokenizer import Tokenizer

THRESHOLDS = {"default": 100.0, "npmi": 0.5}
"""The scorings, and the score above which a pair is a phrase unless something else is asked for."""


@dataclass(frozen=True)
class PhraseSettings:
    """How phrases are found; see ``score``. Raises InputError naming the option that makes no sense."""

    passes: int = 2
    scoring: str = "default"
    threshold: float | None = None
    """None: that of the scoring."""
    connectors: tuple[str, ...] = ()
    """Words that may stand inside a phrase but neither begin nor end it, such as of and the."""

    def __post_init__(self) -> None:
        if self.scoring not in THRESHOLDS:
            raise InputError(
                f"--phrase-scoring must be one of {', '.join(THRESHOLDS)}, not {self.scoring!r:.40}"
            )
        try:
            Joining(self.passes, self.connectors)
        except InputError as error:
            raise InputError(f"--phrases: {error}") from None
        threshold = self.least_score
        if self.scoring == "default" and not (math.isfinite(threshold) and threshold > 0):
            raise InputError(f"--phrase-threshold must be a number above 0, not {threshold}")
        if self.scoring == "npmi" and not -1 <= threshold < 1:
            raise InputError(f"--phrase-threshold must be from -1 to below 1 for npmi, not {threshold}")

    @property
    def least_score(self) -> float:
        """A pair must score more than this."""
        return THRESHOLDS[self.scoring] if self.threshold is None else self.threshold

    @property
    def joining(self) -> Joining:
        return Joining(self.passes, self.connectors)

    def spelled_by(self, tokenizer: Tokenizer) -> PhraseSettings:
        """With the connectors as ``tokenizer`` writes them. Raises InputError for one that is not one word there."""
        tokens = [tokenizer.tokens(word) for word in self.connectors]
        for word, found in zip(self.connectors, tokens, strict=True):
            if len(found) != 1:
                raise InputError(
                    f"--phrase-connectors: {word!r:.60} is not a word for the tokenizer {tokenizer.name}"
                )
        return replace(self, connectors=tuple(dict.fromkeys(found[0] for found in tokens)))

    def to_json(self) -> dict[str, Any]:
        """All settings by the names of their options; ``from_json`` reads them."""
        return {
            "phrase_passes": self.passes,
            "phrase_scoring": self.scoring,
            "phrase_threshold": self.least_score,
            "phrase_connectors": list(self.connectors),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PhraseSettings:
        """Raises ValueError for anything that ``to_json`` did not write."""
        match value:
            case {
                "phrase_passes": int(passes),
                "phrase_scoring": str(scoring),
                "phrase_threshold": int() | float() as threshold,
                "phrase_connectors": list(connectors),
            } if len(value) == 4 and all(isinstance(word, str) for word in connectors):
                try:
                    return cls(passes, scoring, float(threshold), tuple(connectors))
                except InputError as error:
                    raise ValueError(str(error)) from None
        raise ValueError("not settings of phrases")

    def score(
        self,
        *,
        pair: NDArray[np.int64],
        first: NDArray[np.int64],
        last: NDArray[np.int64],
        words: int,
        min_count: int,
    ) -> NDArray[np.float64]:
        """How much more often than by chance pairs occur.

        ``pair`` [P] says how often they do, ``first`` and ``last`` [P] how often their units do, in a text of ``words``.

        default: (pair - min_count) words / (first last), Mikolov et al. 2013, equation 6, with min_count as its discount
        and the length of the text as in word2phrase. (gensim puts the size of the vocabulary in its place, so that its
        thresholds are others.) npmi: ln(p(ab) / p(a) p(b)) / -ln p(ab), Bouma 2009, equation 7; from -1 to 1.
        """
        joint, both = pair.astype(np.float64), first.astype(np.float64) * last
        if self.scoring == "default":
            scores: NDArray[np.float64] = (joint - min_count) * words / both
            return scores
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = np.log(joint * words / both) / -np.log(joint / words)
        return np.where(joint < words, scores, 1.0)

    def limits(self, counts: NDArray[np.int64], *, words: int, min_count: int) -> NDArray[np.float64]:
        """[V] how often another unit may occur at most for a pair of both to score enough, were they always together.

        A pair occurs no more often than the rarer of its units, and scores fall where the other one is more frequent.
        """
        own = counts.astype(np.float64)
        if self.scoring == "default":
            with np.errstate(divide="ignore", invalid="ignore"):
                limits = (own - min_count) * words / (own * self.least_score)
        else:
            limits = (
                words * (own / words) ** self.least_score
                if self.least_score > 0
                else np.full(len(own), np.inf)
            )
        # A little more, so that rounding loses none.
        return np.where(own >= min_count, limits * (1 + 1e-9) + 1e-6, 0.0)
