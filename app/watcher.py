"""A thread that looks every few seconds whether the store has other versions to serve."""

from __future__ import annotations

import logging
import threading
from typing import Self

from app.catalog import Catalog

STOP_S = 2.0
logger = logging.getLogger(__name__)


class Watcher:
    """Within, ``catalog`` is polled every ``poll_seconds``; never where that is 0."""

    def __init__(self, catalog: Catalog, *, poll_seconds: float) -> None:
        self._catalog = catalog
        self._poll_seconds = poll_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="store-watcher", daemon=True)

    def __enter__(self) -> Self:
        if self._poll_seconds:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread.is_alive():
            # A version that is being hashed must not keep the server from stopping.
            self._thread.join(STOP_S)

    def _watch(self) -> None:
        while not self._stop.wait(self._poll_seconds):
            try:
                self._catalog.poll()
            except Exception:
                logger.exception("looking for new versions failed")
