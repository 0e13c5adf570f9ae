import os
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from artifact.errors import InputError
from trainer.backend import choose, numpy_backend


class FakeCudaError(RuntimeError):
    pass


def fake_cupy(device_count):
    """A module that answers what ``choose`` asks of CuPy; ``device_count`` may be an error to raise."""

    def count():
        if isinstance(device_count, Exception):
            raise device_count
        return device_count

    runtime = SimpleNamespace(
        getDeviceCount=count,
        getDeviceProperties=lambda _: {"name": b"Fake 9000"},
        CUDARuntimeError=FakeCudaError,
    )
    return SimpleNamespace(cuda=SimpleNamespace(runtime=runtime), __version__="1.2.3")


@pytest.fixture
def install(monkeypatch):
    return lambda module: monkeypatch.setitem(sys.modules, "cupy", module)


def test_cpu_is_numpy():
    backend = choose("cpu")
    assert backend.xp is np
    assert not backend.is_gpu
    assert backend.device == f"CPU (NumPy {np.__version__})"


def test_auto_takes_a_gpu_and_says_which(install):
    install(fake_cupy(1))
    for device in ("auto", "gpu"):
        backend = choose(device)
        assert backend.is_gpu
        assert backend.device == "GPU Fake 9000 (CuPy 1.2.3)"


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (None, "pip install"),
        (fake_cupy(0), "no CUDA device"),
        (fake_cupy(FakeCudaError("cudaErrorInsufficientDriver: too old\nmore")), "too old"),
    ],
)
def test_without_a_gpu_auto_is_the_cpu_and_gpu_is_one_clear_line(install, module, message):
    install(module)  # None: the import fails
    assert choose("auto").xp is np
    with pytest.raises(InputError, match=message) as error:
        choose("gpu")
    assert "\n" not in str(error.value)


IMPORTED = """
import os
from types import SimpleNamespace
os.makedirs(os.environ.get("CUPY_CACHE_DIR") or os.path.expanduser("~/.cupy/kernel_cache"), exist_ok=True)
__version__ = "1.2.3"
runtime = SimpleNamespace(
    getDeviceCount=lambda: 1, getDeviceProperties=lambda _: {"name": b"Fake 9000"}, CUDARuntimeError=RuntimeError
)
cuda = SimpleNamespace(runtime=runtime)
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home, and a CuPy that does what the real one does when it is imported."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.delenv("CUPY_CACHE_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "cupy.py").write_text(IMPORTED)
    yield tmp_path / "home"
    sys.modules.pop("cupy", None)


def test_kernels_are_kept_at_home(home):
    assert choose("auto").is_gpu
    assert "CUPY_CACHE_DIR" not in os.environ
    assert (home / ".cupy/kernel_cache").is_dir()


@pytest.mark.parametrize("named", [True, False])
def test_where_kernels_cannot_be_kept_they_are_for_this_process(home, monkeypatch, named):
    home.write_text("a file, no folder")
    if named:
        monkeypatch.setenv("CUPY_CACHE_DIR", str(home / "kernels"))
    else:
        monkeypatch.setenv("CUPY_CACHE_DIR", "")
    assert choose("auto").is_gpu
    own = Path(os.environ["CUPY_CACHE_DIR"])
    assert own.is_dir()
    assert own.parent == Path(tempfile.gettempdir())
    own.rmdir()


def test_where_there_is_no_room_at_all_it_is_said(home, monkeypatch):
    home.write_text("a file, no folder")
    monkeypatch.setattr(tempfile, "mkdtemp", lambda **_: open(home / "nothing"))  # noqa: SIM115, PTH123
    with pytest.raises(
        InputError, match=r"compiled kernels neither in .*kernel_cache \(Not a directory\) nor"
    ):
        choose("gpu")
    assert choose("auto").xp is np


def test_unknown_device():
    with pytest.raises(InputError, match="unknown device 'tpu': choose one of auto, cpu, gpu"):
        choose("tpu")


def test_scatter_add_adds_repeated_rows():
    table = np.zeros((3, 2))
    numpy_backend().scatter_add(table, np.array([2, 0, 2]), np.array([[1.0, 1], [2, 2], [3, 3]]))
    assert table.tolist() == [[2, 2], [0, 0], [4, 4]]
