"""Word vectors on a GPU: raw words a second from ids on disk to trained tables, against what the device can copy, and quality.

    python bench/gpu.py --corpus corpus/ [--repeat 30] [--models cbow skipgram] [--dims 100 300] [--epochs 2] [--eval sets/]
    python bench/gpu.py --corpus corpus/ --blocks 64 128 256 512 1024 --epochs 5 --seeds 1 2 3 --eval sets/

--corpus is a folder made by ``python -m trainer corpus``. --repeat writes its text that many times over into --scratch, so that a
run lasts seconds. Each line printed is one JSON object; `first_epoch` has the text copied to the device meanwhile, `later` finds it
there. --blocks sets the thread blocks at once (0: what the learner chooses). --threads and --block change the layout of the kernel.
--workers cuts the text for several workers with tables of their own, all on the first GPU: what training on as many GPUs costs in
quality; their speed says nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.words import judge
from trainer.corpus import Corpus, open_corpus
from trainer.engines import gpu, staleness
from trainer.engines.cupy_device import CupyDevice
from trainer.options import length_range
from trainer.recipes import TABLE_DTYPES, WordVectorSettings


def main() -> None:
    options = parse_options()
    corpus = open_corpus(options.corpus)
    if options.repeat > 1:
        corpus = repeat_corpus(corpus, options.repeat, options.scratch)
    device = CupyDevice()
    print(json.dumps({"device": device.name, "copy_gb_per_s": round(measure_copy(), 1)}), flush=True)
    if options.most_lost is not None:
        staleness.MOST_LOST = dict.fromkeys(staleness.MOST_LOST, options.most_lost)
    if options.in_flight:
        staleness.IN_FLIGHT = dict.fromkeys(staleness.IN_FLIGHT, tuple(options.in_flight))
    runs = itertools.product(
        *(options.models, options.dims, options.shared_negatives, options.blocks, options.workers),
        options.seeds,
    )
    for model, dim, shared, blocks, workers, seed in runs:
        settings = WordVectorSettings(
            model=model,
            dim=dim,
            window=options.window,
            epochs=options.epochs,
            seed=seed,
            threads=1,
            shared_negatives=shared,
            subwords=options.subwords,
            table_dtype=options.table_dtype,
        )
        print(json.dumps(measure(corpus, settings, blocks, workers, options)), flush=True)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--scratch", type=Path, default=Path("/tmp"))
    parser.add_argument("--models", nargs="+", default=["cbow", "skipgram"])
    parser.add_argument("--dims", nargs="+", type=int, default=[100])
    parser.add_argument("--window", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--blocks", nargs="+", type=int, default=[0])
    parser.add_argument("--shared-negatives", nargs="+", type=int, default=[None])
    parser.add_argument("--most-lost", type=float, help="instead of staleness.MOST_LOST")
    parser.add_argument(
        "--in-flight", type=float, nargs=2, help="instead of staleness.IN_FLIGHT: inputs, outputs"
    )
    parser.add_argument("--resident", type=int, help="thread blocks that a multiprocessor has room for")
    parser.add_argument("--threads", type=int, help="of a thread block")
    parser.add_argument("--block", type=int, help="targets that share their negatives")
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[1], help="on the first GPU, with tables of their own"
    )
    parser.add_argument("--table-dtype", default="float32", choices=TABLE_DTYPES)
    parser.add_argument("--subwords", type=length_range, help="such as 3-6")
    parser.add_argument("--eval", type=Path)
    return parser.parse_args()


def repeat_corpus(corpus: Corpus, times: int, folder: Path) -> Corpus:
    """The text `times` over, its ids in a file of `folder`."""
    path, size = folder / "ids.i32", len(corpus.token_ids)
    if not path.exists() or path.stat().st_size != 4 * size * times:
        with path.open("wb") as out:
            for _ in range(times):
                out.write(np.asarray(corpus.token_ids).tobytes())
    starts = corpus.line_starts[:-1] + size * np.arange(times, dtype=np.int64)[:, None]
    return dataclasses.replace(
        corpus,
        token_ids=np.asarray(np.memmap(path, np.int32, "r")),
        line_starts=np.append(starts.reshape(-1), size * times),
        counts=corpus.counts * times,
    )


def measure_copy(size: int = 1 << 32, times: int = 10) -> float:
    """GB/s, read and written, of copies on the device."""
    import cupy

    source, target = cupy.zeros(size, np.uint8), cupy.zeros(size, np.uint8)
    target[...] = source
    start, stop = cupy.cuda.Event(), cupy.cuda.Event()
    start.record()
    for _ in range(times):
        target[...] = source
    stop.record()
    stop.synchronize()
    return 2 * size * times / cupy.cuda.get_elapsed_time(start, stop) / 1e6


def measure(
    corpus: Corpus, settings: WordVectorSettings, blocks: int, workers: int, options: argparse.Namespace
) -> dict[str, Any]:
    """One training: its speeds, in millions of raw words a second, and its scores."""
    started = time.perf_counter()
    devices = [CupyDevice() for _ in range(workers)]
    learner = gpu.GpuLearner(corpus, settings, *devices, blocks=blocks or None)
    changes = {"threads": options.threads, "block": options.block, "resident": options.resident}
    learner.plan = dataclasses.replace(learner.plan, **{name: n for name, n in changes.items() if n})
    learner.warm_up()
    ready = time.perf_counter()
    steps = []
    while not learner.finished():
        before = time.perf_counter()
        step = learner.advance()
        steps.append((step, time.perf_counter() - before))
    seconds = time.perf_counter() - ready
    epoch, passed = len(corpus.token_ids), 0
    speeds: dict[str, list[float]] = {"first_epoch": [0, 0], "later": [0, 0]}
    for step, taken in steps:
        part = speeds["first_epoch" if passed < epoch else "later"]
        part[0] += step.words
        part[1] += taken
        passed += step.words
    result = {
        "model": settings.model,
        "dim": settings.dim,
        "shared_negatives": learner.plan.negatives,
        "seed": settings.seed,
        "vocabulary": len(corpus.counts),
        "words": learner.total_words,
        "workers": len(learner.workers),
        "subwords": settings.subwords,
        "table_dtype": settings.table_dtype,
        "steps": len(steps),
        "blocks": learner.workers[0].blocks,
        "capacity": learner.workers[0].kernel.capacity,
        "registers": learner.workers[0].kernel.function.num_regs,
        "shared_kib": learner.plan.shared_bytes / 1024,
        "threads": learner.plan.threads,
        "block": learner.plan.block,
        "prepare_s": round(ready - started, 2),
        "seconds": round(seconds, 3),
        "m_words_per_s": round(learner.total_words / seconds / 1e6, 1),
        **{name: round(words / taken / 1e6, 1) if taken else None for name, (words, taken) in speeds.items()},
        "loss": round(
            sum(s.loss_sum for s, _ in steps[-5:]) / max(sum(s.examples for s, _ in steps[-5:]), 1), 4
        ),
    }
    vectors = learner.vectors()
    if not options.eval or not np.isfinite(vectors).all():
        return result
    return result | score(corpus, vectors, options.eval)


def score(corpus: Corpus, vectors: Any, folder: Path) -> dict[str, Any]:
    from artifact.embedding import Embedding
    from artifact.vocabulary import Vocabulary

    vocabulary = Vocabulary.from_tokens(list(corpus.tokens), corpus.counts)
    embedding = Embedding.from_arrays(vectors=vectors, vocabulary=vocabulary, tokenizer=corpus.tokenizer)
    return {key: value for key, value in judge(embedding, folder).items() if not key.endswith("_covered")}


if __name__ == "__main__":
    main()
