"""Arrays that are made once and used again by every block of a training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainer.engines.language.panels import pack, packed_width

Table = NDArray[np.float32]


class Workspace:
    """Arrays by name that are made once and used again as long as their shape stays."""

    def __init__(self) -> None:
        self._arrays: dict[str, Table] = {}

    def take(self, name: str, *shape: int) -> Table:
        """An array [shape] of arbitrary content."""
        found = self._arrays.get(name)
        if found is None or found.shape != shape:
            found = self._arrays[name] = np.empty(shape, np.float32)
        return found

    def pack(self, name: str, table: Table) -> Table:
        """The panels of ``table`` [R, N]."""
        rows, columns = table.shape
        panels = self.take(name, rows * int(packed_width(columns)))
        pack(table, panels, 0, columns)
        return panels
