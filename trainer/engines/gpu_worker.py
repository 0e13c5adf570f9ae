"""One device's part in a training: tables of its own, its way to the text, and the kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainer.engines.device import Device, Kernel
from trainer.engines.gpu_plan import Plan
from trainer.engines.sampling import PIECE
from trainer.engines.token_feed import TokenFeed
from trainer.ngram_rows import NgramRows
from trainer.recipes import WordVectorSettings

if TYPE_CHECKING:
    from trainer.engines.staleness import Staleness

PART = 65536  # rows of a table that are copied together


@dataclass(frozen=True)
class Material:
    """What every worker is given, in main memory."""

    settings: WordVectorSettings
    learning_rate: float
    token_ids: NDArray[np.int32]
    line_starts: NDArray[np.int64]
    keep: NDArray[np.uint32]
    """[V] thresholds of subsampling."""
    negatives: NDArray[np.int32]
    """The shuffled table."""
    subwords: NgramRows | None

    @property
    def pieces(self) -> int:
        """Of an epoch."""
        return -(-len(self.token_ids) // PIECE)

    @property
    def heights(self) -> dict[str, int]:
        """The rows of each table."""
        size = len(self.keep)
        return {"input": self.subwords.height if self.subwords else size, "output": size}

    @property
    def negative_room(self) -> int:
        """Where reading from the table of negatives starts again."""
        return max(len(self.negatives) - 2 * (self.settings.count_shared(on_gpu=True) + 16), 1)

    def table_bytes(self, plan: Plan) -> int:
        """What lies on a device beside the text."""
        lists = (self.subwords.starts, self.subwords.rows) if self.subwords else ()
        rows = sum(self.heights.values()) * 4 * plan.columns * plan.dtype.itemsize
        rates = 4 * sum(self.heights.values())
        return rows + rates + sum(int(array.nbytes) for array in (self.keep, self.negatives, *lists))


class Worker:
    """Trains on pieces of the text with tables of its own, which begin as zeros."""

    def __init__(self, device: Device, material: Material, plan: Plan, *, span: int, resident: bool) -> None:
        """`span`: pieces that are trained on together at most; `resident`: whether the text stays on the device."""
        self.device, self.material = device, material
        self.kernel: Kernel | None = None
        self.blocks = 1
        self.keep, self._negatives = self.upload(material.keep), self.upload(material.negatives)
        subwords = material.subwords
        self._row_starts = self.upload(subwords.starts if subwords else np.zeros(1, np.int64))
        self._rows = self.upload(subwords.rows if subwords else np.zeros(1, np.int32))
        self.tables = {
            name: device.zeros((height, 4 * plan.columns), plan.dtype)
            for name, height in material.heights.items()
        }
        self.row_rates = [
            self.upload(np.full(height, np.inf, np.float32)) for height in material.heights.values()
        ]
        self._damped = 0
        self.feed = TokenFeed(device, material.token_ids, material.line_starts, span=span, resident=resident)

    def prepare(self, plan: Plan, staleness: Staleness, *, most_blocks: int) -> None:
        """Compile for this device, or read what an earlier run compiled; up to `most_blocks` thread blocks will run at once."""
        if self.kernel is None:
            self.kernel = self.device.compile(plan)
            self.blocks = max(1, min(self.kernel.capacity, most_blocks))
            self.damp(*staleness.row_rates(self.blocks))

    def damp(self, *rates: NDArray[np.float32]) -> None:
        """`rates`: for the rows of the inputs and of the outputs, the learning rate up to which they take updates whole."""
        for found, there in zip(rates, self.row_rates, strict=True):
            self.device.write(found, there)
            damped = np.flatnonzero(found < self.material.learning_rate)
            self._damped = max(self._damped, int(damped.max(initial=-1)) + 1)

    def launch(self, first: int, last: int) -> Any:
        """Start on pieces ``first:last``; returns what will hold their examples and losses, on the device."""
        if self.kernel is None:
            raise RuntimeError("not prepared")
        material, settings = self.material, self.material.settings
        array, first_word, events = self.feed.take(*self._in_epoch(first, last))
        words = len(material.token_ids)
        measured = self.device.zeros((max(last - first, 1), 2), np.float64)
        arguments = [
            self.tables["input"],
            self.tables["output"],
            array,
            np.int64(first_word),
            self._row_starts,
            self._rows,
            self.keep,
            *self.row_rates,
            np.int32(self._damped),
            self._negatives,
            np.int64(material.negative_room),
            np.uint64(settings.seed),
            np.int64(first),
            np.int64(last),
            np.int64(material.pieces),
            np.int64(words),
            np.float64(material.learning_rate),
            np.float64(words * settings.epochs),
            np.float32(settings.negatives / settings.count_shared(on_gpu=True)),
            np.float32(settings.context_gradient),
            self.device.zeros((1,), np.int32),
            measured,
        ]
        self.device.launch(self.kernel, max(1, min(self.blocks, last - first)), arguments, after=events)
        return measured

    def stage(self, first: int, last: int) -> None:
        """Start to copy what will be trained on next."""
        if not self.feed.complete:
            self.feed.stage(*self._in_epoch(first, last))

    def upload(self, array: NDArray[Any]) -> Any:
        there = self.device.zeros(array.shape, array.dtype)
        self.device.write(array, there)
        return there

    def fill(self, name: str, rows: NDArray[np.float32]) -> None:
        """Write ``rows`` [height, D] into a table, whose rows are padded with zeros."""
        table = self.tables[name]
        for start in range(0, len(rows), PART):
            part = np.zeros((len(rows[start : start + PART]), table.shape[1]), table.dtype)
            part[:, : rows.shape[1]] = rows[start : start + PART]
            self.device.write(part, table[start : start + PART])

    def download(self, name: str) -> NDArray[np.float32]:
        """A table, [height, D]."""
        table, dim = self.tables[name], self.material.settings.dim
        rows = np.empty((table.shape[0], dim), np.float32)
        for start in range(0, len(rows), PART):
            rows[start : start + PART] = self.device.read(table[start : start + PART])[:, :dim]
        return rows

    def _in_epoch(self, first: int, last: int) -> tuple[int, int]:
        """Where the text of pieces ``first:last`` lies; all of it where it is on the device, and they may pass an epoch's end."""
        if self.feed.complete:
            return 0, self.material.pieces
        start = first % max(self.material.pieces, 1)
        return start, start + last - first
