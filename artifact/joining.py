"""Questions that arrive together are computed together, without a thread of their own and without waiting for company."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from artifact.observers import tell_nobody

logger = logging.getLogger(__name__)

QuestionT = TypeVar("QuestionT")
AnswerT = TypeVar("AnswerT")


@dataclass(eq=False, slots=True)
class _Ticket(Generic[QuestionT, AnswerT]):
    """A question, and where its answer goes."""

    question: QuestionT
    turn: threading.Event = field(default_factory=threading.Event)
    """Set when there is an answer, or when this thread must compute."""
    answer: AnswerT | None = None
    error: BaseException | None = None
    done: bool = False

    def get(self) -> AnswerT:
        if self.error is not None:
            raise self.error
        answer: AnswerT = self.answer  # type: ignore[assignment]  # set where there is no error
        return answer


class Joiner(Generic[QuestionT, AnswerT]):
    """``compute`` gets the questions of all threads that ask at one time, and returns an answer for each.

    The thread that finds nothing under way computes at once. Those that come meanwhile wait; when it is done, one of them
    computes for all of them. So the busier it is, the more questions share one computation. ``observe`` is shown what is
    computed together; an error of its own is logged, and harms nobody who asks.
    """

    def __init__(
        self, compute: Callable[[Sequence[QuestionT]], Sequence[AnswerT]], *, most: int = 64
    ) -> None:
        self._compute = compute
        self._most = most
        self._lock = threading.Lock()
        self._waiting: deque[_Ticket[QuestionT, AnswerT]] = deque()
        self._busy = False
        self.observe: Callable[[Sequence[QuestionT]], object] = tell_nobody

    def ask(self, question: QuestionT) -> AnswerT:
        """The answer to ``question``. Raises what computing it, or what was computed with it, raises."""
        ticket: _Ticket[QuestionT, AnswerT] = _Ticket(question)
        with self._lock:
            waits = self._busy
            if waits:
                self._waiting.append(ticket)
            self._busy = True
        if waits:
            ticket.turn.wait()
        if not ticket.done:
            self._lead(ticket)
        return ticket.get()

    def _lead(self, own: _Ticket[QuestionT, AnswerT]) -> None:
        """Compute ``own`` and what waits behind it, then let the next one do the same."""
        with self._lock:
            more = min(len(self._waiting), self._most - 1)
            tickets = [own, *(self._waiting.popleft() for _ in range(more))]
        questions = [ticket.question for ticket in tickets]
        try:
            self._show(questions)
            answers = self._compute(questions)
            for ticket, answer in zip(tickets, answers, strict=True):
                ticket.answer = answer
        except BaseException as error:
            for ticket in tickets:
                ticket.error = error
        finally:
            with self._lock:
                following = self._waiting.popleft() if self._waiting else None
                self._busy = following is not None
            for ticket in tickets:
                ticket.done = True
                ticket.turn.set()
            if following is not None:
                following.turn.set()

    def _show(self, questions: Sequence[QuestionT]) -> None:
        try:
            self.observe(questions)
        except Exception:
            logger.exception("an observer of joined questions failed")
