"""``python -m trainer.engines.precompile FOLDER``: what is usually trained, compiled for the usual GPUs where there is none.

NVRTC does it, as it would on the device. What another setting or another GPU needs is compiled when it is first used.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from artifact.errors import InputError
from artifact.files import replace_file
from trainer.engines.gpu_neighbours import CAPACITIES, NeighbourPlan
from trainer.engines.gpu_plan import Plan
from trainer.engines.language.gpu_cells_choice import choose_plan
from trainer.engines.language.gpu_cells_plan import CellLimits
from trainer.engines.language.gpu_device import training_program
from trainer.engines.programs import Program
from trainer.engines.sampling import choose_chunk
from trainer.language_recipes import RECIPES, RnnlmSettings
from trainer.recipes import MODELS, WordVectorSettings, available_threads

DIMS = (50, 100, 200, 300)
WINDOWS = (5, 10)
AS_CUPY_DOES = ("-default-device", "-ftz=true")
"""Options that CuPy adds when it compiles on a device."""
_EVERY_WORD = np.full(1 << 16, 2**32 - 1, dtype=np.uint32)


@dataclass(frozen=True)
class Gpu:
    """What a layout depends on."""

    architecture: str
    shared_bytes: int
    """Of shared memory for one thread block, at most."""
    multiprocessors: int
    clusters: tuple[tuple[int, int], ...] = ()
    """How many thread blocks run at once in clusters of how many, as its driver says."""

    @property
    def cell_limits(self) -> CellLimits:
        return CellLimits(self.shared_bytes, {1: self.multiprocessors, **dict(self.clusters)})


GPUS = (
    Gpu("sm_80", 163 << 10, 108),  # A100
    Gpu("sm_86", 99 << 10, 80),  # A10G
    Gpu("sm_89", 99 << 10, 58),  # L4
    Gpu("sm_90", 227 << 10, 132, clusters=((2, 132), (4, 120), (8, 120))),  # H100, H200
    Gpu("sm_100", 227 << 10, 148),  # B200
)


def list_programs(gpu: Gpu) -> Iterator[Program]:
    """The programs of the usual trainings, and of neighbours; the same one may come twice."""
    for capacity in CAPACITIES:
        yield NeighbourPlan(capacity).program
    yield training_program()
    for model in MODELS:
        for dim in DIMS:
            for window in WINDOWS:
                settings = WordVectorSettings(model=model, dim=dim, window=window, threads=1)
                # Of a text that is large enough not to shorten it.
                chunk = choose_chunk(np.ones(1 << 16, np.int64), _EVERY_WORD, window=window, dim=dim)
                plan = Plan.choose(settings, chunk=chunk, shared_bytes=gpu.shared_bytes)
                yield plan.program
    for recipe in RECIPES.values():
        yield from _list_cells(recipe(threads=1), gpu)


def _list_cells(settings: RnnlmSettings, gpu: Gpu) -> Iterator[Program]:
    """The time loops of a recipe; what has no room on this GPU is left out."""
    sizes = sorted({*settings.widths[1:]})
    for size, backward, precision in product(sizes, (False, True), ("float32", "tf32")):
        try:
            plan = choose_plan(
                settings.cell,
                backward=backward,
                size=size,
                lanes=settings.batch_size,
                limits=gpu.cell_limits,
                precision=precision,
            )
        except InputError:
            continue
        yield plan.program


def compile_program(program: Program, architecture: str) -> bytes:
    """The cubin. Raises InputError with what the compiler said."""
    from cupy_backends.cuda.libs import nvrtc

    handle = nvrtc.createProgram(program.source, "kernels.cu", (), ())
    try:
        nvrtc.compileProgram(handle, (*program.options, *AS_CUPY_DOES, f"--gpu-architecture={architecture}"))
        cubin: bytes = nvrtc.getCUBIN(handle)
    except nvrtc.NVRTCError as error:
        raise InputError(f"{architecture}: {error}: {nvrtc.getProgramLog(handle)}") from None
    finally:
        nvrtc.destroyProgram(handle)
    return cubin


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    known = [gpu.architecture for gpu in GPUS]
    parser.add_argument("--architectures", nargs="+", default=known, choices=known)
    options = parser.parse_args(argv)
    options.folder.mkdir(parents=True, exist_ok=True)
    wanted = {
        program.filename(gpu.architecture): (program, gpu.architecture)
        for gpu in GPUS
        if gpu.architecture in options.architectures
        for program in list_programs(gpu)
    }

    def make(filename: str) -> int:
        cubin = compile_program(*wanted[filename])
        replace_file(options.folder / filename, cubin)
        return len(cubin)

    with ThreadPoolExecutor(available_threads()) as pool:
        sizes = list(pool.map(make, wanted))
    print(f"{len(sizes)} programs for {', '.join(options.architectures)}, {sum(sizes) / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
