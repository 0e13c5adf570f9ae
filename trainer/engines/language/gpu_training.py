"""Training and reading on a GPU: each step is recorded for a shape of blocks, and repeated with other words."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.backend import Array, Backend
from trainer.engines.language.gpu_device import LanguageDevice
from trainer.engines.language.gpu_updates import GpuUpdater
from trainer.language_recipes import RnnlmSettings
from trainer.models.block_trainer import BlockTrainer
from trainer.models.lanes import Lanes
from trainer.models.rnnlm import Toolbox

HEADER = 16
"""Words of 4 bytes in ``Numbers`` of cuda/numbers.cuh."""
OUTCOME = 5
"""Numbers in ``Outcome`` there."""
_LOSS, _GOOD, _STUCK = 0, 3, 4


class Block:
    """What a recorded step reads: ``Numbers``, then ids [T, B] of the words and of those after them, on the device."""

    def __init__(self, device: LanguageDevice, steps: int, lanes: int) -> None:
        size = steps * lanes
        self.array = device.zeros((HEADER + 2 * size,), np.uint32)
        self.numbers = self.array[:HEADER]
        ids = self.array[HEADER:].view(np.int32)
        self.inputs, self.targets = ids[:size].reshape(steps, lanes), ids[size:].reshape(steps, lanes)


def pack_block(
    out: NDArray[np.uint32],
    inputs: NDArray[np.int32],
    targets: NDArray[np.int32],
    *,
    key: int = 0,
    numbers: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> NDArray[np.uint32]:
    """Fill the first of ``out`` with what a ``Block`` holds, and return that part. ``numbers``: rate, keep, share."""
    size = inputs.size
    out[:2] = np.array([key], np.uint64).view(np.uint32)
    out[2:5] = np.array(numbers, np.float32).view(np.uint32)
    ids = out.view(np.int32)
    ids[HEADER : HEADER + size] = inputs.reshape(-1)
    ids[HEADER + size : HEADER + 2 * size] = targets.reshape(-1)
    return out[: HEADER + 2 * size]


class Repeated:
    """Work that is done as it is written the first time, recorded the second time, and repeated from then on."""

    def __init__(self, device: LanguageDevice, work: Callable[[], None]) -> None:
        self._device, self._work = device, work
        self._done = False
        self._recording: Callable[[], None] | None = None

    def __call__(self) -> None:
        if not self._done:
            with self._device.at_work():
                self._work()
            self._done = True
            return
        if self._recording is None:
            self._recording = self._device.record(self._work)
        self._recording()


class GpuLanes(Lanes):
    """``Lanes`` on a GPU: one model, whose lanes are computed together."""

    def __init__(
        self,
        parameters: Mapping[str, Array],
        settings: RnnlmSettings,
        *,
        backend: Backend,
        device: LanguageDevice,
        toolbox: Toolbox | None = None,
        pool: ThreadPoolExecutor | None = None,
        threads: int = 1,
    ) -> None:
        del pool, threads
        super().__init__(parameters, settings, backend=backend, toolbox=toolbox)
        self.device = device
        self.model = self._models[0]
        self._readings: dict[tuple[int, ...], tuple[Block, Array, Repeated]] = {}
        self._pinned = device.pinned(0)

    def loss(self, inputs: NDArray[np.int32], targets: NDArray[np.int32]) -> float:
        """Waits for the device."""
        device, size = self.device, targets.size
        if inputs.shape not in self._readings:
            self._readings[inputs.shape] = self._prepare(*inputs.shape)
        if len(self._pinned) < HEADER + 2 * size:
            self._pinned = device.pinned(HEADER + 2 * size)
        block, losses, read = self._readings[inputs.shape]
        device.upload(pack_block(self._pinned, inputs, targets), block.array)
        read()
        device.wait(device.download(losses, self._pinned[:size]))
        return float(self._pinned[:size].view(np.float32).sum(dtype=np.float64))

    def _share_out(self, batch: int) -> None:
        if self._shares != [slice(0, batch)]:
            self._readings.clear()  # the state will lie elsewhere
        super()._share_out(batch)

    def _prepare(self, steps: int, lanes: int) -> tuple[Block, Array, Repeated]:
        block = Block(self.device, steps, lanes)
        device, model, losses = self.device, self.model, self.device.zeros((steps * lanes,))

        def read() -> (
            None
        ):  # without self, which holds it: what a device keeps for it goes with the last reference
            device.copy(model.loss(block.inputs, block.targets), losses)

        return block, losses, Repeated(self.device, read)


class GraphTrainer(BlockTrainer):
    """``BlockTrainer`` on a GPU, which judges each block itself: its loss is read when it has long been done.

    A step, from the embedding to the changed weights, is one recording for each shape of blocks.
    """

    ahead = 16

    def __init__(self, lanes: GpuLanes, updater: GpuUpdater) -> None:
        super().__init__(lanes, updater)
        self._device, self._model, self._updater = lanes.device, lanes.model, updater
        self._outcome = lanes.device.zeros((OUTCOME,), np.float64)
        self._steps: dict[tuple[int, ...], tuple[Block, Repeated]] = {}
        self._words = [lanes.device.pinned(0) for _ in range(self.ahead)]
        self._outcomes = [lanes.device.pinned(2 * OUTCOME) for _ in range(self.ahead)]
        self._count = 0
        self._under_way: deque[tuple[int, Any]] = deque()

    @property
    def started(self) -> int:
        return len(self._under_way)

    def start(
        self,
        inputs: NDArray[np.int32],
        targets: NDArray[np.int32],
        *,
        seeds: Sequence[int],
        learning_rate: float,
    ) -> None:
        device, slot = self._device, self._count % self.ahead
        key = (*inputs.shape, int(self._updater.averaging))
        if key not in self._steps:
            self._steps[key] = self._prepare(*inputs.shape)
        block, step = self._steps[key]
        if len(self._words[slot]) < len(block.array):
            self._words[slot] = device.pinned(len(block.array))
        drawn = np.random.SeedSequence([*seeds, 0]).generate_state(1, np.uint64)[0]
        numbers = self._updater.numbers(learning_rate, under_way=self.started)
        packed = pack_block(self._words[slot], inputs, targets, key=int(drawn), numbers=numbers)
        device.upload(packed, block.array)
        step()
        event = device.download(self._outcome, self._outcomes[slot])
        self._under_way.append((slot, event))
        self._count += 1

    def finish(self) -> float:
        slot, event = self._under_way.popleft()
        self._device.wait(event)
        outcome = self._outcomes[slot].view(np.float64)
        loss = float(outcome[_LOSS])
        if outcome[_GOOD]:
            self._updater.count()
            return loss
        if self._under_way:
            self._device.wait(self._under_way[-1][1])
            self._under_way.clear()
        self._device.clear(self._outcome)
        return math.nan if math.isfinite(loss) else loss

    def _prepare(self, steps: int, lanes: int) -> tuple[Block, Repeated]:
        block = Block(self._device, steps, lanes)
        model, updater, outcome = self._model, self._updater, self._outcome

        def train() -> None:  # without self, as above
            losses, parts = model.loss_and_gradients(
                block.inputs, block.targets, scale=1 / (steps * lanes), generator=block.numbers
            )
            updater.launch(parts, losses, block.numbers, outcome)

        return block, Repeated(self._device, train)
