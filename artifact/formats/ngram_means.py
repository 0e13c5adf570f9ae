"""The vector of a word that fastText knows: the mean of its own row and those of its n-grams (``FastText::getWordVector``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.subwords import Ngrams

_LINE_END = "</s>"
_NGRAMS_AT_ONCE = 1 << 15


def mix_in_ngrams(
    ngrams: Ngrams, words: Sequence[bytes], rows: NDArray[Any], buckets: NDArray[Any]
) -> NDArray[np.float32]:
    """The vectors [n, D] of ``words``, from their own ``rows`` [n, D] and those of all ``buckets`` [B, D]."""
    spelled = [word.decode(errors="replace") for word in words]
    starts, ids = ngrams.hash_words(spelled)
    lengths = np.diff(starts)
    lengths[[word == _LINE_END for word in spelled]] = 0
    sums = rows.astype(np.float64)
    # So many words at once that the rows of their n-grams fit in memory.
    first = 0
    while first < len(words):
        last = max(first + 1, int(np.searchsorted(starts, starts[first] + _NGRAMS_AT_ONCE, side="right")) - 1)
        used = first + np.flatnonzero(lengths[first:last])
        if len(used):
            places = np.concatenate([ids[starts[word] : starts[word + 1]] for word in used])
            offsets = np.concatenate([[0], np.cumsum(lengths[used])[:-1]])
            sums[used] += np.add.reduceat(buckets[places], offsets, axis=0, dtype=np.float64)
        first = last
    means: NDArray[np.float32] = (sums / (1 + lengths)[:, np.newaxis]).astype(np.float32)
    return means
