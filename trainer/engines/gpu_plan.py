"""How a training is laid out on a GPU: the constants that its kernel is compiled with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from artifact.errors import InputError
from trainer.engines.programs import Program, join_source
from trainer.engines.rates import LAST_RATES
from trainer.engines.sampling import PIECE
from trainer.recipes import WordVectorSettings

BLOCKS = (16, 8, 4)  # targets that share their negatives, the best first; fewer need less shared memory
RESERVED = 1024  # bytes of shared memory that the driver takes for each thread block
REGISTERS = 65536  # of a multiprocessor
LEAST_REGISTERS = 80  # a thread does without spilling
SOURCE = Path(__file__).parent / "kernels.cu"


@dataclass(frozen=True)
class Plan:
    """The macros of kernels.cu and what follows from them."""

    dim: int
    window: int
    negatives: int
    """Shared by a block of targets."""
    chunk: int
    skipgram: bool
    subwords: bool = False
    halves: bool = False
    """Whether the tables hold float16."""
    block: int = BLOCKS[0]
    threads: int = 128
    """A multiple of 32; or 1, where a CPU plays the GPU."""
    resident: int = 1
    """Thread blocks that a multiprocessor is to have room for."""

    @classmethod
    def choose(cls, settings: WordVectorSettings, *, chunk: int, shared_bytes: int) -> Plan:
        """The plan with the largest block of targets for which `shared_bytes` of shared memory are enough.

        Raises InputError where none is small enough.
        """
        negatives = settings.count_shared(on_gpu=True)
        for block in BLOCKS:
            plan = cls(
                dim=settings.dim,
                window=settings.window,
                negatives=negatives,
                chunk=chunk,
                skipgram=settings.model == "skipgram",
                subwords=settings.subwords is not None,
                halves=settings.table_dtype == "float16",
                block=block,
                threads=128 if settings.dim <= 128 else 256,
            )
            if plan.shared_bytes <= shared_bytes:
                fit = shared_bytes // (plan.shared_bytes + RESERVED)
                return replace(plan, resident=max(1, min(fit, REGISTERS // (LEAST_REGISTERS * plan.threads))))
        raise InputError(
            f"--dim {settings.dim} with --window {settings.window} and --shared-negatives {negatives} needs "
            f"{plan.shared_bytes >> 10} KiB of the GPU's shared memory, which has {shared_bytes >> 10}: make one of them "
            "smaller, or use --device cpu"
        )

    @property
    def columns(self) -> int:
        """Fours of numbers in a row of a table on the device."""
        return -(-self.dim // 4)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the tables on the device."""
        return np.dtype(np.float16 if self.halves else np.float32)

    @property
    def reach(self) -> int:
        """Words that a block of targets can see."""
        return self.block + 2 * self.window

    @property
    def split(self) -> int:
        """Lanes that share a score: as many as leave no thread idle."""
        pairs = -(-self.negatives // 2) + (self.window + 1 if self.skipgram else 0)
        tiles, split = self.block // 2 * pairs, 1
        while split < 32 and 2 * split * tiles <= self.threads:
            split *= 2
        return split

    @property
    def macros(self) -> Mapping[str, float]:
        """What kernels.cu wants to be told."""
        return {
            "DIM": self.dim,
            "WINDOW": self.window,
            "NEGATIVES": self.negatives,
            "BLOCK": self.block,
            "CHUNK": self.chunk,
            "THREADS": self.threads,
            "SPLIT": self.split,
            "SKIPGRAM": int(self.skipgram),
            "LAST_RATE": LAST_RATES["skipgram" if self.skipgram else "cbow"],
            "SUBWORDS": int(self.subwords),
            "HALVES": int(self.halves),
            "PIECE": PIECE,
            "RESIDENT": self.resident,
        }

    @property
    def program(self) -> Program:
        """kernels.cu, compiled for this."""
        return Program.from_macros(read_source(), self.macros)

    @cached_property
    def shared_bytes(self) -> int:
        """Shared memory of a thread block: rows, ``Scores`` and ``Notes`` of cuda/layout.cuh."""
        fours, near = 4 * -(-self.negatives // 4), 4 * -(-self.reach // 4)
        rows = self.block + self.reach * (1 if self.skipgram else 2) + self.negatives
        scores = self.block * (fours + self.negatives + 1)
        scores += self.block * near + (self.block * near if self.skipgram else 4)
        notes = 16 + 4 * (self.chunk + 4 * self.threads + 2 * fours + self.threads) + 4 * self.chunk + 4
        return 16 * rows * (self.columns | 1) + 4 * scores + 8 * -(-notes // 8)


def read_source() -> str:
    """kernels.cu with the files that it includes."""
    return join_source(SOURCE)
