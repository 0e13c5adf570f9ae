"""Stopping without dropping anything: first the server says that it is not ready, later it stops to accept, then it waits."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Draining:
    """Whether the server is about to stop: ``begun`` is set by the first signal and never unset."""

    def __init__(self) -> None:
        self.begun = False

    @contextmanager
    def on_signals(self, *, drain_s: float) -> Iterator[None]:
        """Within this, SIGTERM begins the draining and reaches the server ``drain_s`` seconds later; a second one at once.

        SIGINT, which somebody at a terminal sends, is not held back. Signals only reach the main thread of a process; in
        another one this does nothing.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

        def pass_on(number: int) -> None:
            handler = before[signal.Signals(number)]
            if callable(handler):
                handler(number, None)

        def handle(number: int, _frame: FrameType | None) -> None:
            again = self.begun
            self.begun = True
            if number == signal.SIGTERM and drain_s and not again:
                loop.call_soon_threadsafe(loop.call_later, drain_s, pass_on, number)
            else:
                pass_on(number)

        for number in before:
            signal.signal(number, handle)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
