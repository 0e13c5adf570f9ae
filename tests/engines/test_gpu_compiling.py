"""The kernels compile for the architectures that we say they run on: with nvcc or NVRTC, neither of which needs a GPU."""

import ctypes
import ctypes.util
import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

from trainer.engines.gpu_neighbours import NeighbourPlan
from trainer.engines.gpu_plan import Plan, read_source
from trainer.engines.language.gpu_cells_choice import choose_plan
from trainer.engines.language.gpu_cells_plan import CellLimits
from trainer.engines.language.gpu_cells_plan import read_source as read_cell_source
from trainer.engines.programs import Program

PLANS = {
    "cbow": Plan(dim=100, window=5, negatives=16, chunk=256, skipgram=False),
    "skipgram": Plan(dim=100, window=5, negatives=16, chunk=256, skipgram=True),
    "subwords": Plan(dim=100, window=5, negatives=16, chunk=256, skipgram=False, subwords=True),
    "halves": Plan(dim=100, window=5, negatives=16, chunk=256, skipgram=True, halves=True),
    "wide": Plan(dim=1024, window=2, negatives=24, chunk=512, skipgram=False, block=4, threads=256),
}
PROGRAMS = {kind: Program.from_macros(read_source(), plan.macros) for kind, plan in PLANS.items()} | {
    "neighbours": NeighbourPlan.choose(100, shared_bytes=99 << 10).program,
    "many neighbours": NeighbourPlan.choose(5_000, shared_bytes=227 << 10).program,
}

CLUSTERS = "gru backward, in clusters"
LOOPS = {  # cell and direction, precision, thread blocks by those of a cluster
    "lstm forward": ("lstm", False, "float32", {1: 108}),
    "rnn backward": ("rnn", True, "float32", {1: 108}),
    "lstm backward on tensor cores": ("lstm", True, "tf32", {1: 108}),
    "gru forward on tensor cores": ("gru", False, "bfloat16", {1: 108}),
    CLUSTERS: ("gru", True, "tf32", {8: 120}),
}
for _kind, (_cell, _backward, _precision, _blocks) in LOOPS.items():
    _plan = choose_plan(
        _cell,
        backward=_backward,
        size=650,
        lanes=20,
        limits=CellLimits(163 << 10, _blocks),
        precision=_precision,
    )
    PROGRAMS[_kind] = Program.from_macros(read_cell_source(), _plan.macros)


def find_nvrtc():
    """The NVRTC library of the pip package, or of the system; None where there is none."""
    names = []
    for package in ("nvidia.cuda_nvrtc", "nvidia.cu13"):
        try:
            spec = importlib.util.find_spec(package)
        except ModuleNotFoundError:
            continue
        for folder in (spec and spec.submodule_search_locations) or ():
            names += sorted(map(str, Path(folder).glob("lib/libnvrtc.so*")))
    names += filter(None, [ctypes.util.find_library("nvrtc")])
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def compile_with_nvrtc(library, source, options):
    """Returns the errors and warnings; empty where all is well."""
    program = ctypes.c_void_p()
    made = library.nvrtcCreateProgram(
        ctypes.byref(program), source.encode(), b"kernels.cu", ctypes.c_int(0), None, None
    )
    assert made == 0
    given = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
    failed = library.nvrtcCompileProgram(program, ctypes.c_int(len(options)), given)
    size = ctypes.c_size_t()
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    library.nvrtcDestroyProgram(ctypes.byref(program))
    return log.value.decode() or ("failed" if failed else "")


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
@pytest.mark.parametrize("kind", PROGRAMS)
def test_the_kernels_compile_without_a_warning(kind, architecture, tmp_path):
    program = PROGRAMS[kind]
    if kind == CLUSTERS and architecture == "sm_80":
        pytest.skip("clusters came with sm_90")
    if nvcc := shutil.which("nvcc"):
        source = tmp_path / "kernels.cu"
        source.write_text(program.source)
        command = [nvcc, *program.options, f"-arch={architecture}", "-cubin", "-Xptxas", "-v"]
        done = subprocess.run(
            [*command, "-o", tmp_path / "kernels.cubin", source], check=False, capture_output=True, text=True
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        assert "warning" not in said, said
    elif library := find_nvrtc():
        options = [*program.options, f"--gpu-architecture={architecture}"]
        assert not compile_with_nvrtc(library, program.source, options)
    else:
        pytest.skip("neither nvcc nor NVRTC is found to compile the kernels with")
