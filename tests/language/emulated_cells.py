"""A device for GpuCells that is none: NumPy arrays, and recurrent.cu run by grid_on_cpu.h."""

import ctypes
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from engines.cpu_compiler import build

from trainer.engines.language.gpu_cells_plan import SOURCE, CellLimits

HERE = Path(__file__).parent


@dataclass
class EmulatedCellDevice:
    folder: Path
    multiprocessors: int = 5
    shared_bytes: int = 227 << 10
    clusters: tuple = ()
    has_tensor_cores: bool = True
    order: int = 0
    """Seed of the order in which threads and thread blocks run; 0: as they are numbered. Odd: copies come late."""
    flags: tuple = ()
    plans: list = field(default_factory=list)
    """Those of the launches."""

    @property
    def limits(self):
        blocks = {size: self.multiprocessors // size * size for size in (1, *self.clusters)}
        return CellLimits(self.shared_bytes, blocks)

    def compile(self, plan):
        macros = {"KERNEL_NAME": plan.name, **plan.macros}
        library = build(HERE / "recurrent_emulator.cpp", SOURCE, macros, self.folder, flags=self.flags)
        assert library.shared_bytes() == plan.shared_bytes <= self.shared_bytes
        assert plan.blocks <= self.multiprocessors
        return library

    def zeros(self, shape):
        return np.zeros(shape, np.float32)

    def launch(self, kernel, plan, arguments):
        self.plans.append(plan)
        given = [
            ctypes.c_void_p(each.ctypes.data) if isinstance(each, np.ndarray) else ctypes.c_int(int(each))
            for each in arguments
        ]
        pointers = (ctypes.c_void_p * len(given))(*(ctypes.addressof(each) for each in given))
        if kernel.emulate(ctypes.c_int(plan.blocks), ctypes.c_uint(self.order), pointers):
            raise RuntimeError("threads wait for others that never come")
