"""A recurrent layer's time loop on a GPU: right, and microseconds a step, beside cuDNN's (through PyTorch, where it is installed).

    python bench/recurrent.py [--cells lstm rnn gru] [--shapes 650x20x35 1150x64x70] [--plans 8]

A shape is units x lanes x steps. Each line printed is one JSON object. ``error`` is the greatest of any array, as a share of that
array's greatest number, against the plain layers in float64. ``forward`` and ``backward`` are the loops alone; ``layer`` adds the
products around them, with as many inputs as units, as PyTorch's layer has them: forward, and forward with backward. --plans
also measures that many of the plans that were not chosen.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import cupy

from trainer.backend import choose
from trainer.engines.language.gpu_cells import GpuCells
from trainer.engines.language.gpu_cells_choice import rank_plans
from trainer.engines.language.gpu_cells_plan import CellPlan
from trainer.layers.gru import TimeGRU
from trainer.layers.lstm import TimeLSTM
from trainer.layers.recurrent import TimeRNN

LAYERS = {"rnn": TimeRNN, "lstm": TimeLSTM, "gru": TimeGRU}
SHAPES = ("100x20x35", "200x20x35", "400x20x70", "650x20x35", "1150x20x70", "1150x64x70")


class Arrays:
    """What the kernels are given, and the plain layer's answers."""

    def __init__(self, cell: str, size: int, lanes: int, steps: int, *, checked: bool) -> None:
        self.cell, self.steps = cell, steps
        width = LAYERS[cell].gates * size
        backend = choose("gpu")
        rng = cupy.random.default_rng(1)
        shapes = {"w_x": (size, width), "w_h": (size, width), "b": (width,), "b_h": (width,)}
        weights = {name: rng.standard_normal(shape) / size**0.5 for name, shape in shapes.items()}
        layer = LAYERS[cell](weights, backend=backend)
        xs = rng.standard_normal((steps, lanes, size))
        d_hs = rng.standard_normal((steps, lanes, size)) / 10
        layer.reset(lanes)
        layer.state = tuple(rng.uniform(-1, 1, (lanes, size)) for _ in layer.state)
        first = layer.state
        self.w = {name: table.astype(np.float32) for name, table in weights.items()}
        self.xs, self.d_hs = xs.astype(np.float32), d_hs.astype(np.float32)
        self.given = (xs @ weights["w_x"] + weights["b"]).astype(np.float32)
        self.hs, self.cs = (cupy.full((steps + 1, lanes, size), np.nan, np.float32) for _ in range(2))
        self.hs[0], self.cs[0] = first[0], first[-1]
        self.sums, self.h_sums, self.d_sums, self.d_h_sums = (
            cupy.full((steps, lanes, width), np.nan, np.float32) for _ in range(4)
        )
        self.tanh_cs = cupy.empty((steps, lanes, size), np.float32)
        self.d_h, self.d_c = (cupy.full((lanes, size), np.nan, np.float32) for _ in range(2))
        self.right: dict[str, Any] = {}
        if checked:
            self.right = {"hs": layer.forward(xs)}
            self.right["d_sums"], d_h_sums = layer._run_back(d_hs)  # noqa: SLF001
            self.right |= {"d_h": layer.d_state[0], "d_c": layer.d_state[-1], "d_h_sums": d_h_sums}
            if cell != "lstm":
                del self.right["d_c"]
            if cell != "gru":
                del self.right["d_h_sums"]

    def forward(self, cells: GpuCells) -> None:
        if self.cell == "rnn":
            cells.rnn_forward(self.hs, self.sums, self.w["w_h"])
        elif self.cell == "lstm":
            cells.lstm_forward(self.hs, self.cs, self.tanh_cs, self.sums, self.w["w_h"])
        else:
            cells.gru_forward(self.hs, self.sums, self.h_sums, self.w["w_h"], self.w["b_h"])

    def backward(self, cells: GpuCells) -> None:
        w, d = self.w["w_h"], (self.d_sums, self.d_h)
        if self.cell == "rnn":
            cells.rnn_backward(self.d_hs, self.hs, w, *d)
        elif self.cell == "lstm":
            cells.lstm_backward(self.d_hs, self.cs, self.tanh_cs, self.sums, w, *d, self.d_c)
        else:
            d = (self.d_sums, self.d_h_sums, self.d_h)
            cells.gru_backward(self.d_hs, self.hs, self.sums, self.h_sums, w, *d)

    def check(self, cells: GpuCells) -> float:
        self.sums[...] = self.given
        self.forward(cells)
        self.backward(cells)
        found = {"hs": self.hs[1:], "d_sums": self.d_sums, "d_h": self.d_h, "d_c": self.d_c}
        found["d_h_sums"] = self.d_h_sums
        errors = [
            float(abs(found[name] - right).max() / abs(right).max()) for name, right in self.right.items()
        ]
        return max(errors) if np.isfinite(errors).all() else float("nan")

    def project(self) -> None:
        flat = self.xs.reshape(-1, self.xs.shape[2])
        cupy.matmul(flat, self.w["w_x"], out=self.sums.reshape(-1, self.sums.shape[2]))

    def close(self) -> None:
        """The gradients of the weights and of x."""
        xs, hs = (array.reshape(-1, array.shape[2]) for array in (self.xs, self.hs[:-1]))
        d_x = self.d_sums.reshape(-1, self.sums.shape[2])
        d_h = self.d_h_sums.reshape(d_x.shape) if self.cell == "gru" else d_x
        cupy.matmul(d_x, self.w["w_x"].T)
        cupy.matmul(xs.T, d_x)
        cupy.matmul(hs.T, d_h)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", nargs="+", default=["lstm", "rnn", "gru"])
    parser.add_argument("--shapes", nargs="+", default=SHAPES)
    parser.add_argument("--precision", default="float32", choices=["float32", "tf32", "bfloat16"])
    parser.add_argument("--plans", type=int, default=0)
    options = parser.parse_args()
    for cell in options.cells:
        for shape in options.shapes:
            with said(cell=cell, shape=shape):
                measure(cell, *map(int, shape.split("x")), precision=options.precision)
            if options.plans:
                for backward in (False, True):
                    size, lanes, steps = map(int, shape.split("x"))
                    measure_plans(cell, backward, size, lanes, steps, options)


@contextlib.contextmanager
def said(**about: Any) -> Iterator[None]:
    """Says what went wrong and goes on."""
    try:
        yield
    except Exception as error:
        print(json.dumps({**about, "failed": f"{type(error).__name__}: {error}"[:400]}), flush=True)


def measure(cell: str, size: int, lanes: int, steps: int, *, precision: str) -> None:
    cells, arrays = GpuCells(precision=precision), Arrays(cell, size, lanes, steps, checked=True)
    found: dict[str, Any] = {"cell": cell, "shape": f"{size}x{lanes}x{steps}", "error": arrays.check(cells)}
    forward = lambda: arrays.forward(cells)  # noqa: E731
    backward = lambda: arrays.backward(cells)  # noqa: E731
    found["forward_us"] = round(take_time(forward) / steps, 2)
    found["backward_us"] = round(take_time(backward) / steps, 2)
    ours = take_time(lambda: (arrays.project(), forward()))
    both = take_time(lambda: (arrays.project(), forward(), backward(), arrays.close()))
    found["layer_us"] = [round(ours / steps, 2), round(both / steps, 2)]
    with said(cell=cell, torch="nothing measured"):
        for allowed in (False, True):
            times = measure_torch(cell, size, lanes, steps, tf32=allowed)
            found["torch_tf32_us" if allowed else "torch_us"] = [round(each / steps, 2) for each in times]
    print(json.dumps(found), flush=True)


def measure_plans(
    cell: str, backward: bool, size: int, lanes: int, steps: int, options: argparse.Namespace
) -> None:
    """The best of each number of lane groups, thread blocks of a cluster and threads, by their estimates."""
    cells, arrays = GpuCells(precision=options.precision), Arrays(cell, size, lanes, steps, checked=False)
    limits = cells.device.limits
    plans = rank_plans(
        cell, backward=backward, size=size, lanes=lanes, limits=limits, precision=options.precision
    )
    kinds: dict[Any, CellPlan] = {}
    for plan in plans:
        kinds.setdefault((plan.lane_groups, plan.ranks, plan.threads), plan)
    for plan in list(kinds.values())[: options.plans]:
        with said(plan=repr(plan)):
            cells.adopt(plan)
            arrays.sums[...] = arrays.given
            time = take_time(lambda: arrays.backward(cells) if backward else arrays.forward(cells)) / steps
            print(json.dumps({"us": round(time, 2), "estimate": round(plan.estimate()), "plan": repr(plan)}))


def measure_torch(cell: str, size: int, lanes: int, steps: int, *, tf32: bool) -> tuple[float, float]:
    import torch

    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cuda.matmul.allow_tf32 = tf32
    layer = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell](size, size).cuda()
    xs = torch.randn(steps, lanes, size, device="cuda", requires_grad=True)
    d_hs = torch.randn(steps, lanes, size, device="cuda")

    def forward() -> None:
        layer(xs)

    def both() -> None:
        layer(xs)[0].backward(d_hs)

    return take_time(forward), take_time(both)


def take_time(do: Callable[[], Any], repeats: int = 20) -> float:
    """Microseconds, the median of three rounds."""
    rounds = []
    for _ in range(3):
        do()
        start, stop = cupy.cuda.Event(), cupy.cuda.Event()
        start.record()
        for _ in range(repeats):
            do()
        stop.record()
        stop.synchronize()
        rounds.append(cupy.cuda.get_elapsed_time(start, stop) * 1000 / repeats)
    return float(np.median(rounds))


if __name__ == "__main__":
    main()
