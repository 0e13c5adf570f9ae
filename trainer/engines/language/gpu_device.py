"""What the language model's engine asks of a GPU: arrays, products, kernels, and a step that is recorded once and repeated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from trainer.backend import Array, Backend
from trainer.engines.programs import Program, join_source

SOURCE = Path(__file__).parent / "training.cu"
THREADS = 256
"""Of a thread block of training.cu."""
EACH = 64
"""Numbers of a parameter that a thread changes, as in cuda/numbers.cuh."""


class Cells(Protocol):
    """The time loops, forward and backward. ``GpuCells`` and ``StepCells`` say what each does."""

    def rnn_forward(self, hs: Array, sums: Array, w_h: Array) -> None: ...

    def rnn_backward(self, d_hs: Array, hs: Array, w_h: Array, d_sums: Array, d_h: Array) -> None: ...

    def lstm_forward(self, hs: Array, cs: Array, tanh_cs: Array, gates: Array, w_h: Array) -> None: ...

    def lstm_backward(
        self,
        d_hs: Array,
        cs: Array,
        tanh_cs: Array,
        gates: Array,
        w_h: Array,
        d_sums: Array,
        d_h: Array,
        d_c: Array,
    ) -> None: ...

    def gru_forward(self, hs: Array, gates: Array, h_sums: Array, w_h: Array, b_h: Array) -> None: ...

    def gru_backward(
        self,
        d_hs: Array,
        hs: Array,
        gates: Array,
        h_sums: Array,
        w_h: Array,
        d_x_sums: Array,
        d_h_sums: Array,
        d_h: Array,
    ) -> None: ...


class LanguageDevice(Protocol):
    """A GPU with one queue: what is asked for is done in turn, later.

    Arrays are row-major. What computes (``empty``, ``multiply``, ``launch``, ``copy``, the cells) is called while the
    device is ``at_work``.
    """

    backend: Backend
    threads: int
    """Of a thread block of training.cu."""

    def at_work(self) -> AbstractContextManager[None]: ...

    def empty(self, shape: tuple[int, ...], dtype: Any = np.float32) -> Array:
        """Scratch of arbitrary content. What a recorded step had is its own again when it is repeated, until another step runs."""

    def zeros(self, shape: tuple[int, ...], dtype: Any = np.float32) -> Array:
        """An array that lasts. Not while a step is recorded."""

    def clear(self, array: Array) -> None:
        """Fill with zeros."""

    def copy(self, source: Array, target: Array) -> None:
        """Between arrays of the device of the same size and type."""

    def multiply(self, a: Array, b: Array, out: Array, *, add: bool = False) -> None:
        """``out = a · b``, or with ``add`` in addition to what it is: [M, K], [K, N] and [M, N], each may be transposed."""

    def launch(self, kernel: str, blocks: int, arguments: Sequence[Any]) -> None:
        """A kernel of training.cu. Numbers are NumPy scalars of its types."""

    def cells(self, kind: str, *, size: int, lanes: int, backward: bool) -> Cells:
        """The time loops, forward or backward, that suit layers of ``size`` and that many lanes."""

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """What repeats ``work`` on the same arrays, without doing it now. ``work`` has been done before."""

    def pinned(self, length: int) -> NDArray[np.uint32]:
        """Main memory that the device can read and write by itself."""

    def upload(self, source: NDArray[np.uint32], target: Array) -> None:
        """Copy from pinned memory, in turn."""

    def download(self, source: Array, target: NDArray[np.uint32]) -> Any:
        """Copy to pinned memory, in turn; returns the event of its end."""

    def wait(self, event: Any) -> None: ...

    def address(self, array: Array) -> int:
        """Where it lies, for kernels that are told of many arrays."""


def count_blocks(device: LanguageDevice, size: int) -> int:
    """Thread blocks with a thread for each of ``size`` values."""
    return -(-size // device.threads)


def training_program(threads: int = THREADS) -> Program:
    """The kernels of training.cu."""
    return Program.from_macros(read_source(), {"THREADS": threads})


def read_source() -> str:
    """training.cu with the files that it includes."""
    return join_source(SOURCE)
