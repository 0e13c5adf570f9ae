"""The text on its way to a GPU: token ids with the ends of lines marked, through two pinned buffers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.engines.device import Device
from trainer.engines.sampling import PIECE
from trainer.mapped_files import let_go

LINE_END = np.uint32(1 << 31)


def encode_tokens(
    token_ids: NDArray[np.int32],
    line_starts: NDArray[np.int64],
    *,
    start: int,
    stop: int,
    out: NDArray[np.uint32],
) -> None:
    """Words ``start:stop`` as the kernel reads them: id + 1, 0 for a word out of the vocabulary, and ``LINE_END`` at line ends."""
    np.add(token_ids[start:stop], 1, out=out.view(np.int32))
    first, last = np.searchsorted(line_starts, [start, stop], side="right")
    out[line_starts[first:last] - (1 + start)] |= LINE_END


@dataclass
class _Buffer:
    pinned: NDArray[np.uint32]
    target: Any
    holds: tuple[int, int] | None = None
    copied: Any = None


class TokenFeed:
    """Brings pieces of the text to the device ahead of their training.

    A text that fits stays there after its first epoch; another one passes through two buffers, epoch by epoch.
    Whoever stages pieces has waited for all training but that on the pieces taken last.
    """

    def __init__(
        self,
        device: Device,
        token_ids: NDArray[np.int32],
        line_starts: NDArray[np.int64],
        *,
        span: int,
        resident: bool,
    ) -> None:
        """`span`: pieces that are staged together at most."""
        self._device, self._token_ids, self._line_starts = device, token_ids, line_starts
        words = len(token_ids)
        room = min(span * PIECE, words)
        self._whole = device.zeros((words,), np.uint32) if resident else None
        self._there = np.zeros(-(-words // PIECE), bool)  # which pieces a resident text has on the device
        self._events: list[Any] = []
        self._buffers = [
            _Buffer(device.pinned(room), None if resident else device.zeros((room,), np.uint32))
            for _ in range(2)
        ]

    @property
    def complete(self) -> bool:
        """Whether all of the text is on the device."""
        return self._whole is not None and bool(self._there.all())

    def stage(self, first: int, last: int) -> None:
        """Start to copy pieces ``first:last`` of the epoch, unless they are there or on their way."""
        if (first, last) in {buffer.holds for buffer in self._buffers} or self._there[first:last].all():
            return
        self._buffers.reverse()  # the other one is being trained on
        buffer = self._buffers[0]
        if buffer.copied is not None:
            self._device.wait(buffer.copied)
        start, stop = first * PIECE, min(last * PIECE, len(self._token_ids))
        source = buffer.pinned[: stop - start]
        encode_tokens(self._token_ids, self._line_starts, start=start, stop=stop, out=source)
        let_go(self._token_ids, start, stop)
        target = buffer.target[: stop - start] if self._whole is None else self._whole[start:stop]
        buffer.copied = self._device.copy(source, target)
        if self._whole is None:
            buffer.holds = (first, last)
        else:
            self._there[first:last] = True
            self._events.append(buffer.copied)

    def take(self, first: int, last: int) -> tuple[Any, int, list[Any]]:
        """Pieces ``first:last``: the array on the device, the word that it begins with, and the events to wait for."""
        if first == last:
            return self._buffers[0].target if self._whole is None else self._whole, 0, []
        self.stage(first, last)
        if self._whole is not None:
            events, self._events = self._events, []
            return self._whole, 0, events
        buffer = next(each for each in self._buffers if each.holds == (first, last))
        return buffer.target, first * PIECE, [buffer.copied]
