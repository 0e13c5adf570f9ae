"""Where language models stand in texts that were read lately, so that a text that goes on is not read again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from artifact.language import LanguageModel
from artifact.state import State

_ENTRY_BYTES = 512


@dataclass(frozen=True, slots=True)
class _Kept:
    token_ids: tuple[int, ...]
    state: State

    @property
    def nbytes(self) -> int:
        return self.state.nbytes + 36 * len(self.token_ids) + _ENTRY_BYTES


class KeptStates:
    """States by model, version and the ids that were read; those not asked for longest go first. For any thread."""

    def __init__(self, *, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.nbytes = 0
        self._kept: OrderedDict[tuple[str, str, int, int], _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, model: LanguageModel, token_ids: Sequence[int]) -> tuple[State, int] | None:
        """The state after the longest beginning of ``token_ids`` that is kept, and its length; None where none is."""
        # One running hash gives the key of every beginning; what is found is compared word by word.
        key = 0
        keys = [key]
        for token_id in token_ids:
            key = hash((key, token_id))
            keys.append(key)
        with self._lock:
            for length in range(len(token_ids), -1, -1):
                place = (model.name, model.version, length, keys[length])
                kept = self._kept.get(place)
                if kept is not None and kept.token_ids == tuple(token_ids[:length]):
                    self._kept.move_to_end(place)
                    return kept.state, length
        return None

    def keep(self, model: LanguageModel, token_ids: Sequence[int], state: State) -> None:
        """Keep the state after ``token_ids``; nothing happens where it alone would be too large."""
        kept = _Kept(tuple(token_ids), state)
        if kept.nbytes > self.max_bytes:
            return
        key = 0
        for token_id in token_ids:
            key = hash((key, token_id))
        place = (model.name, model.version, len(token_ids), key)
        with self._lock:
            if place in self._kept:
                self.nbytes -= self._kept.pop(place).nbytes
            self._kept[place] = kept
            self.nbytes += kept.nbytes
            while self.nbytes > self.max_bytes:
                _, dropped = self._kept.popitem(last=False)
                self.nbytes -= dropped.nbytes
