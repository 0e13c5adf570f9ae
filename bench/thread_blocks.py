"""What a GPU would learn, found out without one: its kernels on this CPU, with as many thread blocks at once. Quality alone.

    python bench/thread_blocks.py --corpus corpus/ --eval sets/ [--models cbow skipgram] [--seeds 1 2 3] [--shared-negatives 16 32]

--corpus is a folder made by ``python -m trainer corpus``. A thread block is one thread here, and they take turns at their barriers
in an order that is drawn: each is blind to what the others are about to add, as on the device, of which --capacity says how many
run there at once. About half a million words a second on a core; a C++ compiler and the extra `dev` are needed. Each line printed is one JSON object.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(1, str(Path(__file__).resolve().parent.parent / "tests"))

from engines.emulated_device import EmulatedDevice

from bench.gpu import score
from trainer.corpus import Corpus, open_corpus
from trainer.engines import gpu, staleness
from trainer.engines.device import Limits
from trainer.recipes import WordVectorSettings

H200 = Limits(multiprocessors=132, shared_bytes=227 << 10, free_bytes=1 << 37)


def main() -> None:
    options = parse_options()
    corpus = open_corpus(options.corpus)
    if options.in_flight:
        staleness.IN_FLIGHT = dict.fromkeys(staleness.IN_FLIGHT, tuple(options.in_flight))
    with tempfile.TemporaryDirectory(prefix="kernels-") as folder:
        for model, negatives, seed in itertools.product(
            options.models, options.shared_negatives, options.seeds
        ):
            settings = WordVectorSettings(
                model=model,
                shared_negatives=negatives,
                seed=seed,
                dim=options.dim,
                epochs=options.epochs,
                threads=1,
            )
            print(json.dumps(measure(corpus, settings, Path(folder), options)), flush=True)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--eval", type=Path, required=True)
    parser.add_argument("--models", nargs="+", default=["cbow", "skipgram"])
    parser.add_argument("--shared-negatives", nargs="+", type=int, default=[None])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--capacity", type=int, help="thread blocks that the device runs at once")
    parser.add_argument(
        "--blocks", type=int, help="thread blocks at once, in place of what the learner chooses"
    )
    parser.add_argument(
        "--in-flight", type=float, nargs=2, help="instead of staleness.IN_FLIGHT: inputs, outputs"
    )
    return parser.parse_args()


def measure(
    corpus: Corpus, settings: WordVectorSettings, folder: Path, options: argparse.Namespace
) -> dict[str, Any]:
    """One training and its scores."""
    flags = ("-O3", "-ffast-math", "-fno-stack-protector")
    device = EmulatedDevice(folder, limits=H200, order=2 * settings.seed or 2, together=True, flags=flags)
    learner = gpu.GpuLearner(corpus, settings, device, blocks=options.blocks, resident=True)
    device.capacity = options.capacity or learner.plan.resident * H200.multiprocessors
    learner.plan = dataclasses.replace(learner.plan, threads=1)
    learner.warm_up()
    started = time.perf_counter()
    while not learner.finished():
        step = learner.advance()
    return {
        "model": settings.model,
        "dim": settings.dim,
        "shared_negatives": learner.plan.negatives,
        "seed": settings.seed,
        "blocks": learner.workers[0].blocks,
        "seconds": round(time.perf_counter() - started, 1),
        "loss": round(step.loss_sum / max(step.examples, 1), 4),
        **score(corpus, learner.vectors(), options.eval),
    }


if __name__ == "__main__":
    main()
