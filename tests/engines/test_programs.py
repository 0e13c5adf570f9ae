"""Programs that were compiled beforehand are found by what they were made of, and loaded in place of compiling."""

from types import SimpleNamespace

import pytest

from artifact.errors import InputError
from trainer.engines.precompile import compile_program
from trainer.engines.programs import Program, compiling, find_cubin, load_function

PROGRAM = Program.from_macros('extern "C" __global__ void run() {}', {"WIDTH": 4})


class DriverError(Exception):
    """As the driver's, of a file that it cannot load."""


class DeviceError(RuntimeError):
    """As the device's, when a kernel of before went wrong."""


class CompileError(Exception):
    """As the compiler's."""


class Module:
    def __init__(self, device, **made_of):
        self.device, self.made_of = device, made_of

    def get_function(self, name):
        path = self.made_of.get("path")
        if path and path in self.device.broken:
            raise DriverError
        return name, self.made_of


class Cupy:
    """What ``load_function`` asks of CuPy."""

    def __init__(self, capability, broken=()):
        self.broken = {str(path) for path in broken}
        self.cuda = SimpleNamespace(
            Device=lambda: SimpleNamespace(compute_capability=capability),
            driver=SimpleNamespace(CUDADriverError=DriverError),
            compiler=SimpleNamespace(CompileException=CompileError),
            runtime=SimpleNamespace(CUDARuntimeError=DeviceError),
        )

    def RawModule(self, **made_of):  # noqa: N802 - CuPy's name
        return Module(self, **made_of)


COMPILED = {"code": PROGRAM.source, "options": ("-std=c++17", "-DWIDTH=4")}


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDKIN_CUBINS", str(tmp_path))

    def ship(architecture, program=PROGRAM):
        path = tmp_path / program.filename(architecture)
        path.write_bytes(b"\x7fELF")
        return path

    return ship


def test_a_file_is_named_by_the_source_the_options_and_the_architecture():
    others = [
        Program(PROGRAM.source + "\n", PROGRAM.options),
        Program(PROGRAM.source, (*PROGRAM.options, "-DHEIGHT=2")),
        Program.from_macros(PROGRAM.source, {"WIDTH": 5}),
    ]
    names = {program.filename("sm_90") for program in (PROGRAM, *others)} | {PROGRAM.filename("sm_80")}
    assert len(names) == 5
    assert Program.from_macros(PROGRAM.source, {"WIDTH": 4}).filename("sm_90") in names


@pytest.mark.parametrize(
    ("capability", "architectures", "found"),
    [
        ("90", ["sm_80", "sm_90"], "sm_90"),
        ("89", ["sm_80", "sm_86", "sm_90"], "sm_86"),
        ("80", ["sm_86", "sm_90"], None),
        ("100", ["sm_100", "sm_90", "sm_10"], "sm_100"),
        ("103", ["sm_100"], "sm_100"),
        ("120", ["sm_100"], None),
        ("75", ["sm_80"], None),
    ],
)
def test_a_device_takes_what_runs_on_it(tmp_path, shipped, capability, architectures, found):
    paths = {architecture: shipped(architecture) for architecture in architectures}
    assert find_cubin(PROGRAM, capability, tmp_path) == paths.get(found)


def test_what_was_compiled_beforehand_is_loaded(shipped):
    path = shipped("sm_80")
    assert load_function(Cupy("86"), PROGRAM, "run") == ("run", {"path": str(path)})


def test_what_was_not_is_compiled(shipped, monkeypatch):
    other = Program(PROGRAM.source, ("-std=c++17",))
    shipped("sm_90", other)
    assert load_function(Cupy("90"), PROGRAM, "run") == ("run", COMPILED)
    monkeypatch.delenv("WORDKIN_CUBINS")
    shipped("sm_90")
    assert load_function(Cupy("90"), PROGRAM, "run") == ("run", COMPILED)


def test_a_file_that_cannot_be_loaded_is_compiled_anew(shipped):
    path = shipped("sm_90")
    assert load_function(Cupy("90", broken=[path]), PROGRAM, "run") == ("run", COMPILED)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (CompileError("kernels.cu(3): error: what?\nmore"), r"kernels.cu\(3\): error: what\?"),
        (CompileError(""), "CompileError"),
        (DriverError("CUDA_ERROR_NO_BINARY_FOR_GPU"), "CUDA_ERROR_NO_BINARY_FOR_GPU"),
        (PermissionError(13, "Permission denied", "/var/cache/kernels"), "/var/cache/kernels"),
        (RuntimeError("Failure finding libnvrtc.so"), "libnvrtc"),
    ],
)
def test_why_a_kernel_cannot_be_compiled_is_one_line(error, reason):
    said = f"the kernels cannot be compiled for Fake .*{reason}"
    with pytest.raises(InputError, match=said) as found, compiling(Cupy("90"), "Fake 9000"):
        raise error
    assert "\n" not in str(found.value)


def test_a_device_that_fails_is_not_blamed_on_the_compiler():
    with pytest.raises(DeviceError), compiling(Cupy("90"), "Fake 9000"):
        raise DeviceError


@pytest.mark.gpu
@pytest.mark.parametrize("whole", [True, False])
def test_a_gpu_runs_what_was_compiled_beforehand(gpu, tmp_path, monkeypatch, whole):
    source = 'extern "C" __global__ void fill(int* out) { out[threadIdx.x] = WIDTH; }'
    program = Program.from_macros(source, {"WIDTH": 4})
    cupy = gpu.xp
    architecture = f"sm_{cupy.cuda.Device().compute_capability}"
    cubin = compile_program(program, architecture)
    (tmp_path / program.filename(architecture)).write_bytes(cubin if whole else cubin[:100])
    monkeypatch.setenv("WORDKIN_CUBINS", str(tmp_path))
    made, asked = cupy.RawModule, []

    def make(**of):
        asked.append(set(of))
        return made(**of)

    monkeypatch.setattr(cupy, "RawModule", make)
    out = cupy.zeros(8, "int32")
    load_function(cupy, program, "fill")((1,), (8,), (out,))
    assert out.get().tolist() == [4] * 8
    assert asked == ([{"path"}] if whole else [{"path"}, {"code", "options"}])
