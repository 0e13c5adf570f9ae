"""A CUDA device through CuPy: memory, two streams, and the kernels compiled for it by NVRTC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.errors import InputError
from trainer.backend import choose
from trainer.engines.device import Limits
from trainer.engines.gpu_plan import Plan, read_source
from trainer.engines.programs import Program, load_function


@dataclass(frozen=True)
class CupyKernel:
    """``train_pieces`` for one plan, on the device."""

    function: Any
    threads: int
    shared_bytes: int
    capacity: int


class CupyDevice:
    """The current CUDA device. Raises InputError where there is none."""

    def __init__(self) -> None:
        backend = choose("gpu")
        self._cupy = cupy = backend.xp
        device = cupy.cuda.Device()
        self._attributes = device.attributes
        self.name = backend.device.removeprefix("GPU ")
        self.limits = Limits(
            multiprocessors=int(self._attributes["MultiProcessorCount"]),
            shared_bytes=int(self._attributes["MaxSharedMemoryPerBlockOptin"]),
            free_bytes=int(cupy.cuda.runtime.memGetInfo()[0]),
        )
        self._computing, self._copying = (cupy.cuda.Stream(non_blocking=True) for _ in range(2))

    def compile(self, plan: Plan) -> CupyKernel:
        """See ``load_function``. Raises InputError where it fails."""
        program = Program.from_macros(read_source(), plan.macros)
        try:
            function = load_function(self._cupy, program, "train_pieces")
            function.max_dynamic_shared_size_bytes = plan.shared_bytes
            at_once = self._cupy.cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor(
                function.kernel.ptr, plan.threads, plan.shared_bytes
            )
        except (self._cupy.cuda.compiler.CompileException, self._cupy.cuda.driver.CUDADriverError) as error:
            reason = str(error).strip().splitlines()[0][:200]
            raise InputError(
                f"the kernels cannot be compiled for {self.name} ({reason}); use --device cpu"
            ) from error
        capacity = max(1, int(at_once)) * self.limits.multiprocessors
        return CupyKernel(function, plan.threads, plan.shared_bytes, capacity)

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        with self._computing:
            array = self._cupy.zeros(shape, dtype)
        self._computing.synchronize()  # the other stream may write to it
        return array

    def write(self, source: NDArray[Any], target: Any) -> None:
        if len(source):
            target.set(np.ascontiguousarray(source), stream=self._computing)
            self._computing.synchronize()

    def read(self, array: Any) -> NDArray[Any]:
        found: NDArray[Any] = array.get(stream=self._computing)
        self._computing.synchronize()
        return found

    def pinned(self, length: int) -> NDArray[np.uint32]:
        memory = self._cupy.cuda.alloc_pinned_memory(max(4 * length, 4))
        return np.frombuffer(memory, np.uint32, length)

    def copy(self, source: NDArray[np.uint32], target: Any) -> Any:
        if len(source):
            target.set(source, stream=self._copying)
        return self._copying.record()

    def wait(self, event: Any) -> None:
        event.synchronize()

    def launch(
        self, kernel: CupyKernel, blocks: int, arguments: Sequence[Any], *, after: Sequence[Any]
    ) -> None:
        for event in after:
            self._computing.wait_event(event)
        with self._computing:
            kernel.function((blocks,), (kernel.threads,), tuple(arguments), shared_mem=kernel.shared_bytes)
