"""GpuLearner: word vectors on a GPU, to the specification of the CPU engine: the same words kept, the same negatives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.errors import InputError
from trainer.corpus import Corpus
from trainer.engines.cpu import LEARNING_RATES, LEAST_RATE
from trainer.engines.device import Device, Kernel
from trainer.engines.gpu_plan import Plan
from trainer.engines.sampling import PIECE, choose_chunk, keep_thresholds, negative_table
from trainer.engines.staleness import Staleness
from trainer.engines.tables import first_inputs
from trainer.engines.token_feed import TokenFeed
from trainer.loop import Step
from trainer.recipes import WordVectorSettings

STEP_PIECES = 4096  # between two reports, at 100 dimensions
PART = 65536  # rows of a table that are copied together


class GpuLearner:
    """CBOW or skip-gram with negative sampling, both tables on the device; the text stays there too where it fits.

    Each thread block takes pieces of the text in order and shares the tables with the others without locks (Hogwild,
    Niu et al. 2011, arXiv 1106.5730). What is kept and which negatives are met follows from the seed and the piece, so
    training goes on anywhere; the order in which the additions of a piece arrive is the device's.
    """

    def __init__(
        self,
        corpus: Corpus,
        settings: WordVectorSettings,
        device: Device | None = None,
        *,
        blocks: int | None = None,
        resident: bool | None = None,
    ) -> None:
        """`blocks`: thread blocks at once; `resident`: whether the text stays on the device. None: what is best.

        Raises InputError for fewer than two words, for what this engine does not do, without a GPU, and for tables
        that do not fit into its memory or its shared memory.
        """
        size, words = len(corpus.counts), len(corpus.token_ids)
        if size < 2:
            raise InputError(
                f"a vocabulary of {size} words cannot be trained: 2 are the least; lower --min-count"
            )
        if settings.loss != "negative-sampling" or settings.subwords is not None:
            raise InputError(
                "the fast engine on a GPU knows negative sampling of whole words alone: use --device cpu"
            )
        self._device = device or _find_device()
        self.settings = settings
        self.learning_rate = settings.learning_rate or LEARNING_RATES[settings.model]
        self.total_words = words * settings.epochs
        self.words_done = 0
        self._words = words
        self._pieces = -(-words // PIECE)
        self._pieces_done = 0
        self._examples = 0
        keep = keep_thresholds(corpus.counts, settings.subsample)
        self.chunk = choose_chunk(corpus.counts, keep, window=settings.window, dim=settings.dim)
        limits = self._device.limits
        self.plan = Plan.choose(settings, chunk=self.chunk, shared_bytes=limits.shared_bytes)
        self._staleness = Staleness(corpus.counts, keep, settings, block=self.plan.block)
        self._most_blocks = blocks or self._staleness.most_blocks(self.learning_rate)
        negatives = negative_table(corpus.counts, seed=settings.seed)
        self._room = len(negatives) - 2 * (settings.shared_negatives + 16)
        tables = 2 * size * self.plan.columns * 16 + negatives.nbytes + keep.nbytes
        step = max(1, STEP_PIECES * 100 // settings.dim)
        if resident is None:
            resident = 4 * words <= (limits.free_bytes - tables) // 2
        needed = tables + (4 * words if resident else 8 * PIECE * step)
        if needed > limits.free_bytes:
            raise InputError(
                f"{size:,} words of {settings.dim} dimensions need {needed / 2**30:.1f} GiB on {self._device.name}, which has "
                f"{limits.free_bytes / 2**30:.1f} free: raise --min-count, lower --dim, or use --device cpu"
            )
        self._step = step
        self._keep, self._negatives = self._upload(keep), self._upload(negatives)
        shape = (size, 4 * self.plan.columns)
        self._inputs, self._outputs = (self._device.zeros(shape, np.float32) for _ in range(2))
        self._fill(self._inputs, first_inputs(size, settings.dim, settings.seed)[:, : settings.dim])
        self._feed = TokenFeed(
            self._device, corpus.token_ids, corpus.line_starts, span=step, resident=resident
        )
        self._kernel: Kernel | None = None
        self._blocks = self._damped = 0
        self._row_rates = [self._upload(np.full(size, np.inf, np.float32)) for _ in range(2)]

    @property
    def device_name(self) -> str:
        return self._device.name

    def warm_up(self) -> None:
        """Compile for this device, or read what an earlier run compiled: trains on nothing."""
        self._launch(self._feed.take(0, 0), 0, 0)

    def finished(self) -> bool:
        return self._pieces_done >= self._pieces * self.settings.epochs

    def advance(self) -> Step:
        """Trains on the next pieces while those after them are copied.

        The loss is measured on a sixteenth of the text, as by the CPU engine. Raises InputError after an epoch in which
        no word had a neighbour.
        """
        first, last = self._pieces_done, self._next_stop(self._pieces_done)
        measured = self._launch(self._take(first, last), first, last)
        if last < self._pieces * self.settings.epochs and not self._feed.complete:
            self._feed.stage(*self._in_epoch(last, self._next_stop(last)))
        examples, loss_sum = self._device.read(measured)[: last - first].sum(axis=0)
        before, self._pieces_done = self.words_done, last
        self.words_done = self._position(last)
        self._examples += round(float(examples))
        if self._examples == 0 and last >= self._pieces:
            raise InputError("nothing to learn from: no word of the vocabulary has a neighbour in its line")
        return Step(
            words=self.words_done - before,
            examples=round(float(examples)),
            loss_sum=float(loss_sum),
            learning_rate=self._rate(self.words_done),
        )

    def vectors(self) -> NDArray[np.float32]:
        """[V, D]: the input vectors, plus ``output_weight`` times the output vectors."""
        vectors = self._download(self._inputs)
        if self.settings.output_share:
            vectors += np.float32(self.settings.output_share) * self._download(self._outputs)
        return vectors

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Both tables, and the position in the text: the CPU engine's state, which it can go on from."""
        arrays: dict[str, NDArray[Any]] = {
            "input": self._download(self._inputs),
            "output": self._download(self._outputs),
        }
        values = {"words_done": self.words_done, "pieces_done": self._pieces_done, "examples": self._examples}
        return arrays, values

    def restore(self, arrays: dict[str, NDArray[Any]], values: dict[str, Any]) -> None:
        """Takes the state of a learner that was made with the same corpus and settings. Raises InputError for other shapes."""
        tables = {"input": self._inputs, "output": self._outputs}
        for name, table in tables.items():
            here = (table.shape[0], self.settings.dim)
            if arrays[name].shape != here:
                raise InputError(
                    f"the checkpoint's {name} table is {arrays[name].shape}, this training's {here}: "
                    "the corpus or the settings differ"
                )
        for name, table in tables.items():
            self._fill(table, arrays[name])
        self.words_done = int(values["words_done"])
        self._pieces_done = int(values["pieces_done"])
        self._examples = int(values["examples"])

    def _launch(self, tokens: tuple[Any, int, list[Any]], first: int, last: int) -> Any:
        """Start on pieces ``first:last``; returns what will hold their examples and losses, on the device."""
        if self._kernel is None:
            self._kernel = self._device.compile(self.plan)
            self._blocks = max(1, min(self._kernel.capacity, self._most_blocks))
            for rates, there in zip(self._staleness.row_rates(self._blocks), self._row_rates, strict=True):
                self._device.write(rates, there)
                common = np.flatnonzero(rates < self.learning_rate)
                self._damped = max(self._damped, int(common.max(initial=-1)) + 1)
        array, first_word, events = tokens
        settings = self.settings
        queue = self._device.zeros((1,), np.int32)
        measured = self._device.zeros((max(last - first, 1), 2), np.float64)
        arguments = [
            self._inputs,
            self._outputs,
            array,
            np.int64(first_word),
            self._keep,
            *self._row_rates,
            np.int32(self._damped),
            self._negatives,
            np.int64(max(self._room, 1)),
            np.uint64(settings.seed),
            np.int64(first),
            np.int64(last),
            np.int64(self._pieces),
            np.int64(self._words),
            np.float64(self.learning_rate),
            np.float64(self.total_words),
            np.float32(settings.negatives / settings.shared_negatives),
            np.float32(settings.context_gradient),
            queue,
            measured,
        ]
        self._device.launch(self._kernel, max(1, min(self._blocks, last - first)), arguments, after=events)
        return measured

    def _take(self, first: int, last: int) -> tuple[Any, int, list[Any]]:
        in_epoch = (0, self._pieces) if self._feed.complete else self._in_epoch(first, last)
        return self._feed.take(*in_epoch)

    def _next_stop(self, first: int) -> int:
        """Where the pieces end that are trained on from `first` on: with their epoch while text is being copied."""
        last = min(first + self._step, self._pieces * self.settings.epochs)
        return last if self._feed.complete else min(last, (first // self._pieces + 1) * self._pieces)

    def _in_epoch(self, first: int, last: int) -> tuple[int, int]:
        start = first % self._pieces
        return start, start + last - first

    def _position(self, piece: int) -> int:
        """Raw words before `piece`, counted over all epochs."""
        epoch, number = divmod(piece, max(self._pieces, 1))
        return epoch * self._words + min(number * PIECE, self._words)

    def _rate(self, words: int) -> float:
        return self.learning_rate * max(1 - words / max(self.total_words, 1), LEAST_RATE)

    def _upload(self, array: NDArray[Any]) -> Any:
        there = self._device.zeros(array.shape, array.dtype)
        self._device.write(array, there)
        return there

    def _fill(self, table: Any, rows: NDArray[np.float32]) -> None:
        """Write ``rows`` [V, D] into a table of the device, whose rows are padded with zeros."""
        for start in range(0, len(rows), PART):
            part = np.zeros((len(rows[start : start + PART]), table.shape[1]), np.float32)
            part[:, : rows.shape[1]] = rows[start : start + PART]
            self._device.write(part, table[start : start + PART])

    def _download(self, table: Any) -> NDArray[np.float32]:
        rows = np.empty((table.shape[0], self.settings.dim), np.float32)
        for start in range(0, len(rows), PART):
            part = self._device.read(table[start : start + PART])
            rows[start : start + PART] = part[:, : self.settings.dim]
        return rows


def _find_device() -> Device:
    from trainer.engines.cupy_device import CupyDevice

    return CupyDevice()
