"""What the recurrent kernels ask of a device, and the CUDA device that does it through CuPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from artifact.errors import InputError
from trainer.backend import choose
from trainer.engines.language.clusters import count_clusters
from trainer.engines.language.gpu_cells_plan import CellLimits, CellPlan
from trainer.engines.programs import compiling, load_function

CLUSTERS = (2, 4, 8)


class CellDevice(Protocol):
    """Compiles and launches recurrent.cu. Arrays are opaque but for their shape."""

    limits: CellLimits
    has_tensor_cores: bool
    """For bfloat16."""

    def compile(self, plan: CellPlan) -> Any:
        """The kernel ``plan.name``. Raises InputError where it cannot be compiled, or does not fit at once."""

    def zeros(self, shape: tuple[int, ...]) -> Any:
        """A float32 array of zeros."""

    def launch(self, kernel: Any, plan: CellPlan, arguments: Sequence[Any]) -> None:
        """Start ``plan.blocks`` thread blocks, after whatever was started before. Numbers are NumPy scalars."""


class CupyCellDevice:
    """The current CUDA device; launches go to CuPy's current stream. Raises InputError where there is none."""

    def __init__(self) -> None:
        backend = choose("gpu")
        self._cupy = backend.xp
        device = self._cupy.cuda.Device()
        attributes = device.attributes
        self.name = backend.device.removeprefix("GPU ")
        generation = int(device.compute_capability[:-1])
        self.has_tensor_cores = generation >= 8
        shared_bytes = int(attributes["MaxSharedMemoryPerBlockOptin"])
        blocks = {1: int(attributes["MultiProcessorCount"])}
        if generation >= 9:
            with compiling(self._cupy, self.name, kernels="the recurrent kernels"):
                blocks |= {size: size * self._count_clusters(size, shared_bytes) for size in CLUSTERS}
        self.limits = CellLimits(shared_bytes, {size: count for size, count in blocks.items() if count})

    def compile(self, plan: CellPlan) -> Any:
        """See ``load_function``."""
        with compiling(self._cupy, self.name, kernels="the recurrent kernels"):
            function = load_function(self._cupy, plan.program, plan.name)
            function.max_dynamic_shared_size_bytes = plan.shared_bytes
            at_once = self._cupy.cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor(
                function.kernel.ptr, plan.threads, plan.shared_bytes
            )
        if int(at_once) < 1:
            raise InputError(
                f"{plan.name} of {plan.size} units does not fit on {self.name}; use --device cpu"
            )
        return function

    def _count_clusters(self, size: int, shared_bytes: int) -> int:
        """Clusters of ``size`` thread blocks that run at once, each with a multiprocessor of its own."""
        code = f'extern "C" __global__ void __cluster_dims__({size}, 1, 1) use(float* x) {{ x[0] = 0.f; }}'
        function = self._cupy.RawModule(code=code).get_function("use")
        function.max_dynamic_shared_size_bytes = shared_bytes
        return count_clusters(function.kernel.ptr, size, shared_bytes)

    def zeros(self, shape: tuple[int, ...]) -> Any:
        return self._cupy.zeros(shape, np.float32)

    def launch(self, kernel: Any, plan: CellPlan, arguments: Sequence[Any]) -> None:
        kernel((plan.blocks,), (plan.threads,), tuple(arguments), shared_mem=plan.shared_bytes)
