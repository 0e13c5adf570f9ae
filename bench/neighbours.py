"""The table of neighbours: seconds for random and for clustered vectors, what they are spent on, and whether the answers are right.

    python bench/neighbours.py [--device gpu] [--words 400000] [--dim 100] [--count 100] [--sample 200]

Each line printed is one JSON object. `wrong` counts the rows of a sample that differ from float64 where float64 can tell: their ids,
but for those whose cosines tie when they are rounded to float32, and `off` is the largest difference of a score. On a GPU the run that is
timed is followed by one in which every step is waited for: `product`, `select`, `upload` and `download` are its seconds.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from trainer.neighbours import compute_neighbours, count_flops, find_gpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto")
    parser.add_argument("--words", type=int, default=400_000)
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--kinds", nargs="+", default=["random", "clustered"])
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    for kind in options.kinds:
        vectors = make_vectors(kind, options.words, options.dim)
        norms = np.sqrt(np.einsum("vd,vd->v", vectors, vectors, dtype=np.float64)).astype(np.float32)
        measure(kind, vectors, norms, options)


def make_vectors(kind: str, words: int, dim: int) -> NDArray[np.float32]:
    """Standard normal, or in a thousand clusters of very different sizes, the large ones first as frequent words are."""
    random = np.random.default_rng(1)
    vectors = random.standard_normal((words, dim), dtype=np.float32)
    if kind == "clustered":
        centres = random.standard_normal((1_000, dim), dtype=np.float32)
        share = np.minimum(random.zipf(1.3, words), 1_000) - 1
        vectors *= np.float32(0.4)
        vectors += centres[np.sort(share)]
    return vectors


def measure(
    kind: str, vectors: NDArray[np.float32], norms: NDArray[np.float32], options: argparse.Namespace
) -> None:
    words, dim = vectors.shape
    said: dict[str, Any] = {"kind": kind, "words": words, "dim": dim, "count": options.count}
    for repeat in range(options.repeats):
        started = time.perf_counter()
        gpu = find_gpu(options.device, words=words, dim=dim)
        computed = compute_neighbours(
            vectors, norms, options.count, progress=lambda *_: None, threads=options.threads, gpu=gpu
        )
        seconds = time.perf_counter() - started
        table = computed.table
        say(**said, device=computed.device, run=repeat + 1, seconds=seconds, gflops=round(computed.gflops))
    say(**said, **check(vectors, table.ids, table.scores, options.sample))
    if gpu is not None:
        timed = Timed(gpu)
        computed = compute_neighbours(vectors, norms, options.count, progress=lambda *_: None, gpu=timed)
        product = timed.seconds["product"]
        say(
            **said,
            seconds=computed.seconds,
            **timed.seconds,
            blocks=timed.blocks,
            product_tflops=count_flops(words, dim) / product / 1e12,
            selected_tb_per_s=4e-12 * words * words / timed.seconds["select"],
        )


def say(**values: Any) -> None:
    rounded = {name: round(value, 3) if isinstance(value, float) else value for name, value in values.items()}
    print(json.dumps(rounded), flush=True)


def check(
    vectors: NDArray[np.float32], ids: NDArray[np.int32], scores: NDArray[np.float32], sample: int
) -> dict[str, Any]:
    """A sample of rows against float64 throughout."""
    wide = vectors.astype(np.float64)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    wrong, off, ties = 0, 0.0, 0
    for row in np.linspace(0, len(vectors) - 1, sample).astype(int).tolist():
        cosines = wide @ wide[row]
        cosines[row] = -2
        expected = np.argsort(-cosines, kind="stable")[: ids.shape[1]]
        off = max(off, float(np.abs(cosines[expected] - scores[row]).max()))
        differ = ids[row] != expected
        ties += int(differ.sum())
        # The other order of two that are alike when rounded is right too.
        wrong += bool(np.abs(cosines[ids[row][differ]] - cosines[expected[differ]]).max(initial=0) > 1.2e-7)
    return {"rows": sample, "wrong": wrong, "ties": ties, "off": f"{off:.1e}"}


class Timed:
    """A device of which every step is waited for."""

    def __init__(self, device: Any) -> None:
        self._device = device
        self.seconds: dict[str, float] = defaultdict(float)
        self.blocks = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._device, name)

    def _time(self, what: str, do: Any, *arguments: Any) -> Any:
        self.wait(self.mark())
        started = time.perf_counter()
        done = do(*arguments)
        self.wait(self.mark())
        self.seconds[what] += time.perf_counter() - started
        return done

    def compile(self, plan: Any) -> Any:
        return self._time("compile", self._device.compile, plan)

    def upload(self, array: NDArray[Any]) -> Any:
        return self._time("upload", self._device.upload, array)

    def multiply(self, rows: Any, table: Any, scores: Any) -> None:
        self.blocks += 1
        self._time("product", self._device.multiply, rows, table, scores)

    def select(self, kernel: Any, blocks: int, arguments: Sequence[Any]) -> None:
        self._time("select", self._device.select, kernel, blocks, arguments)

    def download(self, array: Any, target: NDArray[Any]) -> None:
        self._time("download", self._device.download, array, target)


if __name__ == "__main__":
    main()
