"""The current CUDA device as ``gpu_neighbours`` needs it: memory and events of CuPy, products of cuBLAS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.backend import choose
from trainer.engines.cupy_device import find_free_bytes
from trainer.engines.gpu_neighbours import NeighbourPlan
from trainer.engines.programs import compiling, load_function


class CupyNeighbours:
    """Raises InputError where there is no CUDA device."""

    def __init__(self) -> None:
        backend = choose("gpu")
        self.xp = cupy = backend.xp
        attributes = cupy.cuda.Device().attributes
        self.name = backend.device.removeprefix("GPU ")
        self.shared_bytes = int(attributes["MaxSharedMemoryPerBlockOptin"])
        self.free_bytes = find_free_bytes(cupy)
        self._one, self._zero = np.ones(1, np.float32), np.zeros(1, np.float32)

    def compile(self, plan: NeighbourPlan) -> Any:
        """The kernel and its plan. Raises InputError where it cannot be compiled."""
        with compiling(self.xp, self.name):
            function = load_function(self.xp, plan.program, "find_neighbours")
            function.max_dynamic_shared_size_bytes = plan.shared_bytes
        return function, plan

    def upload(self, array: NDArray[Any]) -> Any:
        return self.xp.asarray(array)

    def multiply(self, rows: Any, table: Any, scores: Any) -> None:
        # Called by name: cupy.matmul takes TF32 where the environment asks for it, and its scores would be too far off.
        cublas = self.xp.cuda.cublas
        (n, width), depth = scores.shape, rows.shape[1]
        handle = self.xp.cuda.device.get_cublas_handle()
        cublas.setPointerMode(handle, cublas.CUBLAS_POINTER_MODE_HOST)
        cublas.sgemm(
            handle,
            cublas.CUBLAS_OP_T,
            cublas.CUBLAS_OP_N,
            width,
            n,
            depth,
            self._one.ctypes.data,
            table.data.ptr,
            depth,
            rows.data.ptr,
            depth,
            self._zero.ctypes.data,
            scores.data.ptr,
            width,
        )

    def select(self, kernel: Any, blocks: int, arguments: Sequence[Any]) -> None:
        function, plan = kernel
        function((blocks,), (plan.threads,), tuple(arguments), shared_mem=plan.shared_bytes)

    def mark(self) -> Any:
        return self.xp.cuda.get_current_stream().record()

    def wait(self, event: Any) -> None:
        event.synchronize()

    def download(self, array: Any, target: NDArray[Any]) -> None:
        array.get(out=target)
