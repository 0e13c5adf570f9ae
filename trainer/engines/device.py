"""What the GPU engine asks of a device: arrays there, copies beside the computing, and a kernel. CuPy does it (cupy_device)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from trainer.engines.gpu_plan import Plan


@dataclass(frozen=True)
class Limits:
    """What a device has."""

    multiprocessors: int
    shared_bytes: int
    """Of shared memory for one thread block, at most."""
    free_bytes: int
    """Of memory that nobody uses yet."""


class Kernel(Protocol):
    """A compiled ``train_pieces``."""

    @property
    def capacity(self) -> int:
        """Thread blocks that run at the same time."""


class Exchange(Protocol):
    """The ways between several devices."""

    name: str
    remark: str
    """What a person should know of them; empty for nothing."""

    def add_up(self, arrays: Sequence[Any]) -> None:
        """Each of the float32 arrays, of the same shape, one on each device, becomes the sum of all, in turn with the computing."""


class Device(Protocol):
    """Arrays of a device are opaque here; slices of their first axis are views.

    There are two queues: copies from pinned memory run beside the kernel, everything else in turn.
    """

    name: str
    limits: Limits

    def compile(self, plan: Plan) -> Kernel: ...

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any: ...

    def write(self, source: NDArray[Any], target: Any) -> None:
        """Copy to the device, and wait."""

    def read(self, array: Any) -> NDArray[Any]:
        """A copy in main memory, when all that was launched before is done."""

    def pinned(self, length: int) -> NDArray[np.uint32]:
        """Main memory that the device can read by itself."""

    def copy(self, source: NDArray[np.uint32], target: Any) -> Any:
        """Start to copy from pinned memory, which must stay as it is until then; returns the event of its end."""

    def wait(self, event: Any) -> None: ...

    def launch(self, kernel: Any, blocks: int, arguments: Sequence[Any], *, after: Sequence[Any]) -> None:
        """Start the kernel once the events in `after` have come. Numbers are NumPy scalars of the kernel's types."""

    def computing(self) -> AbstractContextManager[Any]:
        """Within, operators and NumPy's functions on arrays of this device are done there, after what was launched before."""

    def connect(self, devices: Sequence[Any]) -> Exchange:
        """The ways between `devices`, of which this is one."""
