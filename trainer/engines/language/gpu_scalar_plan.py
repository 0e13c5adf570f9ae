"""The layout of a recurrent kernel whose products are in float32 throughout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from trainer.engines.language.gpu_cells_plan import CellLimits, CellPlan, round_up

MOST_SUMS = 120  # of a thread, in registers


@dataclass(frozen=True)
class ScalarPlan(CellPlan):
    """The macros of cuda/scalar_layout.cuh."""

    tile_columns: int
    tile_lanes: int
    """Fours."""
    width: int
    """Threads of a thread block."""
    turns: int = 1
    stages: int = 2
    kept: int = 0
    """Chunks."""
    slots: int = 1

    def lay_out(self, shared_bytes: int) -> ScalarPlan | None:
        """This plan with its shared memory shared out; None where there is not enough."""
        splits = self.splits
        if splits < 1:
            return None
        rounds = -(-self.depth // (4 * splits))
        state_bytes, weight_bytes = 64 * splits * (self.tiled_lanes | 1), 16 * splits * self.columns
        least = self.slot_bytes * min(splits, 8)
        for wished in (4, 6, 8, 12, 16, 24, 32):
            turns = -(-rounds // wished)
            chunks = -(-rounds // turns)
            room = shared_bytes - chunks * turns * weight_bytes
            for stages in (4, 3, 2):
                if max(stages * turns * state_bytes, least) <= room:
                    slots = min(splits, room // self.slot_bytes)
                    return replace(self, turns=turns, stages=stages, kept=chunks, slots=slots)
        if self.lane_groups > 1:
            return None  # more lanes at once are better: they share the weights that are read at every step
        for wished in (8, 12, 16, 24, 32, 48, 64):
            turns = -(-rounds // wished)
            working = max(3 * turns * (state_bytes + weight_bytes), least)
            kept = min((shared_bytes - working) // (turns * weight_bytes), -(-rounds // turns) - 1)
            if kept >= 0:
                slots = (shared_bytes - kept * turns * weight_bytes) // self.slot_bytes
                return replace(self, turns=turns, stages=3, kept=kept, slots=min(splits, slots))
        return None

    @property
    def threads(self) -> int:
        return self.width

    @property
    def ranks(self) -> int:
        return 1

    @property
    def columns(self) -> int:
        """Columns of a thread block's product."""
        return round_up(self.sums * self.units, self.tile_columns)

    @property
    def tiled_lanes(self) -> int:
        """Fours of lanes of a thread block's product."""
        return round_up(self.lanes_at_once, 4 * self.tile_lanes) // 4

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
        streamed = self.chunk_bytes if self.streamed else 0
        return self.stages * (16 * self.chunk * (self.tiled_lanes | 1) + streamed)

    @property
    def slot_bytes(self) -> int:
        return 16 * self.columns * (self.tiled_lanes | 1)

    @property
    def shared_bytes(self) -> int:
        """Shared memory of a thread block: weights, and what is exchanged or the sums of splits, as in cuda/layout.cuh."""
        return self.kept_bytes + max(self.ring_bytes, self.slots * self.slot_bytes)

    @property
    def streamed(self) -> bool:
        return self.kept < self.chunks

    @property
    def exchange_shape(self) -> tuple[int, ...]:
        return (2, self.lane_groups, self.depth, 4 * self.exchanged_lanes)

    @property
    def packed_shape(self) -> tuple[int, ...]:
        return (self.blocks, self.chunks - self.kept, self.chunk, self.columns)

    @property
    def product_macros(self) -> Mapping[str, int]:
        return {
            "TENSOR": 0,
            "TILE_COLUMNS": self.tile_columns,
            "TILE_LANES": self.tile_lanes,
            "TURNS": self.turns,
            "STAGES": self.stages,
            "KEPT": self.kept,
            "SLOTS": self.slots,
        }

    def estimate(self) -> float:
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
        return 1.15 * max(computing, copying) + 0.3 * min(computing, copying) + adding + self.estimate_rest()


def enumerate_scalar_plans(
    cell: str, backward: bool, size: int, lanes: int, limits: CellLimits
) -> Iterator[ScalarPlan]:
    """Those with room in shared memory."""
    seen = set()
    for lane_groups in range(1, min(lanes, limits.blocks[1]) + 1):
        lanes_at_once = -(-lanes // lane_groups)
        units = -(-size // (limits.blocks[1] // -(-lanes // lanes_at_once)))
        if (units, lanes_at_once) in seen:
            continue
        seen.add((units, lanes_at_once))
        for tile_columns in (2, 3, 4, 5, 6, 7, 8, 9, 10, 12):
            for tile_lanes in range(1, min(5, -(-lanes_at_once // 4)) + 1):
                if 4 * tile_columns * tile_lanes > MOST_SUMS:
                    continue
                for threads in (128, 192, 256, 320, 384):
                    plan = ScalarPlan(
                        cell, backward, size, lanes, units, lanes_at_once, tile_columns, tile_lanes, threads
                    ).lay_out(limits.shared_bytes)
                    if plan is not None:
                        yield plan
