"""A ``LanguageDevice`` that is none: NumPy arrays and products, and training.cu run by cuda_on_cpu.h.

Nothing is done before somebody waits. What is scratch begins as NaN.
"""

import ctypes
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from engines.cpu_compiler import build

from trainer.backend import Backend
from trainer.engines.language.gpu_device import SOURCE
from trainer.engines.language.gpu_steps import StepCells

HERE = Path(__file__).parent
THREADS = 32


def compile_kernels(folder):
    return build(HERE / "training_emulator.cpp", SOURCE, {"THREADS": THREADS}, folder)


@dataclass(frozen=True)
class WaitingBackend(Backend):
    """NumPy that waits for the device before it copies, as CuPy does."""

    wait: object = None

    def asarray(self, array):
        self.wait(None)
        return super().asarray(array)

    def to_numpy(self, array):
        self.wait(None)
        return np.array(array)


@dataclass
class EmulatedLanguageDevice:
    folder: Path
    order: int = 0
    """Seed of the order in which threads run between barriers; 0: as they are numbered."""
    threads: int = THREADS
    recordings: int = 0
    replays: int = 0
    waiting: list = field(default_factory=list)

    def __post_init__(self):
        self.backend = WaitingBackend(xp=np, device="a CPU in a GPU's clothes", is_gpu=False, wait=self.wait)
        self._library = compile_kernels(self.folder)
        self._tape = None

    @contextmanager
    def at_work(self):
        yield

    def empty(self, shape, dtype=np.float32):
        array = np.empty(shape, dtype)
        array.view(np.uint8).fill(0xFF)
        return array

    def zeros(self, shape, dtype=np.float32):
        assert self._tape is None
        return np.zeros(shape, dtype)

    def clear(self, array):
        self._do(lambda: array.fill(0))

    def copy(self, source, target):
        assert source.size == target.size
        assert source.dtype == target.dtype
        self._do(lambda: target.reshape(-1).__setitem__(slice(None), source.reshape(-1)))

    def multiply(self, a, b, out, *, add=False):
        def multiply():
            product = a @ b
            out[...] = out + product if add else product

        self._do(multiply)

    def launch(self, kernel, blocks, arguments):
        def launch():
            kept = [
                ctypes.c_void_p(each.ctypes.data) if isinstance(each, np.ndarray) else each.tobytes()
                for each in arguments
            ]
            buffers = [
                ctypes.create_string_buffer(each, len(each)) if isinstance(each, bytes) else each
                for each in kept
            ]
            pointers = (ctypes.c_void_p * len(buffers))(*(ctypes.addressof(each) for each in buffers))
            name = kernel.encode()
            failed = self._library.emulate(name, blocks, self.order, len(buffers), pointers)
            assert not failed, (kernel, failed)

        for each in arguments:
            assert isinstance(each, np.generic) or each.flags.c_contiguous or kernel == "copy_rows", kernel
        self._do(launch)

    def cells(self, kind, *, size, lanes, backward):
        return StepCells(self)

    def record(self, work):
        self.recordings += 1
        self._tape = []
        work()
        tape, self._tape = self._tape, None

        def replay():
            self.replays += 1
            for do in tape:
                self._do(do)

        return replay

    def pinned(self, length):
        return np.zeros(length, np.uint32)

    def upload(self, source, target):
        self._do(lambda: target.view(np.uint32).__setitem__(slice(None), source))

    def download(self, source, target):
        self._do(lambda: target.view(source.dtype).__setitem__(slice(None), source))
        return len(self.waiting)

    def wait(self, event):
        waiting, self.waiting = self.waiting, []
        with np.errstate(all="ignore"):
            for do in waiting:
                do()

    def address(self, array):
        return array.ctypes.data

    def _do(self, work):
        (self.waiting if self._tape is None else self._tape).append(work)
