"""Penalties on what the last recurrent layer says, and on how much that changes from step to step."""

from __future__ import annotations

from trainer.backend import Array, Backend


class Penalties:
    """α and β of Merity et al. 2017 (arXiv 1708.02182, section 4.6): mean squares that are added to the loss."""

    def __init__(self, activation: float, change: float, *, backend: Backend) -> None:
        """``activation`` is α, ``change`` β."""
        self.activation, self.change = activation, change
        self.backend = backend

    def add_activation(self, d_hs: Array, hs: Array, *, scale: float) -> Array:
        """``d_hs`` and the gradient of ``scale`` times α times the sum over steps and lanes of the mean square of ``hs``."""
        if not self.activation:
            return d_hs
        return d_hs + (2 * self.activation * scale / hs.shape[-1]) * hs

    def add_change(self, d_hs: Array, hs: Array, *, scale: float) -> Array:
        """``d_hs`` and the gradient of β times the mean square of ``hs[t + 1] - hs[t]``, scaled as if there were T of them."""
        steps = len(hs)
        if not self.change or steps < 2:
            return d_hs
        change = hs[1:] - hs[:-1]
        change *= 2 * self.change * scale * steps / (steps - 1) / hs.shape[-1]
        d_hs = d_hs.copy()
        d_hs[1:] += change
        d_hs[:-1] -= change
        return d_hs
