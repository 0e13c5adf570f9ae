"""Kernels as libraries of this CPU: an emulator's C++ file, which includes them, compiled where it was not before."""

import ctypes
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

COMPILER = os.environ.get("CXX") or next(filter(shutil.which, ("g++", "clang++", "c++")), None)
HERE = Path(__file__).parent
needs_compiler = pytest.mark.skipif(
    COMPILER is None, reason="no C++ compiler to run the kernels on the CPU with"
)


def build(emulator, source, macros, folder, *, flags=()):
    """The library that `emulator` becomes with the kernels of `source`, kept in `folder`."""
    command = [COMPILER, "-std=c++17", "-O1", "-march=native", "-shared", "-fPIC", "-Wno-unknown-pragmas"]
    command += [*flags, *(f"-D{name}={value}" for name, value in macros.items())]
    command += [f"-I{HERE}", f"-I{source.parent}", str(emulator)]
    path = Path(folder) / f"{hashlib.sha256(repr(command).encode()).hexdigest()[:16]}.so"
    if not path.exists():
        subprocess.run([*command, "-o", str(path)], check=True)
    return ctypes.CDLL(str(path))
