"""A GPU for ``gpu_neighbours`` that is none: NumPy arrays, and the kernel run by cuda_on_cpu.h."""

import ctypes
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from engines.cpu_compiler import build
from engines.emulated_device import HERE, TYPES

from trainer.engines.gpu_neighbours import SOURCE

KINDS = TYPES | {"int32": ctypes.c_int}


@dataclass
class EmulatedNeighbours:
    folder: Path
    name: str = "a CPU in a GPU's clothes"
    xp: Any = np
    free_bytes: int = 1 << 30
    shared_bytes: int = 227 << 10
    order: int = 0
    """Seed of the order in which threads run between barriers; 0: as they are numbered."""
    only: set | None = None
    """The rows that are selected for; None: all. The others get no neighbours."""
    blocks: list = field(default_factory=list)
    """The rows of each product."""

    def compile(self, plan):
        macros = {"THREADS": plan.threads, "CAPACITY": plan.capacity}
        library = build(HERE / "neighbours_emulator.cpp", SOURCE, macros, self.folder)
        assert library.shared_bytes() == plan.shared_bytes
        return library

    def upload(self, array):
        return array.copy()

    def multiply(self, rows, table, scores):
        assert rows.dtype == table.dtype == scores.dtype == np.float32
        self.blocks.append(len(rows))
        np.matmul(rows, table.T, out=scores)

    def select(self, kernel, blocks, arguments):
        scores, width, first, *tables, ids, cosines, crowded = arguments
        ids[...], cosines[...], crowded[...] = -1, 0, 0
        if self.only is None:
            self._run(kernel, blocks, arguments)
            return
        for row in self.only & set(range(first, first + blocks)):
            here = slice(row - first, row - first + 1)
            mine = [scores[here], width, np.int64(row), *tables, ids[here], cosines[here], crowded[here]]
            self._run(kernel, 1, mine)

    def _run(self, kernel, blocks, arguments):
        given = [
            ctypes.c_void_p(each.ctypes.data)
            if isinstance(each, np.ndarray)
            else KINDS[each.dtype.name](each)
            for each in arguments
        ]
        if kernel.emulate(ctypes.c_int(blocks), ctypes.c_uint(self.order), *given):
            raise RuntimeError("threads of a block wait at a barrier that others never reach")

    def mark(self):
        return len(self.blocks)

    def wait(self, event):
        assert event < len(self.blocks), "waited for before the next block was started"

    def download(self, array, target):
        target[...] = array
