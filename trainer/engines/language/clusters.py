"""How many clusters of thread blocks run at once: CuPy does not ask, so the driver is asked here."""

from __future__ import annotations

import ctypes

CLUSTER_DIMENSION = 4  # CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION


class _Value(ctypes.Union):
    _fields_ = (("bytes", ctypes.c_char * 64), ("dimension", ctypes.c_uint * 3))


class _Attribute(ctypes.Structure):
    """CUlaunchAttribute."""

    _fields_ = (("id", ctypes.c_int), ("unused", ctypes.c_char * 4), ("value", _Value))


class _Launch(ctypes.Structure):
    """CUlaunchConfig."""

    _fields_ = (
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("shared_bytes", ctypes.c_uint),
        ("stream", ctypes.c_void_p),
        ("attributes", ctypes.POINTER(_Attribute)),
        ("count", ctypes.c_uint),
    )


def count_clusters(function: int, size: int, shared_bytes: int) -> int:
    """Clusters of ``size`` thread blocks of a CUfunction that run at once; 0 where the driver does not say."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
        ask = driver.cuOccupancyMaxActiveClusters
    except (OSError, AttributeError):
        return 0
    attribute = _Attribute(id=CLUSTER_DIMENSION)
    attribute.value.dimension[:] = (size, 1, 1)
    launch = _Launch((size, 1, 1), (128, 1, 1), shared_bytes, None, ctypes.pointer(attribute), 1)
    found = ctypes.c_int(0)
    failed = ask(ctypes.byref(found), ctypes.c_void_p(function), ctypes.byref(launch))
    return 0 if failed else found.value
