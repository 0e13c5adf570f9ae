"""SIGINT, SIGTERM and SIGHUP: outside training they end the command cleanly, during training they ask it to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any]
_ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class EndedBySignal(BaseException):
    """The command is to end now; not an Exception, so that nothing on the way mistakes it for an error."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(signal.Signals(number).name)

    @property
    def exit_code(self) -> int:
        """What a shell expects of a command that ended by this signal."""
        return 128 + self.number


class StopRequest:
    """Looks like an Event to a training loop; remembers which signal set it."""

    def __init__(self) -> None:
        self.number: int | None = None

    def is_set(self) -> bool:
        return self.number is not None

    @property
    def exit_code(self) -> int:
        """What a shell expects of a command that ended by this signal; 0 without one."""
        return 0 if self.number is None else 128 + self.number


@contextmanager
def end_on_signals() -> Iterator[None]:
    """Within, an ending signal raises EndedBySignal."""

    def end(number: int, _: FrameType | None) -> None:
        raise EndedBySignal(number)

    with _handled(end):
        yield


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Within, the first ending signal is only noted; a second one raises EndedBySignal."""
    request = StopRequest()

    def note(number: int, _: FrameType | None) -> None:
        if request.is_set():
            raise EndedBySignal(number)
        request.number = number

    with _handled(note):
        yield request


@contextmanager
def _handled(handler: Handler) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    # What the caller ignores (nohup) stays ignored.
    before = {number: signal.getsignal(number) for number in _ENDING}
    taken = [number for number, previous in before.items() if previous is not signal.SIG_IGN]
    for number in taken:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])
