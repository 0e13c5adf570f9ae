"""A job that one thread has and that idle threads may help with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from artifact.pieces import Piece


class Job:
    """``pieces``, each listed behind those that it needs: one thread must ``finish`` them, others may ``help``."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._left = list(pieces)
        self._done: set[Piece] = set()
        self._under_way = 0
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def help(self, *, is_wanted: Callable[[], bool]) -> None:
        """Run pieces until none is left, or until this thread ``is_wanted`` elsewhere."""
        while not is_wanted() and (piece := self._take()) is not None:
            self._run(piece)

    def finish(self) -> None:
        """Run what nobody else has taken and wait for what others have. Raises what a piece raised."""
        while (piece := self._take()) is not None:
            self._run(piece)
        with self._changed:
            while self._under_way:
                self._changed.wait()
        if self._error is not None:
            raise self._error

    def _take(self) -> Piece | None:
        """The first piece that can be begun, as soon as there is one; None when all are taken."""
        with self._changed:
            while self._left:
                for place, piece in enumerate(self._left):
                    if self._done.issuperset(piece.after):
                        del self._left[place]
                        self._under_way += 1
                        return piece
                self._changed.wait()
        return None

    def _run(self, piece: Piece) -> None:
        error: BaseException | None = None
        try:
            piece.run()
        except BaseException as raised:
            error = raised
        with self._changed:
            if error is not None:
                self._error = error
                self._left.clear()
            self._done.add(piece)
            self._under_way -= 1
            self._changed.notify_all()
