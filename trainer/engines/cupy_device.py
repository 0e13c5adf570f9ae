"""A CUDA device through CuPy: memory, two streams, and the kernels compiled for it by NVRTC."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.errors import InputError
from trainer.backend import choose
from trainer.engines.cupy_exchange import connect
from trainer.engines.device import Exchange, Limits
from trainer.engines.gpu_plan import Plan
from trainer.engines.programs import compiling, load_function


def find_free_bytes(cupy: Any) -> int:
    """Memory of the current device that nobody uses; what CuPy kept of earlier work is given back first."""
    cupy.get_default_memory_pool().free_all_blocks()
    return int(cupy.cuda.runtime.memGetInfo()[0])


@dataclass(frozen=True)
class CupyKernel:
    """``train_pieces`` for one plan, on the device."""

    function: Any
    threads: int
    shared_bytes: int
    capacity: int


class CupyDevice:
    """A CUDA device, by its number among those that are visible. Raises InputError where there is none."""

    def __init__(self, number: int = 0) -> None:
        self._cupy = cupy = choose("gpu").xp
        self.number = number
        self._device = cupy.cuda.Device(number)
        with self._device:
            attributes = self._device.attributes
            self.name = cupy.cuda.runtime.getDeviceProperties(number)["name"].decode()
            self.limits = Limits(
                multiprocessors=int(attributes["MultiProcessorCount"]),
                shared_bytes=int(attributes["MaxSharedMemoryPerBlockOptin"]),
                free_bytes=find_free_bytes(cupy),
            )
            self._computing, self._copying = (cupy.cuda.Stream(non_blocking=True) for _ in range(2))

    def compile(self, plan: Plan) -> CupyKernel:
        """See ``load_function``. Raises InputError where it fails."""
        with self._device, compiling(self._cupy, self.name):
            function = load_function(self._cupy, plan.program, "train_pieces")
            function.max_dynamic_shared_size_bytes = plan.shared_bytes
            at_once = self._cupy.cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor(
                function.kernel.ptr, plan.threads, plan.shared_bytes
            )
        capacity = max(1, int(at_once)) * self.limits.multiprocessors
        return CupyKernel(function, plan.threads, plan.shared_bytes, capacity)

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        with self.computing() as stream:
            array = self._cupy.zeros(shape, dtype)
        stream.synchronize()  # the other stream may write to it
        return array

    def write(self, source: NDArray[Any], target: Any) -> None:
        if len(source):
            with self.computing() as stream:
                target.set(np.ascontiguousarray(source), stream=stream)
            stream.synchronize()

    def read(self, array: Any) -> NDArray[Any]:
        with self.computing() as stream:
            found: NDArray[Any] = array.get(stream=stream)
        stream.synchronize()
        return found

    def pinned(self, length: int) -> NDArray[np.uint32]:
        with self._device:
            memory = self._cupy.cuda.alloc_pinned_memory(max(4 * length, 4))
        return np.frombuffer(memory, np.uint32, length)

    def copy(self, source: NDArray[np.uint32], target: Any) -> Any:
        with self._device:
            if len(source):
                target.set(source, stream=self._copying)
            return self._copying.record()

    def wait(self, event: Any) -> None:
        event.synchronize()

    def launch(
        self, kernel: CupyKernel, blocks: int, arguments: Sequence[Any], *, after: Sequence[Any]
    ) -> None:
        with self.computing() as stream:
            for event in after:
                stream.wait_event(event)
            kernel.function((blocks,), (kernel.threads,), tuple(arguments), shared_mem=kernel.shared_bytes)

    @contextmanager
    def computing(self) -> Iterator[Any]:
        """Within, what CuPy does is done on this device and its stream for computing, which it yields."""
        with self._device, self._computing:
            yield self._computing

    def connect(self, devices: Sequence[CupyDevice]) -> Exchange:
        return connect(devices)


def count_devices() -> int:
    """CUDA devices that are visible; CUDA_VISIBLE_DEVICES has its say. Raises InputError where there is none."""
    return int(choose("gpu").xp.cuda.runtime.getDeviceCount())


def find_devices(count: int) -> list[CupyDevice]:
    """The first `count` devices. Raises InputError where there are fewer."""
    require_devices(count)
    return [CupyDevice(number) for number in range(count)]


def require_devices(count: int) -> None:
    """Raises InputError where there are fewer than `count` devices."""
    there = count_devices()
    if count > there:
        raise InputError(
            f"--gpus {count}: there {'is one GPU' if there == 1 else f'are {there} GPUs'} that CUDA can see "
            "(CUDA_VISIBLE_DEVICES may hide others)"
        )
