"""A CUDA device for language models through CuPy: one stream, memory that graphs may keep, cuBLAS, and the kernels by NVRTC."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.errors import InputError
from trainer.backend import Array, choose
from trainer.engines.language.cublas import Cublas
from trainer.engines.language.gpu_cells import GpuCells
from trainer.engines.language.gpu_device import THREADS, Cells, training_program
from trainer.engines.language.gpu_products import multiply_aligned
from trainer.engines.language.gpu_steps import StepCells
from trainer.engines.programs import compiling, load_function

MOST_STATES = 60_000
"""Lanes times units up to which ``GpuCells`` are the faster ones, where products are not those of float32."""
TOO_LITTLE = (
    "the GPU's memory is not enough: lower --batch-size, --time-steps or --hidden, or use --device cpu"
)
_HOST_TO_DEVICE, _DEVICE_TO_HOST, _DEVICE_TO_DEVICE = 1, 2, 3


class CupyLanguageDevice:
    """The current CUDA device as a ``LanguageDevice``. Raises InputError where there is none."""

    threads = THREADS

    def __init__(self, *, precision: str = "float32", loops: str = "auto") -> None:
        """``precision`` as in ``Cublas``; ``loops``: "whole" and "steps" for ``GpuCells`` and ``StepCells``, or "auto".

        Whole loops multiply as ``precision`` says, or always in float32 where ``loops`` are "exact".
        """
        self.backend = choose("gpu")
        self._cupy = cupy = self.backend.xp
        # Not a non-blocking one: it takes its turn with the default stream, on which the learner copies weights.
        self._stream = cupy.cuda.Stream()
        self._scratch, self._lasting = cupy.cuda.MemoryPool(), cupy.cuda.MemoryPool()
        self._blas = Cublas(cupy, self._stream, precision=precision)
        self._choose = loops == "auto"
        self._aligned = precision != "float32"
        self._program = training_program(self.threads)
        self._functions: dict[str, Any] = {}
        self._loops: GpuCells | None = None
        if loops != "steps":
            self._loops = GpuCells(precision="float32" if loops == "exact" else precision)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        with self._stream, self._cupy.cuda.using_allocator(self._allocate):
            yield

    def empty(self, shape: tuple[int, ...], dtype: Any = np.float32) -> Array:
        return self._cupy.empty(shape, dtype)

    def zeros(self, shape: tuple[int, ...], dtype: Any = np.float32) -> Array:
        with self._stream, self._cupy.cuda.using_allocator(self._lasting.malloc), self._enough_memory():
            array = self._cupy.zeros(shape, dtype)
        self._stream.synchronize()
        return array

    def clear(self, array: Array) -> None:
        self._cupy.cuda.runtime.memsetAsync(array.data.ptr, 0, array.nbytes, self._stream.ptr)

    def copy(self, source: Array, target: Array) -> None:
        self._copy(target.data.ptr, source.data.ptr, source.nbytes, _DEVICE_TO_DEVICE)

    def multiply(self, a: Array, b: Array, out: Array, *, add: bool = False) -> None:
        if self._aligned:
            multiply_aligned(self, self._blas.multiply, a, b, out, add=add)
        else:
            self._blas.multiply(a, b, out, add=add)

    def launch(self, kernel: str, blocks: int, arguments: Sequence[Any]) -> None:
        function = self._functions.get(kernel) or self._find(kernel)
        function((blocks,), (self.threads,), tuple(arguments))

    def cells(self, kind: str, *, size: int, lanes: int, backward: bool) -> Cells:
        many = self._choose and self._aligned and lanes * size > MOST_STATES
        if self._loops is not None and not many:
            with suppress(InputError), self._cupy.cuda.using_allocator(self._lasting.malloc):
                self._loops.prepare(kind, size=size, lanes=lanes, backward=backward)
                return self._loops
        return StepCells(self)

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        with self.at_work():
            self._stream.begin_capture(self._cupy.cuda.runtime.streamCaptureModeRelaxed)
            try:
                work()
            except BaseException:
                with suppress(Exception):
                    self._stream.end_capture()
                raise
            graph = self._stream.end_capture()
        return lambda: graph.launch(self._stream)

    def pinned(self, length: int) -> NDArray[np.uint32]:
        memory = self._cupy.cuda.alloc_pinned_memory(max(4 * length, 4))
        return np.frombuffer(memory, np.uint32, length)

    def upload(self, source: NDArray[np.uint32], target: Array) -> None:
        self._copy(target.data.ptr, source.ctypes.data, source.nbytes, _HOST_TO_DEVICE)

    def download(self, source: Array, target: NDArray[np.uint32]) -> Any:
        self._copy(target.ctypes.data, source.data.ptr, source.nbytes, _DEVICE_TO_HOST)
        return self._stream.record(self._cupy.cuda.Event(disable_timing=True))

    def wait(self, event: Any) -> None:
        event.synchronize()

    def address(self, array: Array) -> int:
        return int(array.data.ptr)

    def _copy(self, target: int, source: int, size: int, kind: int) -> None:
        self._cupy.cuda.runtime.memcpyAsync(target, source, size, kind, self._stream.ptr)

    def _allocate(self, size: int) -> Any:
        before = self._scratch.total_bytes()
        with self._enough_memory():
            found = self._scratch.malloc(size)
        grown = self._scratch.total_bytes() - before
        if grown and grown < size:
            # CuPy gave memory back to make room: recorded steps may have been told to use it.
            raise InputError(TOO_LITTLE)
        return found

    @contextmanager
    def _enough_memory(self) -> Iterator[None]:
        try:
            yield
        except self._cupy.cuda.memory.OutOfMemoryError:
            raise InputError(TOO_LITTLE) from None

    def _find(self, kernel: str) -> Any:
        with compiling(self._cupy, self.backend.device):
            function = load_function(self._cupy, self._program, kernel)
        self._functions[kernel] = function
        return function
