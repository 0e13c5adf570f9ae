"""How a recurrent layer's time loop is laid out on a GPU: the constants that its kernel is compiled with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from artifact.errors import InputError

SOURCE = Path(__file__).parent / "recurrent.cu"
GATES = {"rnn": 1, "lstm": 4, "gru": 3}
MOST_SUMS = 120  # of a thread, in registers
MEETING_BYTES = 128


@dataclass(frozen=True)
class CellPlan:
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
    tile_columns: int
    tile_lanes: int
    """Fours."""
    threads: int
    """A multiple of 32."""
    turns: int = 1
    stages: int = 2
    kept: int = 0
    """Chunks."""
    slots: int = 1

    @classmethod
    def choose(
        cls, cell: str, *, backward: bool, size: int, lanes: int, multiprocessors: int, shared_bytes: int
    ) -> CellPlan:
        """The plan that should take the least time, with one thread block on a multiprocessor.

        Raises InputError where none has room in ``shared_bytes`` of shared memory.
        """
        plans = rank_plans(cell, backward, size, lanes, multiprocessors, shared_bytes)
        if not plans:
            raise InputError(
                f"a recurrent layer of {size:,} units has no room on a GPU with {shared_bytes >> 10} KiB of shared memory: "
                "make --hidden smaller, or use --device cpu"
            )
        return plans[0]

    def lay_out(self, shared_bytes: int) -> CellPlan | None:
        """This plan with its shared memory shared out; None where there is not enough."""
        if self.splits < 1:
            return None
        turns = -(-self.depth // (4 * self.splits))
        for chunks in (4, 6, 8, 12, 16, 24, 32):
            whole = replace(self, turns=-(-turns // chunks))
            for stages in (4, 3, 2):
                found = replace(whole, kept=whole.chunks, stages=stages).fill(shared_bytes)
                if found is not None:
                    return found
        if self.lane_groups > 1:
            return None  # more lanes at once are better: they share the weights that are read at every step
        for chunks in (8, 12, 16, 24, 32, 48, 64):
            part = replace(self, turns=-(-turns // chunks), stages=3)
            room = shared_bytes - max(part.ring_bytes, part.slot_bytes * min(self.splits, 8))
            kept = min(room // part.chunk_bytes, part.chunks - 1)
            if kept >= 0:
                return replace(part, kept=kept).fill(shared_bytes)
        return None

    def fill(self, shared_bytes: int) -> CellPlan | None:
        """This plan with as many slots as find room beside the weights that are kept; None for too few."""
        room = shared_bytes - self.kept_bytes
        if room < self.ring_bytes or room < self.slot_bytes * min(self.splits, 8):
            return None
        return replace(self, slots=min(self.splits, room // self.slot_bytes))

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
    def groups(self) -> int:
        """Thread blocks that share lanes."""
        return -(-self.size // self.units)

    @property
    def lane_groups(self) -> int:
        return -(-self.lanes // self.lanes_at_once)

    @property
    def blocks(self) -> int:
        return self.groups * self.lane_groups

    @property
    def sums(self) -> int:
        """Columns of a unit."""
        return 1 if self.backward else self.gates

    @property
    def columns(self) -> int:
        """Columns of a thread block's product."""
        return _up(self.sums * self.units, self.tile_columns)

    @property
    def tiled_lanes(self) -> int:
        """Fours of lanes of a thread block's product."""
        return _up(self.lanes_at_once, 4 * self.tile_lanes) // 4

    @property
    def exchanged_lanes(self) -> int:
        """Fours of lanes that thread blocks exchange."""
        return -(-self.lanes_at_once // 4)

    @property
    def splits(self) -> int:
        """Into how many parts the depth is split between threads."""
        tiles = self.columns // self.tile_columns * (self.tiled_lanes // self.tile_lanes)
        return self.threads // tiles

    @property
    def chunk(self) -> int:
        """Rows of the depth that are copied together."""
        return 4 * self.splits * self.turns

    @property
    def chunks(self) -> int:
        return -(-self.depth // self.chunk)

    @property
    def chunk_bytes(self) -> int:
        """Of a chunk's weights."""
        return 4 * self.chunk * self.columns

    @property
    def kept_bytes(self) -> int:
        return self.kept * self.chunk_bytes

    @property
    def ring_bytes(self) -> int:
        streamed = self.chunk_bytes if self.kept < self.chunks else 0
        return self.stages * (16 * self.chunk * (self.tiled_lanes | 1) + streamed)

    @property
    def slot_bytes(self) -> int:
        return 16 * self.columns * (self.tiled_lanes | 1)

    @property
    def shared_bytes(self) -> int:
        """Shared memory of a thread block: weights, and what is exchanged or the sums of splits, as in cuda/layout.cuh."""
        return self.kept_bytes + max(self.ring_bytes, self.slots * self.slot_bytes)

    @property
    def exchange_shape(self) -> tuple[int, ...]:
        """Of what thread blocks show each other, in float32."""
        return (2, self.lane_groups, self.depth, 4 * self.exchanged_lanes)

    @property
    def packed_shape(self) -> tuple[int, ...]:
        """Of the weights that do not stay in shared memory, in float32."""
        return (self.blocks, self.chunks - self.kept, self.chunk, self.columns)

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
            "TILE_COLUMNS": self.tile_columns,
            "TILE_LANES": self.tile_lanes,
            "TURNS": self.turns,
            "STAGES": self.stages,
            "KEPT": self.kept,
            "SLOTS": self.slots,
        }

    def estimate(self) -> float:
        """Clocks that a step takes, roughly: to compare plans with."""
        warps = self.threads / 32
        turns = -(-self.depth // (4 * self.splits))
        tile = self.tile_columns * self.tile_lanes
        computing = 4 * warps * turns * max(tile, self.tile_columns + 4 * self.tile_lanes)
        if self.threads < 256:
            computing *= 1.1  # less to hide latencies with
        own_bytes = 16 * self.depth * self.exchanged_lanes + (self.chunks - self.kept) * self.chunk_bytes
        copying = max(own_bytes / 64, own_bytes * self.blocks / 3000)
        pairs = -(-self.lanes_at_once * self.units // 32)
        adding = (
            4 * warps * tile + 1.5 * self.splits * self.sums * pairs + 150 * -(-self.splits // self.slots)
        )
        meeting = 1500 + 4 * self.groups + 100 * -(-pairs * 32 // self.threads)
        return 1.15 * max(computing, copying) + 0.3 * min(computing, copying) + adding + meeting


def rank_plans(
    cell: str, backward: bool, size: int, lanes: int, multiprocessors: int, shared_bytes: int
) -> list[CellPlan]:
    """All plans with room in ``shared_bytes`` of shared memory, the one that should take the least time first."""
    plans = (
        plan.lay_out(shared_bytes) for plan in _enumerate_plans(cell, backward, size, lanes, multiprocessors)
    )
    return sorted(filter(None, plans), key=CellPlan.estimate)


def read_source() -> str:
    """recurrent.cu with the files that it includes, for compilers that look for none."""
    lines = []
    for line in SOURCE.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.startswith("#include "):
            included = SOURCE.parent / line.split('"')[1]
            lines.append(included.read_text(encoding="utf-8").replace("#pragma once\n", ""))
        else:
            lines.append(line)
    return "".join(lines)


def _enumerate_plans(
    cell: str, backward: bool, size: int, lanes: int, multiprocessors: int
) -> Iterator[CellPlan]:
    seen = set()
    for lane_groups in range(1, min(lanes, multiprocessors) + 1):
        lanes_at_once = -(-lanes // lane_groups)
        units = -(-size // (multiprocessors // -(-lanes // lanes_at_once)))
        if (units, lanes_at_once) in seen:
            continue
        seen.add((units, lanes_at_once))
        for tile_columns in (2, 3, 4, 5, 6, 7, 8, 9, 10, 12):
            for tile_lanes in range(1, min(5, -(-lanes_at_once // 4)) + 1):
                if 4 * tile_columns * tile_lanes <= MOST_SUMS:
                    for threads in (128, 192, 256, 320, 384):
                        yield CellPlan(
                            cell,
                            backward,
                            size,
                            lanes,
                            units,
                            lanes_at_once,
                            tile_columns,
                            tile_lanes,
                            threads,
                        )


def _up(value: int, unit: int) -> int:
    return -(-value // unit) * unit
