"""Versions that are not on the shelf: opened when they are asked for, the ones asked for last kept open."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from artifact.errors import ArtifactError

FAULT_RETRY_S = 30.0

Opened = TypeVar("Opened")


class OpenVersions(Generic[Opened]):
    """At most ``most`` versions, each opened once however many threads ask for it at the same time."""

    def __init__(self, open_version: Callable[[str, str], Opened], *, most: int) -> None:
        self._open = open_version
        self._most = most
        self._opening: OrderedDict[tuple[str, str], tuple[float, Future[Opened]]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, model: str, version: str) -> Opened:
        """The version, opened. Raises what opening it raises; an ArtifactError is remembered for FAULT_RETRY_S."""
        key = (model, version)
        with self._lock:
            since, future = self._opening.get(key, (0.0, None))
            if (
                future is not None
                and future.done()
                and future.exception()
                and time.monotonic() - since > FAULT_RETRY_S
            ):
                future = None
            opens = future is None
            if future is None:
                future = Future()
                self._opening[key] = (time.monotonic(), future)
            self._opening.move_to_end(key)
            while len(self._opening) > self._most:
                self._opening.popitem(last=False)
        if opens:
            try:
                future.set_result(self._open(model, version))
            except BaseException as error:
                future.set_exception(error)
        try:
            return future.result()
        except ArtifactError:
            # Stays remembered for a while: each attempt may hash gigabytes.
            raise
        except Exception:
            with self._lock:
                if self._opening.get(key, (0.0, None))[1] is future:
                    del self._opening[key]
            raise

    def forget(self, model: str, *, served: str | None) -> None:
        """Let go of the version that is on the shelf now, and of failures: what is in the store may have changed."""
        with self._lock:
            for key, (_, future) in list(self._opening.items()):
                failed = future.done() and future.exception() is not None
                if key[0] == model and (failed or key[1] == served):
                    del self._opening[key]
