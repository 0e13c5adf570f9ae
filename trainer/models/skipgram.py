"""SkipGram: one word of a pair predicts the other."""

from __future__ import annotations

from trainer.backend import Array, Backend
from trainer.layers.embedding import EmbeddingBag
from trainer.layers.gradients import merge_gradients
from trainer.models.result import LossAndGradients, OutputLayer
from trainer.models.subwords import SubwordBag, SubwordRows


class SkipGram:
    """Each word of the context, alone, predicts the word in the middle.

    A text's (word, neighbour) pairs are the same set read either way; this direction is word2vec.c's, where
    all pairs of a target may share its negatives (the book, 4.3, and Mikolov et al. 2013, arXiv 1301.3781,
    section 3.2, write it the other way round).
    """

    def __init__(
        self,
        input_vectors: Array,
        *,
        output: OutputLayer,
        backend: Backend,
        subwords: SubwordRows | None = None,
    ) -> None:
        """``input_vectors`` are kept by reference, like the output layer's: [V, D], or as many rows as ``subwords`` name."""
        self.output = output
        self.backend = backend
        self._bag: EmbeddingBag | SubwordBag
        if subwords is None:
            self._bag = EmbeddingBag(input_vectors, backend=backend)
        else:
            self._bag = SubwordBag(input_vectors, subwords=subwords, backend=backend)

    def loss_and_gradients(
        self, *, contexts: Array, weights: Array, targets: Array, negatives: Array | None = None
    ) -> LossAndGradients:
        """One step over ``contexts`` and ``weights`` [B, C], ``targets`` [B], ``negatives`` [B, K] or [B, C, K].

        An example is a pair (b, c) whose ``weights[b, c]`` is above 0; the weight multiplies its loss.
        Negatives [B, K] are shared by the pairs of a target. Nothing is updated.
        """
        xp = self.backend.xp
        b, c = xp.nonzero(weights)
        words = contexts[b, c][:, None]
        h = self._bag.forward(words, xp.ones(words.shape, weights.dtype))
        if negatives is not None:
            negatives = negatives[b, c] if negatives.ndim == 3 else negatives[b]
        losses = self.output.forward(
            h, targets=targets[b], negatives=negatives, example_weights=weights[b, c]
        )
        d_h, d_output = self.output.backward()
        d_input = self._bag.backward(d_h)
        return LossAndGradients(
            loss_sum=losses.sum(),
            examples=len(b),
            gradients=merge_gradients([("input", d_input), ("output", d_output)], self.backend),
        )
