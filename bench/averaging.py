"""What training with several GPUs costs in quality, without one: workers with tables of their own, simulated on the CPU.

    python bench/averaging.py --corpus corpus/ --eval sets/ [--models cbow skipgram] [--workers 1 2 4 8] [--words 250e3 1e6]
                              [--rules mean touched sum 0.4] [--epochs 5] [--seeds 1] [--threads 2]

--words is what each worker trains on between two meetings. A rule says what becomes of the workers' changes to a row: `mean` and
`sum` say it themselves, `touched` is the mean over the workers that changed the row, and a number is the stiffness of
trainer/engines/averaging.py. Each line printed is one JSON object.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.gpu import score
from trainer.corpus import Corpus, open_corpus
from trainer.engines import averaging
from trainer.engines.cpu import CpuLearner
from trainer.engines.gpu_worker import Material
from trainer.engines.sampling import PIECE, keep_thresholds
from trainer.recipes import WordVectorSettings


class MainMemory:
    """What a meeting asks of a device, with NumPy."""

    zeros = staticmethod(np.zeros)
    computing = staticmethod(nullcontext)
    read = staticmethod(np.asarray)


class CpuWorker:
    """A learner that is told which pieces to train on."""

    device = MainMemory
    upload = staticmethod(np.asarray)

    def __init__(self, corpus: Corpus, settings: WordVectorSettings, material: Material) -> None:
        self.material = material
        self.learner = CpuLearner(corpus, settings)
        self.learner.warm_up()
        self.tables = self.learner._tables()  # noqa: SLF001 - a bench may

    def train(self, first: int, last: int) -> Any:
        """Examples and loss of pieces ``first:last``."""
        sums = np.zeros(2)
        for piece in range(first, last):
            sums += self.learner._train_piece(self.learner._workspaces[0], piece, PIECE)  # noqa: SLF001
        return sums


class Additions:
    name = "additions"

    def add_up(self, arrays: Any) -> None:
        arrays[0][...] = sum(arrays[1:], arrays[0])
        for array in arrays[1:]:
            array[...] = arrays[0]


class PlainMeetings:
    """The rules that know nothing of curvature."""

    def __init__(self, workers: list[CpuWorker], rule: str) -> None:
        self.workers, self.rule = workers, rule
        self.bases = {name: table.copy() for name, table in workers[0].tables.items()}

    def meet(self, _steps: float) -> None:
        for name, base in self.bases.items():
            changes = [worker.tables[name] - base for worker in self.workers]
            parts: Any = {"sum": 1, "mean": len(changes)}.get(self.rule)
            if parts is None:
                touched = sum(change.any(axis=1, keepdims=True).astype(np.float32) for change in changes)
                parts = np.maximum(touched, 1)
            np.add(base, sum(changes) / parts, out=base)
            for worker in self.workers:
                worker.tables[name][...] = base


def main() -> None:
    options = parse_options()
    corpus = open_corpus(options.corpus)
    for seed, model, workers in itertools.product(options.seeds, options.models, options.workers):
        settings = WordVectorSettings(
            model=model, dim=options.dim, epochs=options.epochs, seed=seed, threads=1
        )
        several = itertools.product(options.words, options.rules)
        for words, rule in several if workers > 1 else [(options.words[0], "alone")]:
            found = simulate(corpus, settings, workers, int(words), rule, options)
            print(json.dumps(found), flush=True)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--eval", type=Path, required=True)
    parser.add_argument("--models", nargs="+", default=["cbow", "skipgram"])
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 2, 4, 8])
    parser.add_argument("--words", nargs="+", type=float, default=[250e3])
    parser.add_argument("--rules", nargs="+", default=["mean", str(averaging.STIFFNESS)])
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def simulate(
    corpus: Corpus,
    settings: WordVectorSettings,
    count: int,
    words: int,
    rule: str,
    options: argparse.Namespace,
) -> dict[str, Any]:
    """One training by `count` workers that meet after `words` each: its scores and how often they met."""
    started = time.perf_counter()
    keep = keep_thresholds(corpus.counts, settings.subsample)
    material = Material(
        settings, 0.0, corpus.token_ids, corpus.line_starts, keep, np.zeros(0, np.int32), None
    )
    workers = [CpuWorker(corpus, settings, material) for _ in range(count)]
    meetings = make_meetings(workers, rule, corpus)
    learner = workers[0].learner
    total, share, met, tail = material.pieces * settings.epochs, max(1, words // PIECE), 0, np.zeros(2)
    with ThreadPoolExecutor(options.threads) as pool:
        for first in range(0, total, share * count):
            last = min(first + share * count, total)
            edges = np.linspace(first, last, count + 1).astype(int)
            found = list(pool.map(CpuWorker.train, workers, edges[:-1], edges[1:]))
            if last > 0.95 * total:
                tail += np.sum(found, axis=0)
            if meetings is not None:
                start, stop = map(learner._position, (first, last))  # noqa: SLF001
                meetings.meet(learner._rate(start) * (stop - start) / count)  # noqa: SLF001
                met += 1
    vectors = learner.vectors()
    result = {
        "model": settings.model,
        "workers": count,
        "rule": rule,
        "words": words,
        "meetings": met,
        "seed": settings.seed,
        "seconds": round(time.perf_counter() - started, 1),
        "loss": round(tail[1] / max(tail[0], 1), 4),
    }
    return result | (score(corpus, vectors, options.eval) if np.isfinite(vectors).all() else {})


def make_meetings(workers: list[CpuWorker], rule: str, corpus: Corpus) -> Any:
    if len(workers) == 1:
        return None
    if rule in {"mean", "sum", "touched"}:
        return PlainMeetings(workers, rule)
    averaging.STIFFNESS = float(rule)
    touches = averaging.count_touches(workers[0].material, corpus.counts)
    made = averaging.Meetings(workers, Additions(), touches)  # type: ignore[arg-type]
    made.begin()
    return made


if __name__ == "__main__":
    main()
