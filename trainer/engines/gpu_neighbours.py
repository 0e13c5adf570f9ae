"""The nearest rows of every row on a GPU: blocks of scores by a product, the best of each selected by neighbours.cu."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from artifact.errors import InputError
from artifact.search import rounding_of_scores
from trainer.engines.programs import Program
from trainer.engines.selection import Selected

SOURCE = Path(__file__).parent / "neighbours.cu"
CAPACITIES = (4_096, 8_192, 16_384)
PART = 65_536
"""Rows that are copied to the device together."""
_MOST_SCORES = 1 << 30
"""Scores in a block, 4 GiB: more make no product faster."""
_NOTES_BYTES = 136


@dataclass(frozen=True)
class NeighbourPlan:
    """How ``neighbours.cu`` is compiled."""

    capacity: int
    """Scores of a row that are kept at once."""
    threads: int = 256
    """A multiple of 32."""

    @classmethod
    def choose(cls, count: int, *, shared_bytes: int) -> NeighbourPlan:
        """The least capacity of which a thousand candidates, or twice ``count``, leave room for more. Raises InputError."""
        for capacity in CAPACITIES:
            plan = cls(capacity)
            if max(2 * count, 1_024) + plan.tile <= capacity and plan.shared_bytes <= shared_bytes:
                return plan
        raise InputError(
            f"{count:,} neighbours of each word are more than this GPU selects: use --device cpu"
        )

    @property
    def tile(self) -> int:
        """Scores that a thread block looks at together."""
        return 8 * self.threads

    @property
    def shared_bytes(self) -> int:
        """Shared memory of a thread block: ``Kept``."""
        return 8 * self.capacity + _NOTES_BYTES

    @property
    def program(self) -> Program:
        macros = {"THREADS": self.threads, "CAPACITY": self.capacity}
        return Program.from_macros(SOURCE.read_text(encoding="utf-8"), macros)


class NeighbourDevice(Protocol):
    """A GPU as this module needs it; ``CupyNeighbours`` is one. What is started runs in turn."""

    name: str
    xp: Any
    """NumPy's functions, on arrays of the device."""
    free_bytes: int
    shared_bytes: int

    def compile(self, plan: NeighbourPlan) -> Any: ...

    def upload(self, array: NDArray[Any]) -> Any: ...

    def multiply(self, rows: Any, table: Any, scores: Any) -> None:
        """scores [n, W] = rows [n, D] · table [W, D]ᵀ, in float32 throughout."""

    def select(self, kernel: Any, blocks: int, arguments: Sequence[Any]) -> None:
        """Start the kernel; numbers are NumPy scalars of its types."""

    def mark(self) -> Any:
        """An event that comes when all that was started before is done."""

    def wait(self, event: Any) -> None: ...

    def download(self, array: Any, target: NDArray[Any]) -> None:
        """Copy to main memory when all that was started before is done, and wait."""


def select_neighbours(
    vectors: NDArray[Any],
    norms: NDArray[np.float32],
    count: int,
    device: NeighbourDevice,
    *,
    progress: Callable[[int, int], object],
    plan: NeighbourPlan | None = None,
    most_scores: int = _MOST_SCORES,
) -> Selected:
    """The ``count`` nearest of the other rows of ``vectors`` [V, D], whose ``norms`` are [V], decided in float64.

    ``progress`` hears of the rows that are done, and of V. Raises InputError where ``device`` is too small.
    """
    V, D = vectors.shape
    plan = plan or NeighbourPlan.choose(count, shared_bytes=device.shared_bytes)
    at_once, held = _divide(V, D, count, device, most_scores=most_scores)
    xp, kernel = device.xp, device.compile(plan)
    table, units = _upload(vectors, device)
    width, columns = units.shape
    lengths = device.upload(np.ascontiguousarray(norms, dtype=np.float32))
    scores = xp.empty((at_once, width), np.float32)
    found_ids, found_cosines = xp.empty((held, count), np.int32), xp.empty((held, count), np.float32)
    found_crowded = xp.empty(held, np.int32)
    ids, cosines = np.empty((V, count), np.int32), np.empty((V, count), np.float32)
    crowded = np.empty(V, np.int32)
    slack = np.float32(2 * rounding_of_scores(D))  # either score may be off
    before: tuple[Any, int] | None = None
    for first in range(0, V, held):
        span = slice(first, min(first + held, V))
        for start in range(span.start, span.stop, at_once):
            rows = min(at_once, span.stop - start)
            place = slice(start - first, start - first + rows)
            device.multiply(units[start : start + rows], units, scores[:rows])
            arguments = [
                scores,
                np.int64(width),
                np.int64(start),
                table,
                units,
                lengths,
                np.int64(V),
                np.int32(columns),
                slack,
                np.int32(count),
                found_ids[place],
                found_cosines[place],
                found_crowded[place],
            ]
            device.select(kernel, rows, arguments)
            if before is not None:  # a block is being computed while the one before it is waited for
                device.wait(before[0])
                progress(before[1], V)
            before = device.mark(), start + rows
        length = span.stop - first
        device.download(found_ids[:length], ids[span])
        device.download(found_cosines[:length], cosines[span])
        device.download(found_crowded[:length], crowded[span])
    left = np.flatnonzero(crowded)
    progress(V - len(left), V)
    return Selected(ids, cosines, left)


def _divide(V: int, D: int, count: int, device: NeighbourDevice, *, most_scores: int) -> tuple[int, int]:
    """How many rows' scores are computed at once, and of how many the neighbours are held on the device."""
    columns = -(-D // 4) * 4
    needed = 8 * (V + 4) * columns + 4 * V + 32 * min(V, PART) * columns
    room = int(0.9 * device.free_bytes) - needed
    score_bytes, result_bytes = 4 * (V + 4), 8 * count + 4
    at_once = min(V, most_scores // V, room // 2 // score_bytes)
    held = min(V, (room - at_once * score_bytes) // result_bytes)
    if at_once < 1 or held < 1:
        raise InputError(
            f"{V:,} vectors of {D} dimensions need {needed / 2**30:.1f} GiB and more on {device.name}, which has "
            f"{device.free_bytes / 2**30:.1f} free: use --device cpu"
        )
    return at_once, max(held // at_once * at_once, min(at_once, held))


def _upload(vectors: NDArray[Any], device: NeighbourDevice) -> tuple[Any, Any]:
    """The rows [V, C] in float32 and their directions [W, C], C and W multiples of 4, what is added being zeros."""
    V, D = vectors.shape
    xp = device.xp
    columns, width = -(-D // 4) * 4, -(-V // 4) * 4
    table, units = xp.zeros((V, columns), np.float32), xp.zeros((width, columns), np.float32)
    for start in range(0, V, PART):
        part = device.upload(np.ascontiguousarray(vectors[start : start + PART])).astype(np.float32)
        rows = slice(start, start + len(part))
        table[rows, :D] = part
        wide = part.astype(np.float64)
        lengths = xp.sqrt((wide * wide).sum(axis=1, keepdims=True))
        units[rows, :D] = wide / xp.where(lengths > 0, lengths, 1.0)
    return table, units
