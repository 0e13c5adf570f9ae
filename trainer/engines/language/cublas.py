"""Products on a GPU by cuBLAS, called past CuPy, which refuses to while a CUDA graph is recorded."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

from artifact.errors import InputError
from trainer.backend import Array

WORKSPACE_BYTES = 32 << 20  # what NVIDIA advises for Hopper
_FLOAT32 = 0  # CUDA_R_32F
_STRAIGHT, _TURNED = 0, 1  # CUBLAS_OP_N, CUBLAS_OP_T
_DEFAULT = -1  # CUBLAS_GEMM_DEFAULT
# cublasComputeType_t: what is multiplied; sums are float32 always.
COMPUTE_TYPES = {"float32": 68, "bfloat16": 75, "tf32": 77}


class Cublas:
    """Products of float32 matrices on one stream, with a workspace of its own."""

    def __init__(self, cupy: Any, stream: Any, *, precision: str = "float32") -> None:
        """``precision``: float32, or what the tensor cores round the factors to, tf32 or bfloat16. Raises InputError."""
        self._library = _find_library(cupy)
        self._compute = ctypes.c_int(COMPUTE_TYPES[precision])
        self._handle = ctypes.c_void_p()
        self._workspace = cupy.cuda.alloc(WORKSPACE_BYTES)
        self._call("cublasCreate_v2", ctypes.byref(self._handle))
        self._call("cublasSetStream_v2", self._handle, ctypes.c_void_p(stream.ptr))
        # After the stream, which would set it back.
        workspace = ctypes.c_void_p(self._workspace.ptr)
        self._call("cublasSetWorkspace_v2", self._handle, workspace, ctypes.c_size_t(WORKSPACE_BYTES))

    def multiply(self, a: Array, b: Array, out: Array, *, add: bool = False) -> None:
        """``out = a · b`` for [M, K], [K, N] and [M, N], each row-major or transposed; with ``add``, ``out += a · b``."""
        if not _is_straight(out):
            self.multiply(b.T, a.T, out.T, add=add)
            return
        rows, depth = a.shape
        columns = out.shape[1]
        if b.shape != (depth, columns) or out.shape[0] != rows:
            raise ValueError(f"{a.shape} · {b.shape} does not fit {out.shape}")
        # cuBLAS takes row-major matrices for their transposes: out.T = b.T · a.T.
        one, more = ctypes.c_float(1), ctypes.c_float(1 if add else 0)
        self._call(
            "cublasGemmEx",
            self._handle,
            *(ctypes.c_int(_STRAIGHT if _is_straight(matrix) else _TURNED) for matrix in (b, a)),
            *(ctypes.c_int(size) for size in (columns, rows, depth)),
            ctypes.byref(one),
            *_describe(b),
            *_describe(a),
            ctypes.byref(more),
            *_describe(out),
            self._compute,
            ctypes.c_int(_DEFAULT),
        )

    def _call(self, name: str, *arguments: Any) -> None:
        if status := getattr(self._library, name)(*arguments):
            raise RuntimeError(f"{name} failed with status {status}")


def _is_straight(matrix: Array) -> bool:
    """Whether [M, N] is row-major, not transposed."""
    size, (down, along) = matrix.itemsize, matrix.strides
    return bool(matrix.shape[1] == 1 or along == size) and bool(
        matrix.shape[0] == 1 or down >= matrix.shape[1] * size
    )


def _describe(matrix: Array) -> tuple[Any, Any, Any]:
    """Address, type and leading dimension."""
    straight = _is_straight(matrix)
    rows, columns = matrix.shape if straight else matrix.shape[::-1]
    stride = matrix.strides[0 if straight else 1] // matrix.itemsize if rows > 1 else columns
    return ctypes.c_void_p(matrix.data.ptr), ctypes.c_int(_FLOAT32), ctypes.c_int(max(stride, columns))


def _find_library(cupy: Any) -> ctypes.CDLL:
    """The cuBLAS that CuPy has loaded. Raises InputError where there is none."""
    cupy.cuda.device.get_cublas_handle()
    maps = Path("/proc/self/maps")
    for line in maps.read_text(encoding="utf-8").splitlines() if maps.exists() else ():
        path = line.partition("/")[2]
        if "/libcublas.so" in f"/{path}":
            return ctypes.CDLL(f"/{path}")
    raise InputError("device gpu: cuBLAS is not found; pip install 'cupy-cuda12x[ctk]', or use --device cpu")
