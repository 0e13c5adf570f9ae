"""The packed copies of a model's weights, shared by all threads and made anew, together, when weights have changed."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from trainer.engines.language.panels import PANEL, pack, packed_width

Table = NDArray[np.float32]


class Packed:
    """One matrix [K, N] as panels, straight and turned (transposed)."""

    def __init__(self, matrix: Table) -> None:
        """``matrix`` is kept by reference; nothing is packed yet."""
        depth, columns = matrix.shape
        self.matrix = matrix
        self.straight = np.empty(depth * int(packed_width(columns)), np.float32)
        self.turned = np.empty(columns * int(packed_width(depth)), np.float32)

    def jobs(self, *, parts: int, turned: bool) -> list[tuple[Table, Table, int, int]]:
        """The arguments of the calls of ``pack`` that make the panels, in about ``parts`` parts a side."""
        jobs = []
        for matrix, packed in [(self.matrix, self.straight), (self.matrix.T, self.turned)][: 1 + turned]:
            columns = matrix.shape[1]
            step = max(1, -(-columns // PANEL // parts)) * PANEL
            jobs += [(matrix, packed, start, min(start + step, columns)) for start in range(0, columns, step)]
        return jobs

    def refresh(self, *, turned: bool = True) -> None:
        """Pack on this thread alone."""
        for job in self.jobs(parts=1, turned=turned):
            pack(*job)


class PackedWeights:
    """All matrices of a language model: ``layer{i}.w_x``, ``layer{i}.w_h`` and ``output`` [H, V]."""

    def __init__(self, parameters: Mapping[str, Table]) -> None:
        matrices = {name: table for name, table in parameters.items() if name.endswith((".w_x", ".w_h"))}
        tied = "output" not in parameters
        matrices["output"] = parameters["embedding"].T if tied else parameters["output"]
        self.tables = {name: Packed(matrix) for name, matrix in matrices.items()}

    def refresh(self, pool: ThreadPoolExecutor | None, *, threads: int, turned: bool) -> None:
        """Pack all, on all threads; without ``turned`` only what the forward pass needs."""
        jobs = [job for table in self.tables.values() for job in table.jobs(parts=2 * threads, turned=turned)]
        if pool is None:
            for job in jobs:
                pack(*job)
        else:
            shares = [jobs[k::threads] for k in range(threads)]
            list(pool.map(_pack_all, shares))


def _pack_all(jobs: list[tuple[Table, Table, int, int]]) -> None:
    for job in jobs:
        pack(*job)
