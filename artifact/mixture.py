"""What is served: the network, the n-grams and the two caches of recent words, each with a weight (linear interpolation)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.cache import Cache, Pointer
from artifact.errors import Corrupt


@dataclass(frozen=True)
class Mixture:
    """The weights of the four, which sum to one, and the settings of the caches. A weight of 0 leaves a part out.

    A cache that is not full yet has its weight in proportion to how full it is; what it lacks goes to the network and the
    n-grams in the proportion of theirs. Raises Corrupt for values that make no sense.
    """

    network: float = 1.0
    ngrams: float = 0.0
    cache: float = 0.0
    pointer: float = 0.0
    cache_words: int = 500
    cache_decay: float = 0.995
    pointer_words: int = 500
    pointer_sharpness: float = 0.3

    def __post_init__(self) -> None:
        weights = (self.network, self.ngrams, self.cache, self.pointer)
        if not all(0 <= weight <= 1 for weight in weights) or abs(sum(weights) - 1) > 1e-6:
            raise Corrupt("mixture: the weights must be 0 to 1 and sum to one")
        if self.network + self.ngrams <= 0:
            raise Corrupt("mixture: the network or the n-grams must have a weight")
        if not (1 <= self.cache_words <= 1 << 20 and 1 <= self.pointer_words <= 1 << 20):
            raise Corrupt("mixture: a cache must hold at least one word")
        if not (0 < self.cache_decay <= 1 and math.isfinite(self.pointer_sharpness)):
            raise Corrupt("mixture: the decay must be above 0 and at most 1, the sharpness finite")

    @classmethod
    def from_json(cls, value: object) -> Mixture:
        """The mixture in a manifest's recipe; Corrupt where a field is missing, unknown or of the wrong type."""
        kinds: dict[str, type] = {field.name: type(field.default) for field in fields(cls)}
        if not isinstance(value, Mapping) or set(value) != set(kinds):
            raise Corrupt(f"mixture: {', '.join(kinds)} must be there and nothing else")
        for name, kind in kinds.items():
            # JSON has one kind of number: 1 may stand for 1.0.
            if type(value[name]) not in ({int, float} if kind is float else {int}):
                raise Corrupt(f"mixture: {name} is not a number of its kind")
        return cls(**{name: kind(value[name]) for name, kind in kinds.items()})

    def to_json(self) -> dict[str, Any]:
        """What the recipe of a manifest holds under ``mixture``."""
        return asdict(self)

    @property
    def recency(self) -> Cache:
        """The cache."""
        return Cache(words=self.cache_words, decay=self.cache_decay)

    @property
    def pointing(self) -> Pointer:
        """The continuous cache."""
        return Pointer(words=self.pointer_words, sharpness=self.pointer_sharpness)

    @property
    def span(self) -> int:
        """How many of the last words the caches look back on."""
        return max(
            self.cache_words if self.cache else 0,
            self.pointer_words if self.pointer else 0,
        )

    def weigh(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """The weights [4, N] of network, n-grams, cache and pointer after each of ``counts`` [N] words."""
        cache = self.cache * self.recency.fill(counts)
        pointer = self.pointer * self.pointing.fill(counts)
        rest = (1 - cache - pointer) / (self.network + self.ngrams)
        return np.stack([self.network * rest, self.ngrams * rest, cache, pointer])
