"""How a recurrent layer's time loop is laid out on a GPU: what its kernel is compiled with, whatever computes the products."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trainer.engines.programs import Program, join_source

SOURCE = Path(__file__).parent / "recurrent.cu"
GATES = {"rnn": 1, "lstm": 4, "gru": 3}
MEETING_BYTES = 128


@dataclass(frozen=True)
class CellLimits:
    """What a device has."""

    shared_bytes: int
    """Of shared memory for one thread block, at most."""
    blocks: Mapping[int, int]
    """Thread blocks that run at once, one on a multiprocessor, by how many of them are a cluster; 1: no clusters."""


@dataclass(frozen=True)
class CellPlan(ABC):
    """The macros of recurrent.cu and what follows from them."""

    cell: str
    backward: bool
    size: int
    lanes: int
    """Of the batch."""
    units: int
    """Of a thread block."""
    lanes_at_once: int
    """Lanes of a thread block."""

    @property
    def gates(self) -> int:
        return GATES[self.cell]

    @property
    def name(self) -> str:
        """Of the kernel."""
        return f"{self.cell}_{'backward' if self.backward else 'forward'}"

    @property
    def depth(self) -> int:
        """Of the product of a step."""
        return self.size * (self.gates if self.backward else 1)

    @property
    def sums(self) -> int:
        """Columns of a unit."""
        return 1 if self.backward else self.gates

    @property
    def groups(self) -> int:
        """Thread blocks that share lanes, in whole clusters."""
        return round_up(-(-self.size // self.units), self.ranks)

    @property
    def lane_groups(self) -> int:
        return -(-self.lanes // self.lanes_at_once)

    @property
    def blocks(self) -> int:
        return self.groups * self.lane_groups

    @property
    def stash_bytes(self) -> int:
        """Of what a thread block is about to show the others."""
        shown = self.gates if self.backward else 1
        return 16 * -(-shown * self.units * (self.lanes_at_once | 1) // 4)

    @property
    def macros(self) -> Mapping[str, int]:
        """What recurrent.cu wants to be told."""
        return {
            "GATES": self.gates,
            "BACKWARD": int(self.backward),
            "SIZE": self.size,
            "GROUPS": self.groups,
            "UNITS": self.units,
            "LANES": self.lanes_at_once,
            "THREADS": self.threads,
            "RANKS": self.ranks,
            **self.product_macros,
        }

    @property
    def program(self) -> Program:
        """recurrent.cu, compiled for this."""
        return Program.from_macros(read_source(), self.macros)

    @property
    @abstractmethod
    def threads(self) -> int:
        """Of a thread block; a multiple of 32."""

    @property
    @abstractmethod
    def ranks(self) -> int:
        """Thread blocks of a cluster."""

    @property
    @abstractmethod
    def product_macros(self) -> Mapping[str, int]:
        """Those that are the product's own."""

    @property
    @abstractmethod
    def streamed(self) -> bool:
        """Whether some weights do not stay in shared memory."""

    @property
    @abstractmethod
    def shared_bytes(self) -> int:
        """Shared memory of a thread block."""

    @property
    @abstractmethod
    def exchange_shape(self) -> tuple[int, ...]:
        """Of what thread blocks show each other, in float32."""

    @property
    @abstractmethod
    def packed_shape(self) -> tuple[int, ...]:
        """Of the weights that do not stay in shared memory, in float32."""

    @abstractmethod
    def estimate(self) -> float:
        """Clocks that a step takes, roughly: to compare plans with."""

    def estimate_rest(self) -> float:
        """Of them, those that are not the product's."""
        pairs = -(-self.lanes_at_once * self.units // self.threads)
        return 1500 + 4 * self.groups + 100 * pairs


def round_up(value: int, unit: int) -> int:
    return -(-value // unit) * unit


def read_source() -> str:
    """recurrent.cu with the files that it includes."""
    return join_source(SOURCE)
