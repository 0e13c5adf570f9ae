"""Building an n-gram model with modified Kneser-Ney smoothing from a stream of ids, by sorting.

Chen and Goodman 1998, "An empirical study of smoothing techniques for language modeling", section 4.1.6 (equations 26 and
27): interpolated, three discounts for each order, continuation counts below the highest order. A line is a sentence: no
n-gram reaches across <eos>, which stands as the first word of a context for the beginning of a line (as <s> does elsewhere).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.errors import InputError
from artifact.ngrams import MAX_ORDER, NGrams

FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)
"""For texts too small to estimate them from; the values that KenLM falls back to."""


@dataclass(frozen=True)
class _Level:
    """The n-gram types of one order, sorted by (prefix node, word)."""

    prefixes: NDArray[np.int64]
    words: NDArray[np.int64]
    raw: NDArray[np.int64]
    """How often each type stands in the text."""
    adjusted: NDArray[np.int64]
    """Raw counts for the highest order and at the beginning of a line, else the number of words seen before the type."""


def build_ngrams(
    token_ids: NDArray[np.int32],
    *,
    vocab_size: int,
    eos_id: int,
    order: int = 5,
    min_counts: Sequence[int] = (),
) -> NGrams:
    """The model of a stream ``token_ids`` [N], in which ``eos_id`` stands at the end of each line.

    ``min_counts`` drops n-grams seen fewer times, for orders 2, 3, … (the last value holds for all above, none drops
    nothing); what they held goes to the shorter contexts. Raises InputError for ids outside 0 … V-1 and for other settings
    that make no sense. Needs about 100 bytes of memory for each word of the text.
    """
    if not 2 <= order <= MAX_ORDER:
        raise InputError(f"the order of n-grams must be 2 to {MAX_ORDER}, not {order}")
    if not 0 <= eos_id < vocab_size:
        raise InputError(f"<eos> has the id {eos_id}, outside 0 … {vocab_size - 1}")
    if not len(token_ids):
        raise InputError("there is no text to count n-grams in")
    if int(token_ids.min()) < 0 or int(token_ids.max()) >= vocab_size:
        raise InputError(f"an id of the text is outside 0 … {vocab_size - 1}")
    thresholds = [*min_counts, *[min_counts[-1] if min_counts else 1] * order][: order - 1]
    if thresholds != sorted(thresholds) or thresholds[0] < 1:
        raise InputError("min_counts must be at least 1 and must not fall with the order")
    unigram_counts, levels = _count(token_ids, vocab_size=vocab_size, eos_id=eos_id, order=order)
    discounts = estimate_discounts(unigram_counts[unigram_counts > 0])
    total = float(unigram_counts.sum())
    left = _discount(unigram_counts, discounts) / total
    # The last step of the interpolation is with the uniform distribution, so that no word has probability 0.
    unigram = left + (1.0 - left.sum()) / vocab_size
    tensors: dict[str, NDArray[Any]] = {"unigram": unigram.astype(np.float32)}
    places = np.arange(vocab_size)
    contexts = vocab_size
    for number, (level, least) in enumerate(zip(levels, thresholds, strict=True), 2):
        kept = level.raw >= least
        probabilities = _smooth(level)[kept]
        prefixes = places[level.prefixes[kept]]
        sizes = np.bincount(prefixes, minlength=contexts)
        starts = np.concatenate([[0], np.cumsum(sizes)])
        backoffs = 1.0 - np.bincount(prefixes, weights=probabilities, minlength=contexts)
        tensors[f"order{number}.words"] = level.words[kept].astype(
            np.uint16 if vocab_size <= 1 << 16 else np.uint32
        )
        tensors[f"order{number}.probabilities"] = probabilities.astype(np.float32)
        tensors[f"order{number}.starts"] = starts.astype(np.uint32 if starts[-1] < 1 << 32 else np.int64)
        tensors[f"order{number}.backoffs"] = np.maximum(backoffs, 0.0).astype(np.float32)
        places = np.cumsum(kept) - 1
        contexts = len(probabilities)
    return NGrams(tensors)


def estimate_discounts(counts: NDArray[np.int64]) -> tuple[float, float, float]:
    """The discounts for counts of one, two, and three or more, from how many counts are 1, 2, 3 and 4 (equation 27).

    Falls back to FALLBACK_DISCOUNTS where these do not give discounts between zero and the count itself.
    """
    n1, n2, n3, n4 = (int((counts == count).sum()) for count in (1, 2, 3, 4))
    if not (n1 and n2 and n3):
        return FALLBACK_DISCOUNTS
    y = n1 / (n1 + 2 * n2)
    discounts = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    if not all(0 <= discount <= count for count, discount in enumerate(discounts, 1)):
        return FALLBACK_DISCOUNTS
    return discounts


def _count(
    token_ids: NDArray[np.int32], *, vocab_size: int, eos_id: int, order: int
) -> tuple[NDArray[np.int64], list[_Level]]:
    # The text begins with the beginning of a line: a context, not a word that is counted.
    stream = np.concatenate([[eos_id], token_ids.astype(np.int64)])
    is_eos = stream == eos_id
    nodes = stream
    counted: list[tuple[NDArray[np.int64], ...]] = []
    continuations: list[NDArray[np.int64]] = []
    types = vocab_size
    for number in range(2, order + 1):
        ends = np.flatnonzero(nodes[:-1] >= 0) + 1
        if number > 2:
            # <eos> may stand first in a context, nowhere else.
            ends = ends[~is_eos[ends - 1]]
        keys = nodes[ends - 1] * vocab_size + stream[ends]
        unique, first, inverse, raw = np.unique(
            keys, return_index=True, return_inverse=True, return_counts=True
        )
        first_ends = ends[first]
        continuations.append(np.bincount(nodes[first_ends], minlength=types))
        begins_line = is_eos[first_ends - number + 1]
        counted.append((*np.divmod(unique, vocab_size), raw, begins_line))
        nodes = np.full(len(stream), -1, dtype=np.int64)
        nodes[ends] = inverse
        types = len(unique)
    levels = []
    for (prefixes, words, raw, begins_line), preceded in zip(
        counted, [*continuations[1:], None], strict=True
    ):
        # Nothing can stand before the beginning of a line.
        adjusted = raw if preceded is None else np.where(begins_line, raw, preceded)
        levels.append(_Level(prefixes, words, raw, adjusted))
    return continuations[0], levels


def _smooth(level: _Level) -> NDArray[np.float64]:
    totals = np.bincount(level.prefixes, weights=level.adjusted)
    discounted = _discount(level.adjusted, estimate_discounts(level.adjusted))
    result: NDArray[np.float64] = discounted / totals[level.prefixes]
    return result


def _discount(counts: NDArray[np.int64], discounts: tuple[float, float, float]) -> NDArray[np.float64]:
    by_count = np.array([0.0, *discounts])
    result: NDArray[np.float64] = counts - by_count[np.minimum(counts, 3)]
    return result
