import sys
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


def test_unknown_device():
    with pytest.raises(InputError, match="unknown device 'tpu': choose one of auto, cpu, gpu"):
        choose("tpu")


def test_scatter_add_adds_repeated_rows():
    table = np.zeros((3, 2))
    numpy_backend().scatter_add(table, np.array([2, 0, 2]), np.array([[1.0, 1], [2, 2], [3, 3]]))
    assert table.tolist() == [[2, 2], [0, 0], [4, 4]]
