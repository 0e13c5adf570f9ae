"""Where a language model stands in a text: all that was read, as far as it matters to what comes next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.cells import Floats
from artifact.network import Memory


@dataclass(frozen=True, slots=True)
class State:
    """Never changed: following makes another."""

    memory: Memory
    """What the network remembers."""
    context: tuple[int, ...]
    """The last words that the n-grams look back on."""
    recent: NDArray[np.int32]
    """The last words [n] that the caches look back on."""
    trail: Floats
    """The state [n, H] of the network before each of them (none where there is no pointer)."""

    @property
    def h(self) -> Floats:
        """The uppermost state [H] of the network."""
        h: Floats = self.memory[-1][0]
        return h

    @property
    def nbytes(self) -> int:
        """The memory that this takes."""
        return sum(layer.nbytes for layer in self.memory) + self.recent.nbytes + self.trail.nbytes + 256

    def follow(
        self,
        token_ids: NDArray[np.int32],
        *,
        memory: Memory,
        after: Floats,
        order: int,
        span: int,
        keeps_trail: bool,
    ) -> State:
        """The state after ``token_ids`` [T], given the network's memory then and its state ``after`` [T, H] each of them.

        ``order`` - 1 words are kept for the n-grams, ``span`` for the caches.
        """
        trail = self.trail
        if keeps_trail:
            before = np.concatenate([self.h[np.newaxis], after[:-1]])[-span:]
            trail = _last(np.concatenate([trail, before]), span)
        context = (*self.context, *token_ids[-order:].tolist())
        return State(
            memory=memory,
            context=context[max(0, len(context) - (order - 1)) :],
            recent=_last(np.concatenate([self.recent, token_ids]), span),
            trail=trail,
        )


def _last(rows: NDArray[Any], count: int) -> NDArray[Any]:
    return rows[max(0, len(rows) - count) :]
