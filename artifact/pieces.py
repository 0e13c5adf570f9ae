"""Work cut into pieces, so that whoever has idle threads may carry out several at the same time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, eq=False, slots=True)
class Piece:
    """Something to ``run``, by any one thread, once all in ``after`` have been run."""

    run: Callable[[], None]
    after: tuple[Piece, ...] = ()


class Crew(Protocol):
    """Those who carry out pieces."""

    @property
    def hands(self) -> int:
        """How many threads there are, the caller's among them; with 1 nothing is gained by cutting work up."""

    def perform(self, pieces: Sequence[Piece]) -> None:
        """Run all ``pieces``, each listed behind those that it needs; those listed first are begun first.

        Raises what one of them raised; then some may not have been run.
        """


class Alone:
    """The calling thread and nobody else."""

    hands = 1

    def perform(self, pieces: Sequence[Piece]) -> None:
        """As in Crew: one after another, as they are listed."""
        for piece in pieces:
            piece.run()


ALONE = Alone()
