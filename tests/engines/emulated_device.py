"""A device that is no device: NumPy arrays, and the kernels run by cuda_on_cpu.h.

What a real device may do late, a lazy one does as late as it can, and what it may do early as early: copies when somebody
waits for them, launches when something is read.
"""

import ctypes
import threading
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from engines.cpu_compiler import build

from trainer.engines.device import Limits
from trainer.engines.gpu_plan import SOURCE

HERE = Path(__file__).parent
TYPES = {
    "int32": ctypes.c_int,
    "int64": ctypes.c_longlong,
    "uint64": ctypes.c_ulonglong,
    "float64": ctypes.c_double,
    "float32": ctypes.c_float,
}


ONE_AT_A_TIME = threading.Lock()  # the emulator's threads are global variables


class Exchange:
    name = "additions"
    remark = "added up here"

    def __init__(self, devices):
        self.devices = devices

    def add_up(self, arrays):
        for device in self.devices:
            device.flush()
        arrays[0][...] = sum(arrays[1:], arrays[0])
        for array in arrays[1:]:
            array[...] = arrays[0]


class Kernel:
    def __init__(self, plan, folder, *, flags=(), order=0, capacity=4, together=False):
        flags = (*flags, "-DTOGETHER") if together else flags
        self._library = build(HERE / "emulator.cpp", SOURCE, plan.macros, folder, flags=flags)
        self.shared_bytes = self._library.shared_bytes()
        self.capacity = capacity
        self.order = order

    def __call__(self, blocks, arguments):
        given = [
            ctypes.c_void_p(each.ctypes.data)
            if isinstance(each, np.ndarray)
            else TYPES[each.dtype.name](each)
            for each in arguments
        ]
        with ONE_AT_A_TIME:
            stuck = self._library.emulate(ctypes.c_int(blocks), ctypes.c_uint(self.order), *given)
        if stuck:
            raise RuntimeError("threads of a block wait at a barrier that others never reach")


@dataclass
class EmulatedDevice:
    folder: Path
    name: str = "a CPU in a GPU's clothes"
    limits: Limits = field(
        default_factory=lambda: Limits(multiprocessors=2, shared_bytes=227 << 10, free_bytes=1 << 30)
    )
    order: int = 0
    """Seed of the order in which threads run between barriers; 0: as they are numbered."""
    capacity: int = 4
    together: bool = False
    """Whether thread blocks run at once, taking turns at their barriers, and not one after the other."""
    flags: tuple = ()
    launches: list = field(default_factory=list)
    """The number of thread blocks of each."""

    def compile(self, plan):
        return Kernel(
            plan,
            self.folder,
            flags=self.flags,
            order=self.order,
            capacity=self.capacity,
            together=self.together,
        )

    def zeros(self, shape, dtype):
        return np.zeros(shape, dtype)

    def write(self, source, target):
        target[...] = source

    def read(self, array):
        return array.copy()

    def pinned(self, length):
        return np.zeros(length, np.uint32)

    def copy(self, source, target):
        target[...] = source

    def wait(self, event):
        pass

    def launch(self, kernel, blocks, arguments, *, after):
        self.launches.append(blocks)
        kernel(blocks, arguments)

    def computing(self):
        self.flush()
        return nullcontext()

    def connect(self, devices):
        return Exchange(devices)

    def flush(self):
        """Do what a lazy device has put off."""


@dataclass
class LazyDevice(EmulatedDevice):
    waiting: list = field(default_factory=list)
    early_copies: bool = False

    def read(self, array):
        self.flush()
        return super().read(array)

    def flush(self):
        waiting, self.waiting = self.waiting, []
        for do in waiting:
            do()

    def copy(self, source, target):
        pending = [lambda: super(LazyDevice, self).copy(source, target)]
        if self.early_copies:
            self.wait(pending)
        return pending

    def wait(self, event):
        while event:
            event.pop()()

    def launch(self, kernel, blocks, arguments, *, after):
        def start():
            for event in after:
                self.wait(event)
            super(LazyDevice, self).launch(kernel, blocks, arguments, after=())

        self.waiting.append(start)
