"""What a large model costs: time from start to ready, and the memory of several workers against that of one.

    python -m bench.memory --folder /somewhere/with/8/GB

A model of random float16 vectors (3,000,000 x 300 unless told otherwise) is published in a store in ``--folder`` and removed
afterwards. The server is started on it, twice to let hashes be computed and remembered, then with one and with four workers;
all are asked until each has touched the whole matrix. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from artifact.draft import write_embedding
from artifact.store import Store
from artifact.tokenizer import Tokenizer
from bench.processes import Server

BLOCK_ROWS = 100_000


def publish_random(folder, words, dim):
    """Vectors are made in a file, so that the bench itself needs little memory."""
    path = Path(folder) / "vectors"
    vectors = np.memmap(path, dtype=np.float16, mode="w+", shape=(words, dim))
    random = np.random.default_rng(0)
    for start in range(0, words, BLOCK_ROWS):
        block = vectors[start : start + BLOCK_ROWS]
        block[:] = random.standard_normal(block.shape, dtype=np.float32)
    store = Store(Path(folder) / "store", create=True)
    with store.draft("large") as draft:
        write_embedding(
            draft,
            tokens=[f"word{number}" for number in range(words)],
            counts=np.arange(words, 0, -1, dtype=np.int64),
            vectors=vectors,
            dtype="float16",
        )
        draft.publish(kind="embedding", tokenizer=Tokenizer("words"), recipe={}, metrics={})
    del vectors
    path.unlink()
    return store


def ask(port, number):
    """One question on a connection of its own, so that the workers share them out."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/similar?word=word{number}", timeout=120) as answer:
        return len(json.loads(answer.read())["results"])


def count_warm(server, options):
    """How many of the server's processes have the whole matrix in memory."""
    return sum(resident > 2 * options.words * options.dim for resident in server.list_resident())


def measure(store, folder, options, *, workers):
    """Time to ready, and the memory after the workers have answered."""
    with Server("--store", store.root, "--workers", workers, cache=Path(folder) / "cache") as server:
        fresh = server.measure_memory()
        started = time.perf_counter()
        with ThreadPoolExecutor(4 * workers) as pool:
            random, asked = np.random.default_rng(1), 0
            while asked < options.questions * workers or count_warm(server, options) < workers:
                numbers = random.integers(0, options.words, 4 * workers).tolist()
                list(pool.map(lambda number: ask(server.port, number), numbers))
                asked += len(numbers)
                if asked > 50 * options.questions * workers:
                    raise SystemExit("bench.memory: some workers were never asked")
        seconds = time.perf_counter() - started
        return {
            "ready_s": round(server.ready_s, 2),
            "before_questions": fresh,
            "questions": asked,
            "questions_s": round(seconds, 1),
            **server.measure_memory(),
        }


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--words", type=int, default=3_000_000, help="V")
    parser.add_argument("--dim", type=int, default=300, help="D")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--questions", type=int, default=12, help="for each worker")
    parser.add_argument("--folder", help="where the store is made (a temporary folder)")
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse(arguments)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        started = time.perf_counter()
        store = publish_random(folder, options.words, options.dim)
        result = {"words": options.words, "dim": options.dim}
        result["publish_s"] = round(time.perf_counter() - started, 1)
        result["bytes"] = sum(path.stat().st_size for path in store.root.rglob("*") if path.is_file())
        print(f"published in {result['publish_s']} s", file=sys.stderr, flush=True)
        with Server("--store", store.root, cache=Path(folder) / "cache") as server:
            result["first_ready_s"] = round(server.ready_s, 2)
        for workers in (1, options.workers):
            result[f"workers_{workers}"] = measure(store, folder, options, workers=workers)
            print(workers, result[f"workers_{workers}"], file=sys.stderr, flush=True)
        one, many = result["workers_1"], result[f"workers_{options.workers}"]
        result["pss_ratio"] = round(many["pss_bytes"] / one["pss_bytes"], 3)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
