"""GpuLearner: word vectors on GPUs, to the specification of the CPU engine: the same words kept, the same negatives."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.errors import InputError
from artifact.subwords import Ngrams
from trainer.corpus import Corpus
from trainer.engines.averaging import Meetings, count_touches, meeting_bytes
from trainer.engines.device import Device
from trainer.engines.gpu_plan import Plan
from trainer.engines.gpu_worker import Material, Worker
from trainer.engines.rates import choose_rate, fall
from trainer.engines.sampling import PIECE, choose_chunk, keep_thresholds, negative_table
from trainer.engines.staleness import Staleness
from trainer.engines.tables import first_inputs
from trainer.loop import Step
from trainer.ngram_rows import NgramRows
from trainer.recipes import WordVectorSettings

STEP_PIECES = 4096  # between two reports, at 100 dimensions
MEETINGS = 40  # of several workers in a training, at least


class GpuLearner:
    """CBOW or skip-gram with negative sampling, both tables on the device; the text stays there too where it fits.

    Each thread block takes pieces of the text in order and shares the tables with the others without locks (Hogwild,
    Niu et al. 2011, arXiv 1106.5730). What is kept and which negatives are met follows from the seed and the piece, so
    training goes on anywhere; the order in which the additions of a piece arrive is the device's.

    Several workers, each a device or a part of one, have tables of their own, train on neighbouring pieces and meet to
    put their tables together (averaging.py).
    """

    def __init__(
        self,
        corpus: Corpus,
        settings: WordVectorSettings,
        *devices: Device,
        blocks: int | None = None,
        resident: bool | None = None,
    ) -> None:
        """`devices`: where to train, ``settings.gpus`` of those that are there if none is named; one named twice works twice.

        `blocks`: thread blocks at once on each; `resident`: whether the text stays there. None: what is best.
        Raises InputError for fewer than two words, for what this engine does not do, without a GPU, and for tables
        that do not fit into its memory or its shared memory.
        """
        size, words = len(corpus.counts), len(corpus.token_ids)
        if size < 2:
            raise InputError(
                f"a vocabulary of {size} words cannot be trained: 2 are the least; lower --min-count"
            )
        if settings.loss != "negative-sampling":
            raise InputError("the fast engine on a GPU knows negative sampling alone: use --device cpu")
        if settings.output_share and settings.subwords is not None:
            raise InputError("words made of subwords are published as they are: set output_weight to 0")
        devices = devices or tuple(_find_devices(settings.gpus))
        self.settings = settings
        self.learning_rate = choose_rate(settings)
        self.total_words = words * settings.epochs
        self.words_done = 0
        self._words = words
        self._pieces_done = 0
        self._examples = 0
        keep = keep_thresholds(corpus.counts, settings.subsample)
        subwords = None
        if settings.subwords is not None:
            subwords = NgramRows.of_words(corpus.tokens, Ngrams(*settings.subwords, settings.buckets))
        self._subwords = subwords
        lists = (subwords.starts, subwords.rows) if subwords else (None, None)
        self.chunk = choose_chunk(
            corpus.counts, keep, window=settings.window, dim=settings.dim, starts=lists[0], rows=lists[1]
        )
        shared_bytes = min(device.limits.shared_bytes for device in devices)
        self.plan = Plan.choose(settings, chunk=self.chunk, shared_bytes=shared_bytes)
        material = Material(
            settings=settings,
            learning_rate=self.learning_rate,
            token_ids=corpus.token_ids,
            line_starts=corpus.line_starts,
            keep=keep,
            negatives=negative_table(corpus.counts, seed=settings.seed),
            subwords=subwords,
        )
        self._pieces = material.pieces
        self._staleness = Staleness(material, corpus.counts, block=self.plan.block)
        self._most_blocks = blocks or self._staleness.most_blocks(self.learning_rate)
        self._span = max(1, STEP_PIECES * 100 // settings.dim)
        if len(devices) > 1:
            met = self._pieces * settings.epochs // (MEETINGS * len(devices))
            self._span = max(1, min(self._span, met))
        resident = _check_room(material, self.plan, devices, resident=resident, span=self._span)
        self.workers = [
            Worker(device, material, self.plan, span=self._span, resident=resident) for device in devices
        ]
        first = first_inputs(material.heights["input"], settings.dim, settings.seed)[:, : settings.dim]
        self._meetings: Meetings | None = None
        self.remark = ""
        self._each: Callable[..., Any] = map
        if len(devices) > 1:
            touches = count_touches(material, corpus.counts)
            exchange = devices[0].connect(devices)
            self.remark = exchange.remark
            self._meetings = Meetings(self.workers, exchange, touches)
            self._each = ThreadPoolExecutor(len(devices)).map  # text is encoded for all at once
        self._fill({"input": first})

    @property
    def device_name(self) -> str:
        names = [worker.device.name for worker in self.workers]
        return ", ".join(
            f"{names.count(name)} x {name}" if len(names) > 1 else name for name in dict.fromkeys(names)
        )

    def warm_up(self) -> None:
        """Compile for the devices, or read what an earlier run compiled: trains on nothing."""
        for worker in self.workers:
            worker.prepare(self.plan, self._staleness, most_blocks=self._most_blocks)
            worker.device.read(worker.launch(0, 0))

    def finished(self) -> bool:
        return self._pieces_done >= self._pieces * self.settings.epochs

    def advance(self) -> Step:
        """Trains on the next pieces while those after them are copied.

        The loss is measured on a sixteenth of the text, as by the CPU engine. Raises InputError after an epoch in which
        no word had a neighbour.
        """
        first, last = self._pieces_done, self._next_stop(self._pieces_done)
        rate = self._rate(self._position(first))
        measured = list(self._each(self._launch, self.workers, self._shares(first, last)))
        if last < self._pieces * self.settings.epochs:
            list(self._each(self._stage, self.workers, self._shares(last, self._next_stop(last))))
        if self._meetings is not None:
            self._meetings.meet(rate * (self._position(last) - self._position(first)) / len(self.workers))
        sums = np.zeros(2)
        for worker, found, (start, stop) in zip(
            self.workers, measured, self._shares(first, last), strict=True
        ):
            sums += worker.device.read(found)[: stop - start].sum(axis=0)
        examples = round(float(sums[0]))
        before, self._pieces_done = self.words_done, last
        self.words_done = self._position(last)
        self._examples += examples
        if self._examples == 0 and last >= self._pieces:
            raise InputError("nothing to learn from: no word of the vocabulary has a neighbour in its line")
        return Step(
            words=self.words_done - before,
            examples=examples,
            loss_sum=float(sums[1]),
            learning_rate=self._rate(self.words_done),
        )

    def vectors(self) -> NDArray[np.float32]:
        """[V, D]: the input vectors, plus ``output_weight`` times the output vectors."""
        vectors = self.workers[0].download("input")
        if self._subwords is not None:
            vectors = self._subwords.mean_vectors(vectors)
        if self.settings.output_share:
            vectors += np.float32(self.settings.output_share) * self.workers[0].download("output")
        return vectors

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Both tables, and the position in the text: the CPU engine's state, which it can go on from."""
        arrays: dict[str, NDArray[Any]] = {
            name: self.workers[0].download(name) for name in ("input", "output")
        }
        values = {"words_done": self.words_done, "pieces_done": self._pieces_done, "examples": self._examples}
        return arrays, values

    def restore(self, arrays: dict[str, NDArray[Any]], values: dict[str, Any]) -> None:
        """Takes the state of a learner that was made with the same corpus and settings. Raises InputError for other shapes."""
        for name, height in self.workers[0].material.heights.items():
            here = (height, self.settings.dim)
            if arrays[name].shape != here:
                raise InputError(
                    f"the checkpoint's {name} table is {arrays[name].shape}, this training's {here}: "
                    "the corpus or the settings differ"
                )
        self._fill(arrays)
        self.words_done = int(values["words_done"])
        self._pieces_done = int(values["pieces_done"])
        self._examples = int(values["examples"])

    def _launch(self, worker: Worker, share: tuple[int, int]) -> Any:
        worker.prepare(self.plan, self._staleness, most_blocks=self._most_blocks)
        return worker.launch(*share)

    def _stage(self, worker: Worker, share: tuple[int, int]) -> None:
        worker.stage(*share)

    def _fill(self, arrays: dict[str, NDArray[np.float32]]) -> None:
        """The same tables for every worker."""
        for worker in self.workers:
            for name, rows in arrays.items():
                worker.fill(name, rows)
        if self._meetings is not None:
            self._meetings.begin()

    def _shares(self, first: int, last: int) -> list[tuple[int, int]]:
        """Pieces ``first:last`` in equal parts, one for each worker."""
        edges = np.linspace(first, last, len(self.workers) + 1).astype(int).tolist()
        return list(itertools.pairwise(edges))

    def _next_stop(self, first: int) -> int:
        """Where the pieces end that are trained on from `first` on: with their epoch while text is being copied."""
        last = min(first + self._span * len(self.workers), self._pieces * self.settings.epochs)
        if len(self.workers) == 1 and self.workers[0].feed.complete:
            return last
        return min(last, (first // self._pieces + 1) * self._pieces)

    def _position(self, piece: int) -> int:
        """Raw words before `piece`, counted over all epochs."""
        epoch, number = divmod(piece, max(self._pieces, 1))
        return epoch * self._words + min(number * PIECE, self._words)

    def _rate(self, words: int) -> float:
        return fall(self.settings, words, self.total_words)


def _find_devices(count: int) -> Sequence[Device]:
    from trainer.engines.cupy_device import find_devices

    return find_devices(count)


def _check_room(
    material: Material, plan: Plan, devices: Sequence[Device], *, resident: bool | None, span: int
) -> bool:
    """Whether the text can stay on the devices. Raises InputError for tables that do not fit on one of them."""
    words, size = len(material.token_ids), len(material.keep)
    tables = material.table_bytes(plan)
    if len(devices) > 1:
        tables += meeting_bytes(material, plan)
    least = min(devices, key=lambda device: device.limits.free_bytes)
    free = least.limits.free_bytes
    if resident is None:
        resident = 4 * words <= (free - tables) // 2
    needed = tables + (4 * words if resident else 8 * PIECE * span)
    if needed > free:
        raise InputError(
            f"{size:,} words of {plan.dim} dimensions need {needed / 2**30:.1f} GiB on {least.name}, which has "
            f"{free / 2**30:.1f} free: raise --min-count, lower --dim, or use --device cpu"
        )
    return resident
