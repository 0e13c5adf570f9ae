"""Where arrays live: NumPy on the CPU or CuPy on a GPU, chosen once and passed on to whoever computes.

There is no global switch: a :class:`Backend` is an argument of the layers, models and optimizers.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from artifact.errors import InputError

Array: TypeAlias = Any
"""A NumPy or a CuPy array; shapes and units are said where it is used."""

DEVICES = ("auto", "cpu", "gpu")
CACHE_VARIABLE = "CUPY_CACHE_DIR"


@dataclass(frozen=True)
class Backend:
    """One array library on one device."""

    xp: Any  # the module numpy or cupy
    device: str  # for people: "CPU (NumPy 2.4.6)", "GPU NVIDIA H200 (CuPy 13.6.0)"
    is_gpu: bool

    def generator(self, seed: int) -> Any:
        """A random generator whose numbers live on the device: ``xp.random.default_rng(seed)``."""
        return self.xp.random.default_rng(seed)

    def asarray(self, array: Any) -> Array:
        """The same values on the device; copies only what is not there yet."""
        return self.xp.asarray(array)

    def to_numpy(self, array: Array) -> NDArray[Any]:
        """The same values as a NumPy array in main memory; no copy on the CPU."""
        return np.asarray(self.xp.asnumpy(array) if self.is_gpu else array)

    def scatter_add(self, table: Array, rows: Array, values: Array) -> None:
        """Add ``values[i]`` to ``table[rows[i]]``, in place; a row that comes twice gets both.

        ``table`` is [V, ...], ``rows`` [n] integers, ``values`` [n, ...].
        """
        self.xp.add.at(table, rows, values)


def numpy_backend() -> Backend:
    """The CPU, which every machine has."""
    return Backend(xp=np, device=f"CPU (NumPy {np.__version__})", is_gpu=False)


def choose(device: str = "auto") -> Backend:
    """The backend for ``--device``: ``auto`` takes a GPU where CuPy sees one, else the CPU.

    ``Backend.device`` says what was taken. Raises InputError for an unknown device, and for ``gpu``
    where CuPy is not installed or finds no CUDA device.
    """
    if device not in DEVICES:
        raise InputError(f"unknown device {device[:40]!r}: choose one of {', '.join(DEVICES)}")
    if device == "cpu":
        return numpy_backend()
    try:
        return _cupy_backend()
    except InputError:
        if device == "gpu":
            raise
        return numpy_backend()


def _cupy_backend() -> Backend:
    _give_cupy_a_cache()
    try:
        import cupy
    except ImportError:
        raise InputError("device gpu needs CuPy: pip install 'wordkin[cuda]', or use --device cpu") from None
    try:
        count = int(cupy.cuda.runtime.getDeviceCount())
        name = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode() if count else ""
    except cupy.cuda.runtime.CUDARuntimeError as error:
        reason = str(error).splitlines()[0][:200]
        raise InputError(f"device gpu: CuPy cannot use CUDA here ({reason}); use --device cpu") from None
    if count == 0:
        raise InputError("device gpu: CuPy finds no CUDA device; use --device cpu")
    return Backend(xp=cupy, device=f"GPU {name} (CuPy {cupy.__version__})", is_gpu=True)


def _give_cupy_a_cache() -> None:
    """A folder of this process's own for the kernels that CuPy compiles, where it can write to none: else its import fails.

    Raises InputError where there is no room for one either.
    """
    if "cupy" in sys.modules or importlib.util.find_spec("cupy") is None:
        return
    folder = Path(os.environ.get(CACHE_VARIABLE) or "~/.cupy/kernel_cache")
    try:
        folder = folder.expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return
    except (OSError, RuntimeError) as error:  # RuntimeError: of a user who has no home
        reason = getattr(error, "strerror", None) or error
    try:
        own = tempfile.mkdtemp(prefix="wordkin-kernels-")
    except OSError:
        raise InputError(
            f"device gpu: CuPy can keep compiled kernels neither in {folder} ({reason}) nor in a temporary folder: "
            f"name one in {CACHE_VARIABLE}, or use --device cpu"
        ) from None
    atexit.register(shutil.rmtree, own, ignore_errors=True)
    os.environ[CACHE_VARIABLE] = own
