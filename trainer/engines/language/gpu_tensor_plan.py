"""The layout of a recurrent kernel whose products are made on tensor cores, in pairs of bfloat16s."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from trainer.engines.language.gpu_cells_plan import CellLimits, CellPlan, round_up

MOST_TILES = 24  # of 16 columns by 8 lanes that a warp sums up in registers


@dataclass(frozen=True)
class TensorPlan(CellPlan):
    """The macros of cuda/tensor_layout.cuh."""

    together: int
    """Thread blocks of a cluster."""
    m_warps: int
    n_warps: int
    splits: int
    """Of the depth, between warps."""
    terms: int = 3
    """Of a product: 3 of numbers in pairs of bfloat16s, 1 of numbers rounded to one."""
    turns: int = 1
    stages: int = 2
    kept: int = 0
    """Chunks."""

    def lay_out(self, shared_bytes: int) -> TensorPlan | None:
        """This plan with its shared memory shared out; None where there is not enough."""
        rounds = -(-self.steps // self.splits)
        step_bytes = self.m_tiles * 512 * self.halves
        room = shared_bytes - self.inbox_bytes

        def count(chunks: int) -> tuple[int, int, int]:
            turns = -(-rounds // min(chunks, rounds))
            chunk = turns * self.splits
            return turns, chunk, -(-self.steps // chunk)

        for wished in (2, 3, 4, 6, 9, 12, 18, 24, 36):
            turns, chunk, chunks = count(wished)
            if chunks * chunk * step_bytes > room:
                continue
            for stages in range(min(4, max(chunks, 2)), 1, -1):
                states = max(stages * chunk * self.state_bytes, self.stash_bytes)
                if chunks * chunk * step_bytes + states <= room:
                    return replace(self, turns=turns, stages=stages, kept=chunks)
        if self.lane_groups > 1:
            return None  # more lanes at once are better: they share the weights that are read at every step
        for wished in (9, 12, 18, 24, 36):
            turns, chunk, chunks = count(wished)
            for stages in (3, 2):
                working = max(stages * chunk * (self.state_bytes + step_bytes), self.stash_bytes)
                kept = min((room - working) // (chunk * step_bytes), chunks - 1)
                if kept >= 0:
                    return replace(self, turns=turns, stages=stages, kept=kept)
        return None

    @property
    def threads(self) -> int:
        return 32 * self.m_warps * self.n_warps * self.splits

    @property
    def ranks(self) -> int:
        return self.together

    @property
    def halves(self) -> int:
        """bfloat16s that a number is made of."""
        return 2 if self.terms == 3 else 1

    @property
    def m_tiles(self) -> int:
        """Tiles of 16 columns of the product."""
        return round_up(-(-self.ranks * self.sums * self.units // 16), self.m_warps)

    @property
    def n_tiles(self) -> int:
        """Tiles of 8 lanes of the product."""
        return round_up(-(-self.lanes_at_once // 8), self.n_warps)

    @property
    def steps(self) -> int:
        """Of 16 rows: a thread block's share of the depth."""
        return -(-self.depth // (16 * self.ranks))

    @property
    def chunks(self) -> int:
        return -(-self.steps // (self.splits * self.turns))

    @property
    def chunk_bytes(self) -> int:
        """Of a chunk's weights."""
        return self.splits * self.turns * self.m_tiles * 512 * self.halves

    @property
    def inbox_bytes(self) -> int:
        return 4 * self.ranks * self.splits * self.sums * self.units * 8 * (self.n_tiles | 1)

    @property
    def state_bytes(self) -> int:
        """Of what was exchanged, of a step."""
        return 256 * (self.halves * self.n_tiles | 1)

    @property
    def shared_bytes(self) -> int:
        stage = self.splits * self.turns * self.state_bytes
        stage += self.chunk_bytes if self.streamed else 0
        return self.kept * self.chunk_bytes + max(self.stages * stage, self.stash_bytes) + self.inbox_bytes

    @property
    def streamed(self) -> bool:
        return self.kept < self.chunks

    @property
    def exchange_shape(self) -> tuple[int, ...]:
        return (2, self.lane_groups, self.ranks * self.steps * 8, 8 * self.halves * self.n_tiles)

    @property
    def packed_shape(self) -> tuple[int, ...]:
        return (self.blocks, self.chunks - self.kept, self.chunk_bytes // 4)

    @property
    def product_macros(self) -> Mapping[str, int]:
        return {
            "TENSOR": 1,
            "M_WARPS": self.m_warps,
            "N_WARPS": self.n_warps,
            "TERMS": self.terms,
            "TURNS": self.turns,
            "STAGES": self.stages,
            "KEPT": self.kept,
        }

    def estimate(self) -> float:
        warps = self.m_warps * self.n_warps * self.splits
        m_own, n_own = self.m_tiles // self.m_warps, self.n_tiles // self.n_warps
        rounds = -(-self.steps // self.splits)
        multiplying = rounds * -(-warps // 4) * m_own * n_own * self.terms * 6.4
        loading = rounds * warps * self.halves * (4 * m_own + 2 * n_own)
        computing = max(multiplying, loading) + rounds * 30
        own_bytes = (
            256 * self.halves * self.steps * self.n_tiles + (self.chunks - self.kept) * self.chunk_bytes
        )
        copying = max(own_bytes / 64, own_bytes * self.blocks / 3000)
        dealt = self.inbox_bytes / (128 if self.ranks == 1 else 32) + (0 if self.ranks == 1 else 500)
        pairs = -(-self.lanes_at_once * self.units // 32)
        adding = 1.5 * self.ranks * self.splits * self.sums * pairs
        return (
            1.15 * max(computing, copying)
            + 0.3 * min(computing, copying)
            + dealt
            + adding
            + self.estimate_rest()
        )


def enumerate_tensor_plans(
    cell: str, backward: bool, size: int, lanes: int, limits: CellLimits, terms: int
) -> Iterator[TensorPlan]:
    """Those with room in shared memory."""
    seen = set()
    for together, blocks in limits.blocks.items():
        for lane_groups in range(1, min(lanes, blocks // together) + 1):
            lanes_at_once = -(-lanes // lane_groups)
            groups = blocks // -(-lanes // lanes_at_once) // together * together
            units = -(-size // groups)
            if (together, units, lanes_at_once) in seen:
                continue
            seen.add((together, units, lanes_at_once))
            for m_warps in (1, 2, 3, 4):
                for n_warps in (1, 2, 4):
                    for splits in (1, 2, 3, 4, 8):
                        plan = TensorPlan(
                            cell,
                            backward,
                            size,
                            lanes,
                            units,
                            lanes_at_once,
                            together,
                            m_warps,
                            n_warps,
                            splits,
                            terms,
                        )
                        if _is_sensible(plan):
                            found = plan.lay_out(limits.shared_bytes)
                            if found is not None:
                                yield found


def _is_sensible(plan: TensorPlan) -> bool:
    tiles = plan.m_tiles // plan.m_warps * (plan.n_tiles // plan.n_warps)
    wasted = plan.n_tiles > -(-plan.lanes_at_once // 8) and plan.n_warps > 1
    return tiles <= MOST_TILES and 128 <= plan.threads <= 512 and plan.splits <= plan.steps and not wasted
