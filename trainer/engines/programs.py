"""CUDA programs: compiled for the device when they are first needed, unless they were compiled beforehand and lie in a folder.

The folder is what ``WORDKIN_CUBINS`` names, as in the container; ``precompile`` fills it. A file there is named by what it was
made of, so one of another release is never taken.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artifact.errors import InputError

FOLDER_VARIABLE = "WORDKIN_CUBINS"
STANDARD = "-std=c++17"


@dataclass(frozen=True)
class Program:
    """A CUDA source that includes no file of ours, and the options that it is compiled with."""

    source: str
    options: tuple[str, ...]

    @classmethod
    def from_macros(cls, source: str, macros: Mapping[str, Any]) -> Program:
        return cls(source, (STANDARD, *(f"-D{name}={value}" for name, value in macros.items())))

    def filename(self, architecture: str) -> str:
        """What the program is called when it is compiled for an architecture such as ``sm_90``."""
        digest = hashlib.sha256(json.dumps([self.source, self.options]).encode()).hexdigest()
        return f"{digest[:32]}.{architecture}.cubin"


def join_source(path: Path) -> str:
    """A CUDA source with the files of ours that it includes, for compilers that look for none."""
    parts = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.startswith("#include "):
            included = path.parent / line.split('"')[1]
            parts.append(included.read_text(encoding="utf-8").replace("#pragma once\n", ""))
        else:
            parts.append(line)
    return "".join(parts)


def find_cubin(program: Program, capability: str, folder: Path) -> Path | None:
    """What was compiled of ``program`` that runs on a device of a compute capability such as ``"90"``; None for nothing.

    A device runs what was made for its own major version and its own or a lower minor one.
    """
    major, minor = capability[:-1], int(capability[-1])
    for lower in range(minor, -1, -1):
        path = folder / program.filename(f"sm_{major}{lower}")
        if path.is_file():
            return path
    return None


@contextmanager
def compiling(cupy: Any, device: str, *, kernels: str = "the kernels") -> Iterator[None]:
    """Within it, what CuPy raises where a kernel cannot be compiled, kept or loaded becomes an InputError, which names ``device``."""
    try:
        yield
    except cupy.cuda.runtime.CUDARuntimeError:  # the device itself fails
        raise
    except (
        cupy.cuda.compiler.CompileException,
        cupy.cuda.driver.CUDADriverError,
        OSError,  # of the folder where it keeps kernels
        RuntimeError,  # of a compiler that is not there
    ) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise InputError(f"{kernels} cannot be compiled for {device} ({reason}); use --device cpu") from error


def load_function(cupy: Any, program: Program, name: str) -> Any:
    """The kernel ``name`` of ``program`` on the current device, compiled now where it was not before.

    CuPy keeps what it compiled in ``CUPY_CACHE_DIR``. Raises cupy's CompileException and CUDADriverError: see ``compiling``.
    """
    folder = os.environ.get(FOLDER_VARIABLE)
    path = find_cubin(program, cupy.cuda.Device().compute_capability, Path(folder)) if folder else None
    if path is not None:
        try:
            return cupy.RawModule(path=str(path)).get_function(name)
        except cupy.cuda.driver.CUDADriverError:
            pass  # a file that was cut short, say: it can still be compiled
    return cupy.RawModule(code=program.source, options=program.options).get_function(name)
