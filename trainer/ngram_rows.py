"""The input table of words with character n-grams: first a row for each word, then one for each bucket of n-grams.

A word's vector is the mean of its own row and those of its n-grams (Bojanowski et al. 2017, arXiv 1607.04606, section 3.2,
with fastText's mean in place of the sum). The rows after the words are those of the buckets that some word touches, in
order; or, where a table has as many rows, those of all buckets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artifact.errors import Corrupt, InputError
from artifact.subwords import Ngrams, Subwords

_BLOCK_WORDS = 4096


@dataclass(frozen=True)
class NgramRows:
    """Word i is the mean of the input rows ``rows[starts[i]:starts[i + 1]]``, the first of which is its own, row i."""

    starts: NDArray[np.int64]
    """[V + 1]"""
    rows: NDArray[np.int32]
    bucket_ids: NDArray[np.int32]
    """[U] rising: row V + u is that of bucket ``bucket_ids[u]``."""

    @property
    def height(self) -> int:
        """V + U, the rows of the table."""
        return len(self.starts) - 1 + len(self.bucket_ids)

    @classmethod
    def of_words(cls, tokens: Sequence[str], ngrams: Ngrams) -> NgramRows:
        """The rows of every token. Raises InputError where they are too many to be numbered in 32 bits."""
        starts, buckets = ngrams.hash_words(tokens)
        bucket_ids = np.unique(buckets)
        size = len(tokens)
        if size + len(bucket_ids) > np.iinfo(np.int32).max:
            raise InputError(
                f"{size} words and {len(bucket_ids)} buckets of n-grams are too many: lower --buckets"
            )
        own = np.arange(size)
        rows = np.empty(len(buckets) + size, np.int32)
        is_own = np.zeros(len(rows), np.bool_)
        is_own[starts[:-1] + own] = True
        rows[is_own] = own
        rows[~is_own] = size + np.searchsorted(bucket_ids, buckets)
        return cls(starts + np.arange(size + 1), rows, bucket_ids)

    def mean_vectors(self, table: NDArray[np.float32]) -> NDArray[np.float32]:
        """Every word's vector [V, D], from the rows of ``table`` [V + U, D]."""
        vectors = np.empty((len(self.starts) - 1, table.shape[1]), np.float32)
        for first in range(0, len(vectors), _BLOCK_WORDS):
            part = self.starts[first : first + _BLOCK_WORDS + 1]
            sums = np.add.reduceat(table[self.rows[part[0] : part[-1]]], part[:-1] - part[0], axis=0)
            vectors[first : first + _BLOCK_WORDS] = sums / np.diff(part)[:, None]
        return vectors


def find_buckets(height: int, tokens: Sequence[str], ngrams: Ngrams) -> NDArray[np.int32]:
    """The buckets of the rows after the words in an input table of ``height`` rows. Raises Corrupt where none fit."""
    rows = height - len(tokens)
    if rows == ngrams.buckets:
        return np.arange(rows, dtype=np.int32)
    bucket_ids = np.unique(ngrams.hash_words(tokens)[1])
    if rows != len(bucket_ids):
        raise Corrupt(
            f"a table of {height} rows is not that of {len(tokens)} words with {len(bucket_ids)} buckets of n-grams"
        )
    return bucket_ids


def take_subwords(table: NDArray[np.float32], tokens: Sequence[str], ngrams: Ngrams) -> Subwords:
    """What an artifact composes unknown words from: the rows of the buckets that the ``tokens`` touch, of an input table."""
    bucket_ids = find_buckets(len(table), tokens, ngrams)
    rows = table[len(tokens) :]
    if len(bucket_ids) == ngrams.buckets:
        bucket_ids = np.unique(ngrams.hash_words(tokens)[1])
        rows = rows[bucket_ids]
    return Subwords(ngrams, bucket_ids=bucket_ids, rows=rows)
