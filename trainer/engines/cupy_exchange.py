"""Sums over several CUDA devices of one machine: by NCCL, or by copies from device to device where it is not installed."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.engines.device import Exchange

if TYPE_CHECKING:
    from trainer.engines.cupy_device import CupyDevice

PART = 1 << 24  # numbers that are copied together


def connect(devices: Sequence[CupyDevice]) -> Exchange:
    """NCCL where it is there, works, and every device has one worker, which it insists on; else copies, which say why."""
    if len({device.number for device in devices}) < len(devices):
        return Copies(devices)
    nccl = find_nccl()
    if nccl is None:
        return Copies(
            devices, remark="GPUs meet by copies: CuPy finds no NCCL (pip install nvidia-nccl-cu12, or -cu13)"
        )
    try:
        return Nccl(devices, nccl)
    except (nccl.NcclError, KeyError) as error:
        # No shared memory in a container, say, or a library for another driver. CuPy finds no name for newer errors.
        return Copies(devices, remark=f"GPUs meet by copies: NCCL does not work here ({error})")


def find_nccl() -> Any:
    """CuPy's module of it; None where the library is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # CuPy's, of a library that is not there
            from cupy.cuda import nccl
    except ImportError:
        return None
    return nccl if nccl.available else None


class Nccl:
    """All-reduce in one process, on the streams that compute."""

    name = "NCCL"
    remark = ""

    def __init__(self, devices: Sequence[CupyDevice], nccl: Any) -> None:
        """Raises the NcclError of a library that cannot work here, which it may notice at its first sum alone."""
        self._devices, self._nccl = devices, nccl
        self._ways = nccl.NcclCommunicator.initAll([device.number for device in devices])
        self.add_up([device.zeros((1,), np.float32) for device in devices])

    def add_up(self, arrays: Sequence[Any]) -> None:
        self._nccl.groupStart()
        try:
            for device, way, array in zip(self._devices, self._ways, arrays, strict=True):
                with device.computing() as stream:
                    at = array.data.ptr
                    way.allReduce(
                        at, at, array.size, self._nccl.NCCL_FLOAT32, self._nccl.NCCL_SUM, stream.ptr
                    )
        finally:
            self._nccl.groupEnd()


class Copies:
    """Each device adds up a share of the numbers and the others copy it from there; the driver finds the way."""

    name = "copies"

    def __init__(self, devices: Sequence[CupyDevice], *, remark: str = "") -> None:
        self._devices, self.remark = devices, remark

    def add_up(self, arrays: Sequence[Any]) -> None:
        import cupy

        flat = [array.reshape(-1) for array in arrays]
        edges = np.linspace(0, flat[0].size, len(flat) + 1).astype(np.int64).tolist()
        shares = list(itertools.pairwise(edges))
        self._gather()
        for device, (first, last), mine in zip(self._devices, shares, flat, strict=True):
            with device.computing() as stream:
                for other in flat:
                    if other is mine:
                        continue
                    for start in range(first, last, PART):
                        part = slice(start, min(start + PART, last))
                        theirs = cupy.empty(part.stop - start, np.float32)
                        _copy(other[part], theirs, stream)
                        mine[part] += theirs
        self._gather()
        for device, mine in zip(self._devices, flat, strict=True):
            with device.computing() as stream:
                for (first, last), other in zip(shares, flat, strict=True):
                    if other is not mine:
                        _copy(other[first:last], mine[first:last], stream)
        self._gather()

    def _gather(self) -> None:
        """Every device waits until all have done what was asked of them."""
        done = []
        for device in self._devices:
            with device.computing() as stream:
                done.append(stream.record())
        for device in self._devices:
            with device.computing() as stream:
                for event in done:
                    stream.wait_event(event)


def _copy(source: Any, target: Any, stream: Any) -> None:
    """From one device to another, or on one, in the turn of `stream`."""
    if target.nbytes:
        target.data.copy_from_device_async(source.data, target.nbytes, stream)
