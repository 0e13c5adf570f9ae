"""CBOW: the mean of the words around predicts the word in the middle."""

from __future__ import annotations

from trainer.backend import Array, Backend
from trainer.layers.embedding import EmbeddingBag
from trainer.layers.gradients import merge_gradients
from trainer.models.result import LossAndGradients, OutputLayer
from trainer.models.subwords import SubwordBag, SubwordRows


class CBOW:
    """``h = Σ_c weights[c] * W[contexts[c]] / Σ_c weights[c]``, then the output layer.

    Mikolov et al. 2013, arXiv 1301.3781, section 3.1; the book, 4.3.
    Weights carry everything about the window: 0 where a line's edge or the random shrink cuts it, less than 1
    where a far word shall count less.

    ``context_gradient`` None gives the exact gradient, which divides by ``Σ_c weights[c]`` again (kōan,
    arXiv 2012.15332). A number g gives ``g * weights[c] * d_h`` undivided, which is what word2vec.c does with g = 1.
    """

    def __init__(
        self,
        input_vectors: Array,
        *,
        output: OutputLayer,
        backend: Backend,
        context_gradient: float | None = None,
        subwords: SubwordRows | None = None,
    ) -> None:
        """``input_vectors`` are kept by reference, like the output layer's: [V, D], or as many rows as ``subwords`` name."""
        self.output = output
        self.context_gradient = context_gradient
        self.backend = backend
        self._bag: EmbeddingBag | SubwordBag
        if subwords is None:
            self._bag = EmbeddingBag(input_vectors, backend=backend)
        else:
            self._bag = SubwordBag(input_vectors, subwords=subwords, backend=backend)

    def loss_and_gradients(
        self, *, contexts: Array, weights: Array, targets: Array, negatives: Array | None = None
    ) -> LossAndGradients:
        """One step over ``contexts`` and ``weights`` [B, C], ``targets`` [B], ``negatives`` [B, K].

        An example is a target; one without any context (all weights 0) is left out. Nothing is updated.
        """
        xp = self.backend.xp
        total = weights.sum(axis=1)
        has_context = total > 0
        shares = weights / xp.where(has_context, total, xp.ones_like(total))[:, None]
        h = self._bag.forward(contexts, shares)
        losses = self.output.forward(
            h, targets=targets, negatives=negatives, example_weights=has_context.astype(h.dtype)
        )
        d_h, d_output = self.output.backward()
        undivided = None
        if self.context_gradient is not None:
            undivided = weights * self.context_gradient
        d_input = self._bag.backward(d_h, weights=undivided)
        return LossAndGradients(
            loss_sum=losses.sum(),
            examples=has_context.sum(),
            gradients=merge_gradients([("input", d_input), ("output", d_output)], self.backend),
        )
