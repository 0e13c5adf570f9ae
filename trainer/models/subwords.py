"""Words whose vector is a mean of several rows: their own and those of their character n-grams."""

from __future__ import annotations

from dataclasses import dataclass

from trainer.backend import Array, Backend
from trainer.layers.embedding import EmbeddingBag
from trainer.layers.gradients import RowGradient, sum_outer


@dataclass(frozen=True)
class SubwordRows:
    """Word i is the mean of the rows ``rows[starts[i]:starts[i + 1]]`` of a table, at least one.

    Bojanowski et al. 2017 (arXiv 1607.04606, eq. 2) sum them; fastText takes the mean, as here. ``starts`` is [V + 1].
    """

    starts: Array
    rows: Array


class SubwordBag:
    """``EmbeddingBag`` over words that are means of rows: ``out[b] = Σ_c weights[b, c] Σ_r W[r] / n``, r the n rows of the word.

    Each word of a batch is put together once, however often it occurs.
    """

    def __init__(self, W: Array, *, subwords: SubwordRows, backend: Backend) -> None:
        """``W`` is [rows, D] and is kept by reference."""
        self.W = W
        self.subwords = subwords
        self.backend = backend

    def forward(self, token_ids: Array, weights: Array) -> Array:
        """Sums [B, D] for ids and weights [B, C]; a weight of 0 marks an absent entry."""
        xp, starts = self.backend.xp, self.subwords.starts
        words = xp.unique(token_ids)
        lengths = starts[words + 1] - starts[words]
        ends = xp.cumsum(lengths)
        # One entry for each row of each word: which word, and which row.
        entries = xp.arange(int(lengths.sum()))
        self._words_of = xp.searchsorted(ends, entries, side="right")
        places = entries - (ends - lengths - starts[words])[self._words_of]
        self._rows = self.subwords.rows[places]
        self._shares = (1 / lengths).astype(self.W.dtype)[self._words_of]
        vectors = sum_outer(
            rows=self._words_of[:, None],
            coefficients=self._shares[:, None],
            vectors=self.W[self._rows],
            height=len(words),
            backend=self.backend,
        ).values
        self._bag = EmbeddingBag(vectors, backend=self.backend)
        return self._bag.forward(xp.searchsorted(words, token_ids), weights)

    def backward(self, d_out: Array, *, weights: Array | None = None) -> RowGradient:
        """The gradient of ``W`` for ``d_out`` [B, D]; ``weights`` as for EmbeddingBag.

        It is the exact one: each row of a word gets the n-th part of the word's. fastText gives each the whole.
        """
        xp = self.backend.xp
        d_words = self._bag.backward(d_out, weights=weights)
        present = xp.zeros(d_words.height, dtype=bool)
        present[d_words.rows] = True
        chosen = xp.flatnonzero(present[self._words_of])
        place = xp.cumsum(present) - 1
        return sum_outer(
            rows=self._rows[chosen][:, None],
            coefficients=self._shares[chosen][:, None],
            vectors=d_words.values[place[self._words_of[chosen]]],
            height=len(self.W),
            backend=self.backend,
        )
