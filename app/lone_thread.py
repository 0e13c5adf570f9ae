"""One thread for short work that is mostly the interpreter's own: several would take the interpreter's lock from each other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, Self, TypeVar

Result = TypeVar("Result")


class LoneThread:
    """Works one piece after another, at most ``most_under_way`` given to it at once. Stop it by ``with``."""

    def __init__(self, name: str, *, most_under_way: int) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._most_under_way = most_under_way
        # Adding and discarding are atomic: the thread discards while event loops add.
        self._under_way: set[Future[Any]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown(cancel_futures=True)

    @property
    def has_room(self) -> bool:
        """Whether it should be given more: too much under way means that something there takes long."""
        return len(self._under_way) < self._most_under_way

    async def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """What ``function`` returns or raises in the thread, where the caller's context variables hold."""
        future = self._executor.submit(copy_context().run, function, *arguments)
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        return await asyncio.wrap_future(future)
