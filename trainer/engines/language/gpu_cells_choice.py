"""Which plan a recurrent kernel is compiled to."""

from __future__ import annotations

from artifact.errors import InputError
from trainer.engines.language.gpu_cells_plan import CellLimits, CellPlan
from trainer.engines.language.gpu_scalar_plan import enumerate_scalar_plans
from trainer.engines.language.gpu_tensor_plan import enumerate_tensor_plans

TERMS = {"tf32": 3, "bfloat16": 1}


def choose_plan(
    cell: str, *, backward: bool, size: int, lanes: int, limits: CellLimits, precision: str
) -> CellPlan:
    """The plan that should take the least time.

    ``precision``: of products. float32 throughout; or on tensor cores, of numbers in pairs of bfloat16s (tf32: right to 2^-16,
    where TF32 itself is to 2^-11), or of numbers rounded to bfloat16. Raises InputError where no plan has room in shared
    memory.
    """
    plans = rank_plans(cell, backward=backward, size=size, lanes=lanes, limits=limits, precision=precision)
    if not plans:
        raise InputError(
            f"a recurrent layer of {size:,} units has no room on a GPU with {limits.shared_bytes >> 10} KiB of shared "
            "memory: make --hidden smaller, or use --device cpu"
        )
    return plans[0]


def rank_plans(
    cell: str, *, backward: bool, size: int, lanes: int, limits: CellLimits, precision: str
) -> list[CellPlan]:
    """All plans with room in shared memory, the one that should take the least time first."""
    found: list[CellPlan] = []
    if precision == "float32":
        found += enumerate_scalar_plans(cell, backward, size, lanes, limits)
    else:
        found += enumerate_tensor_plans(cell, backward, size, lanes, limits, TERMS[precision])
    return sorted(found, key=lambda plan: plan.estimate())
