"""What is compiled beforehand is what the engines ask for on those devices."""

import sys
from itertools import product
from types import ModuleType

import pytest
from engines.emulated_device import EmulatedDevice
from engines.specification import make_corpus

from artifact.errors import InputError
from trainer.engines import precompile
from trainer.engines.device import Limits
from trainer.engines.gpu import GpuLearner
from trainer.engines.gpu_neighbours import NeighbourPlan
from trainer.engines.gpu_plan import read_source
from trainer.engines.language.gpu_cells_choice import choose_plan
from trainer.engines.language.gpu_cells_plan import read_source as read_cell_source
from trainer.engines.language.gpu_device import training_program
from trainer.engines.programs import Program
from trainer.recipes import WordVectorSettings

H200 = next(gpu for gpu in precompile.GPUS if gpu.architecture == "sm_90")


@pytest.fixture(scope="module")
def programs():
    return {gpu.architecture: set(precompile.list_programs(gpu)) for gpu in precompile.GPUS}


@pytest.mark.parametrize("gpu", precompile.GPUS, ids=lambda gpu: gpu.architecture)
@pytest.mark.parametrize("model", ["cbow", "skipgram"])
def test_a_usual_training_of_word_vectors_is_there(programs, tmp_path, gpu, model):
    corpus = make_corpus([list(range(3_000))], 3_000)
    limits = Limits(multiprocessors=gpu.multiprocessors, shared_bytes=gpu.shared_bytes, free_bytes=1 << 30)
    learner = GpuLearner(
        corpus, WordVectorSettings(model=model, threads=1), EmulatedDevice(tmp_path, limits=limits)
    )
    assert Program.from_macros(read_source(), learner.plan.macros) in programs[gpu.architecture]


def test_neighbours_and_the_language_model_are_there(programs):
    here = programs["sm_90"]
    for count in (10, 50, 100, 1_000):
        assert NeighbourPlan.choose(count, shared_bytes=H200.shared_bytes).program in here
    assert training_program() in here
    for size, lanes in ((650, 20), (1150, 20), (400, 20), (100, 20)):
        for backward, precision in product((False, True), ("float32", "tf32")):
            plan = choose_plan(
                "lstm",
                backward=backward,
                size=size,
                lanes=lanes,
                limits=H200.cell_limits,
                precision=precision,
            )
            assert Program.from_macros(read_cell_source(), plan.macros) in here


class Nvrtc(ModuleType):
    """As CuPy's binding."""

    class NVRTCError(Exception):
        """What CuPy raises."""

    def __init__(self, broken=""):
        super().__init__("nvrtc")
        self.asked, self.open, self.broken = [], 0, broken

    def createProgram(self, source, name, headers, include_names):  # noqa: N802 - CuPy's name
        assert headers == include_names == ()
        self.open += 1
        return [source]

    def compileProgram(self, handle, options):  # noqa: N802 - CuPy's name
        self.asked.append((handle[0], options))
        if self.broken:
            raise self.NVRTCError("NVRTC_ERROR_COMPILATION (6)")

    def getProgramLog(self, handle):  # noqa: N802 - CuPy's name
        return self.broken

    def getCUBIN(self, handle):  # noqa: N802 - CuPy's name
        return b"\x7fELF"

    def destroyProgram(self, handle):  # noqa: N802 - CuPy's name
        self.open -= 1


def install(monkeypatch, nvrtc):
    package = ModuleType("cupy_backends.cuda.libs")
    package.nvrtc = nvrtc
    for name in ("cupy_backends", "cupy_backends.cuda"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "cupy_backends.cuda.libs", package)
    return nvrtc


def test_the_folder_holds_each_program_for_each_architecture(programs, tmp_path, monkeypatch, capsys):
    nvrtc = install(monkeypatch, Nvrtc())
    folder = tmp_path / "cubins"
    assert precompile.main([str(folder), "--architectures", "sm_80", "sm_90"]) == 0
    expected = {program.filename(each) for each in ("sm_80", "sm_90") for program in programs[each]}
    assert {path.name for path in folder.iterdir()} == expected
    assert f"{len(expected)} programs for sm_80, sm_90" in capsys.readouterr().out
    assert len(nvrtc.asked) == len(expected)
    assert nvrtc.open == 0
    source, options = nvrtc.asked[-1]
    assert Program(source, options[: -1 - len(precompile.AS_CUPY_DOES)]) in programs["sm_90"]
    assert options[-1] == "--gpu-architecture=sm_90"


def test_what_does_not_compile_ends_the_build(tmp_path, monkeypatch):
    nvrtc = install(monkeypatch, Nvrtc("kernels.cu(3): error: expected a ;"))
    with pytest.raises(InputError, match=r"sm_80: NVRTC_ERROR.*expected a ;"):
        precompile.main([str(tmp_path), "--architectures", "sm_80"])
    assert nvrtc.open == 0


def test_an_architecture_that_is_not_known_is_refused(tmp_path):
    with pytest.raises(SystemExit) as ending:
        precompile.main([str(tmp_path), "--architectures", "sm_10"])
    assert ending.value.code == 2
