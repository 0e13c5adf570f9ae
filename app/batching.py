"""Threads that compute for all questions to language models: those that arrive together are stepped as one batch.

In each round, every question that a thread has under way gets a bounded piece, so that a long text does not hold up short
ones, and new questions join between rounds. Threads that are free share what is waiting; where nothing is, they help those
that compute. The event loop does no arithmetic.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

from app.asks import Advance, Advanced, Ask, Question, Read
from app.errors import OVERLOADED, ProblemError
from app.jobs import Job
from app.kept_states import KeptStates
from artifact.cells import Floats
from artifact.language import Reading
from artifact.pieces import ALONE, Crew, Piece

WORDS_A_ROUND = 64
MOST_UNDER_WAY = 64
MOST_WAITING = 1_024
MOST_HANDS = 4
KEPT_BYTES = 64 << 20


def available_threads() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(eq=False, slots=True)
class _Ticket:
    """A question under way, and where its answer goes."""

    question: Question
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    cancelled: bool = False
    ask: Ask | None = None


@dataclass(frozen=True, slots=True)
class _Crew:
    """A thread that computes and those that were free when it began."""

    batcher: Batcher
    hands: int

    def perform(self, pieces: Sequence[Piece]) -> None:
        """As artifact.pieces.Crew."""
        self.batcher.share(Job(pieces), helpers=self.hands - 1)


@dataclass
class Batcher:
    """Start it with ``with``; then any event loop may ``answer`` questions."""

    threads: int = field(default_factory=available_threads)
    words_a_round: int = WORDS_A_ROUND
    most_under_way: int = MOST_UNDER_WAY
    most_waiting: int = MOST_WAITING
    kept: KeptStates = field(default_factory=lambda: KeptStates(max_bytes=KEPT_BYTES))
    observe: Callable[[float], object] = float
    """Told how many questions each round steps together."""
    rounds: int = 0
    """Rounds computed so far, and the steps taken in them: their ratio shows how far requests share the work."""
    steps: int = 0

    def __post_init__(self) -> None:
        self._waiting: deque[_Ticket] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._free = self.threads
        self._jobs: deque[Job] = deque()
        self._threads = [
            threading.Thread(target=self._work, name=f"language-models-{number}", daemon=True)
            for number in range(self.threads)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        for thread in self._threads:
            thread.join()

    async def answer(self, question: Question) -> Any:
        """What ``question`` returns. Raises what it raises, and ProblemError where too many are waiting."""
        ticket = self._enter(question)
        try:
            return await ticket.future
        finally:
            ticket.cancelled = True

    async def stream(self, make: Callable[[Callable[[Any], None]], Question]) -> AsyncGenerator[Any, None]:
        """What the question that ``make`` makes shows, by the function it is given, while under way; at last its answer."""
        loop = asyncio.get_running_loop()
        shown: asyncio.Queue[Any] = asyncio.Queue()
        end = object()

        def show(item: Any) -> None:
            _call(loop, shown.put_nowait, item)

        ticket = self._enter(make(show))

        def finish(future: asyncio.Future[Any]) -> None:
            if not future.cancelled():
                # Asked for, so that nothing is logged where nobody listens any more.
                future.exception()
            shown.put_nowait(end)

        ticket.future.add_done_callback(finish)
        try:
            while (item := await shown.get()) is not end:
                yield item
            yield await ticket.future
        finally:
            ticket.cancelled = True

    def _enter(self, question: Question) -> _Ticket:
        loop = asyncio.get_running_loop()
        ticket = _Ticket(question, loop, loop.create_future())
        with self._wake:
            if len(self._waiting) >= self.most_waiting:
                raise ProblemError(
                    OVERLOADED,
                    "too many questions are waiting; ask again later",
                    headers={"retry-after": "1"},
                )
            self._waiting.append(ticket)
            self._wake.notify()
        return ticket

    def _work(self) -> None:
        under_way: list[_Ticket] = []
        while True:
            with self._wake:
                while not (self._waiting or under_way or self._closing or self._jobs):
                    self._wake.wait()
                if self._closing:
                    left = [*under_way, *self._waiting]
                    self._waiting.clear()
                    break
                job = None if self._waiting or under_way else self._jobs.popleft()
                share = -(-len(self._waiting) // self._free)
                room = self.most_under_way - len(under_way)
                joining = [self._waiting.popleft() for _ in range(min(share, room))]
                self._free -= job is None
            if job is not None:
                job.help(is_wanted=self._is_wanted)
                continue
            for ticket in joining:
                self._go_on(ticket, None)
            under_way = [ticket for ticket in (*under_way, *joining) if ticket.ask is not None]
            self._compute(under_way)
            under_way = [ticket for ticket in under_way if ticket.ask is not None]
            with self._wake:
                self._free += 1
        for ticket in left:
            self._fail(ticket, ProblemError(OVERLOADED, "the server is stopping"))

    def _is_wanted(self) -> bool:
        """Whether a thread has more to do than to help."""
        return bool(self._waiting) or self._closing

    def share(self, job: Job, *, helpers: int) -> None:
        """Finish ``job``, with the help of as many threads if they are free."""
        with self._wake:
            self._jobs.extend([job] * helpers)
            self._wake.notify(helpers)
        try:
            job.finish()
        finally:
            with self._wake:
                self._jobs = deque(other for other in self._jobs if other is not job)

    def _gather(self) -> Crew:
        """Whoever is free, to compute with the calling thread."""
        with self._wake:
            helpers = 0 if self._waiting else min(self._free, MOST_HANDS - 1)
        return _Crew(self, hands=1 + helpers) if helpers else ALONE

    def _compute(self, under_way: Sequence[_Ticket]) -> None:
        """One round: a piece for each ticket, one batch for each model."""
        batches: dict[int, list[tuple[_Ticket, Advance]]] = {}
        for ticket in under_way:
            match ticket.ask:
                case _ if ticket.cancelled:
                    self._fail(ticket, asyncio.CancelledError())
                case Advance() as advance:
                    batches.setdefault(id(advance.model), []).append((ticket, advance))
                case Read() as read:
                    try:
                        reading: Reading = read.model.read(read.state, read.token_ids, crew=self._gather())
                    except Exception as error:
                        self._fail(ticket, error)
                    else:
                        self._go_on(ticket, reading)
        for batch in batches.values():
            try:
                finished = self._advance([advance for _, advance in batch])
            except Exception as error:
                for ticket, _ in batch:
                    self._fail(ticket, error)
                continue
            for ticket, advance in batch:
                if id(advance) in finished:
                    self._go_on(ticket, (advance.state, finished[id(advance)]))

    def _advance(self, asks: Sequence[Advance]) -> dict[int, Floats | None]:
        """Move each of ``asks``, all to one model, on by a piece; the distributions for those that are at their end."""
        model = asks[0].model
        pieces = [ask.token_ids[ask.done : ask.done + self.words_a_round] for ask in asks]
        crew = self._gather()
        states = model.advance_all([ask.state for ask in asks], pieces, crew=crew)
        with self._wake:
            self.rounds += 1
            self.steps += len(asks)
        self.observe(len(asks))
        for ask, state, piece in zip(asks, states, pieces, strict=True):
            ask.state = state
            ask.done += len(piece)
        ended = [ask for ask in asks if ask.done == len(ask.token_ids)]
        result: dict[int, Floats | None] = {id(ask): None for ask in ended}
        for mixture in (True, False):
            alike = [ask for ask in ended if ask.predict and ask.mixture == mixture]
            if alike:
                rows = model.predict([ask.state for ask in alike], mixture=mixture, crew=crew)
                result.update({id(ask): row for ask, row in zip(alike, rows, strict=True)})
        return result

    def _go_on(self, ticket: _Ticket, result: Advanced | Reading | None) -> None:
        """Let a question take its result and say what it wants next."""
        ticket.ask = None
        try:
            ticket.ask = ticket.question.send(result)
        except StopIteration as answer:
            _call(ticket.loop, _resolve, ticket.future, answer.value)
        except Exception as error:
            self._fail(ticket, error)

    def _fail(self, ticket: _Ticket, error: BaseException) -> None:
        ticket.ask = None
        ticket.question.close()
        _call(ticket.loop, _reject, ticket.future, error)


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *arguments: Any) -> None:
    # A loop that was closed in the meantime has nobody left who waits.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(function, *arguments)


def _resolve(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _reject(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        if isinstance(error, asyncio.CancelledError):
            future.cancel()
        else:
            future.set_exception(error)
