"""Fitting what is served with a network: the weights of n-grams and caches, and the settings of the caches, on held-out text."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.cache import Cache, Pointer
from artifact.cells import Floats
from artifact.errors import InputError
from artifact.language import compute_perplexity
from artifact.mixture import Mixture
from artifact.network import Network
from artifact.ngrams import NGrams

MAX_WORDS = 50_000
"""More held-out words than this change nothing that shows."""
CACHES = (Cache(200, 0.98), Cache(300, 0.99), Cache(500, 0.995), Cache(500, 1.0))
POINTER_WORDS = (500, 1000, 2000)
SHARPNESSES = (2.0, 4.0, 8.0, 16.0, 32.0)
"""Tried in units of 1 / mean |h|², since cells differ in how large their states are."""
_ROUNDS = 200
_PRIOR_WORDS = 2.0
_WORDS_AT_ONCE = 1024


@dataclass(frozen=True)
class FittedMixture:
    """The mixture, and the perplexity on the held-out text of the network alone, the n-grams alone, and the mixture."""

    mixture: Mixture
    network_perplexity: float
    ngrams_perplexity: float
    mixture_perplexity: float


def fit_mixture(
    network: Network,
    ngrams: NGrams,
    token_ids: NDArray[np.int32],
    *,
    eos_id: int,
    max_words: int = MAX_WORDS,
    progress: Callable[[int, int], None] | None = None,
) -> FittedMixture:
    """The mixture that is best for ``token_ids`` [N], a text that none of the parts was trained on, after an <eos>.

    The weights by expectation maximisation (Jelinek and Mercer 1980), the caches by trying a few of each; both are fitted
    where the caches are full. ``progress`` is told the words read and their number. Raises InputError for an empty text.
    """
    stream = np.asarray(token_ids[:max_words], dtype=np.int32)
    if not len(stream):
        raise InputError("there is no held-out text to fit the mixture on")
    before = _read(network, stream, eos_id=eos_id, progress=progress)
    parts = np.zeros((4, len(stream)))
    parts[0] = network.score(before, stream)
    parts[1] = ngrams.score(stream, context=[eos_id])
    nothing = np.empty(0, dtype=np.int32)
    full = min(max(POINTER_WORDS), len(stream) // 2)
    scale = float(np.einsum("nh,nh->n", before, before).mean()) or 1.0

    def choose(place: int, candidates: Sequence[Any], score: Callable[[Any], NDArray[np.float64]]) -> Any:
        """The candidate with which the mixture is best; its probabilities stay in ``parts``."""
        tried = []
        for candidate in candidates:
            parts[place] = score(candidate)
            _, perplexity = fit_weights(parts[:, full:])
            tried.append((perplexity, parts[place].copy()))
        best = min(range(len(tried)), key=lambda number: tried[number][0])
        parts[place] = tried[best][1]
        return candidates[best]

    def point(pointer: Pointer) -> NDArray[np.float64]:
        return pointer.score(nothing, stream, before)

    by_sharpness = [Pointer(POINTER_WORDS[0], sharpness / scale) for sharpness in SHARPNESSES]
    pointer = choose(3, by_sharpness, point)
    pointer = choose(3, [dataclasses.replace(pointer, words=words) for words in POINTER_WORDS], point)
    cache = choose(2, CACHES, lambda cache: cache.score(nothing, stream))
    weights, _ = fit_weights(parts[:, full:])
    shares = dict(zip(("network", "ngrams", "cache", "pointer"), weights.tolist(), strict=True))
    mixture = Mixture(
        **shares,
        cache_words=cache.words,
        cache_decay=cache.decay,
        pointer_words=pointer.words,
        pointer_sharpness=pointer.sharpness,
    )
    served = (mixture.weigh(np.arange(len(stream))) * parts).sum(axis=0)
    return FittedMixture(
        mixture=mixture,
        network_perplexity=compute_perplexity(parts[0]),
        ngrams_perplexity=compute_perplexity(parts[1]),
        mixture_perplexity=compute_perplexity(served),
    )


def fit_weights(parts: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """The weights [K] for which the mixture of ``parts`` [K, N] is likeliest, and its perplexity.

    Expectation maximisation; a part that is zero throughout gets no weight.
    """
    present = np.flatnonzero(parts.any(axis=1))
    rows = parts[present]
    weights = np.full(len(rows), 1 / len(rows))
    for _ in range(_ROUNDS):
        joint = weights[:, np.newaxis] * rows
        shares = (joint / np.maximum(joint.sum(axis=0), np.finfo(float).tiny)).sum(axis=1) + _PRIOR_WORDS
        moved = shares / shares.sum()
        done = np.abs(moved - weights).max() < 1e-6
        weights = moved
        if done:
            break
    result = np.zeros(len(parts))
    result[present] = weights
    return result, compute_perplexity(result @ parts)


def _read(
    network: Network,
    stream: NDArray[np.int32],
    *,
    eos_id: int,
    progress: Callable[[int, int], None] | None,
) -> Floats:
    """The state [N, H] of the network before each word of ``stream``."""
    inputs = np.concatenate([np.array([eos_id], dtype=np.int32), stream[:-1]])
    before = np.empty((len(stream), network.hidden), dtype=np.float32)
    memory = network.start()
    for start in range(0, len(inputs), _WORDS_AT_ONCE):
        piece = inputs[start : start + _WORDS_AT_ONCE]
        (memory,), (before[start : start + len(piece)],) = network.run([memory], [piece])
        if progress is not None:
            progress(start + len(piece), len(stream))
    return before
