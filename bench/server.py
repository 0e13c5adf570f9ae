"""How fast the server answers beside a bare FastAPI route and beside gensim behind FastAPI, in one run on one machine.

    python -m bench.server --store STORE --name NAME

Needs word vectors with a neighbours table (``python -m trainer publish NAME --neighbours 100 --store STORE``), and gensim.
Three servers, one worker each, take turns: ours; a FastAPI route that returns a constant of the same size; and gensim's
KeyedVectors, the same vectors, behind FastAPI. 64 connections (unless told otherwise) each ask again as soon as they have
their answer. Where a ratio to the bare route is measured, server and client are pinned to a core each; where gensim is the
other, all share all cores. Each comparison is made ``--rounds`` times, taking turns, and the best round of each counts.

    words       GET /similar?word=… of words drawn uniformly from the vocabulary, 10 results
    arbitrary   POST /similar with two positive and one negative word, 10 results; recall@10 against float64; where the model
                has an index (``publish NAME --index``), by it, and besides exactly
    vectors     POST /vectors, 1,000 words as base64 float32
    embeddings  POST /v1/embeddings, 256 texts of 5 words, base64

The last line is one JSON object with everything.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from artifact.store import Store
from bench.load import Connection, load, make_get, make_post

WORDS_ASKED, QUESTIONS_ASKED, RECALL_ASKED = 20_000, 2_000, 200
VECTOR_WORDS, TEXTS, WORDS_IN_TEXT = 1_000, 256, 5


@dataclass
class Server:
    """A server in a process of its own."""

    process: subprocess.Popen
    port: int

    def stop(self):
        self.process.terminate()
        self.process.wait()


@contextlib.contextmanager
def pinned(core):
    """Processes that are started meanwhile stay on ``core``, where one is given."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before if core is None else {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def start_ours(options, *, core):
    command = [sys.executable, "-m", "app", "--store", options.store, "--default-model", options.name]
    command += ["--port", "0", *options.server.split()]
    with pinned(core):
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if found := re.search(r"listening on http://127\.0\.0\.1:(\d+)", line):
            return Server(process, int(found[1]))
    raise SystemExit("bench.server: the server did not start")


def start_peer(factory, *, core=None, **environment):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", f"bench.peers:{factory}", "--factory", "--port", str(port)]
    command += ["--http", "httptools", "--loop", "uvloop", "--no-access-log", "--log-level", "warning"]
    command += ["--timeout-keep-alive", "120"]
    with pinned(core):
        process = subprocess.Popen(command, env=os.environ | environment)
    for _ in range(1200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return Server(process, port)
        time.sleep(0.1)
    raise SystemExit(f"bench.server: {factory} did not start")


class Questions:
    """What is asked of one model, drawn at random."""

    def __init__(self, embedding, name, seed):
        random = np.random.default_rng(seed)
        tokens = [token for token in embedding.vocabulary if 1 < len(token) < 100 and token.isprintable()]
        self.embedding, self.name = embedding, name

        def draw(count):
            return [tokens[place] for place in random.integers(len(tokens), size=count)]

        self.words = draw(WORDS_ASKED)
        self.triples = [tuple(draw(3)) for _ in range(QUESTIONS_ASKED)]
        self.lists = [draw(VECTOR_WORDS) for _ in range(20)]
        self.texts = [[" ".join(draw(WORDS_IN_TEXT)) for _ in range(TEXTS)] for _ in range(20)]

    def gets(self):
        return [make_get(f"/similar?{urllib.parse.urlencode({'word': word})}") for word in self.words]

    def posts(self, **more):
        return [
            make_post(
                "/similar", json.dumps({"positive": [a, b], "negative": [c], "top": 10} | more).encode()
            )
            for a, b, c in self.triples
        ]

    def vectors(self):
        return [
            make_post("/vectors", json.dumps({"words": words, "encoding": "base64"}).encode())
            for words in self.lists
        ]

    def embeddings(self):
        return [
            make_post(
                "/v1/embeddings",
                json.dumps({"model": self.name, "input": texts, "encoding_format": "base64"}).encode(),
            )
            for texts in self.texts
        ]

    def find_plainly(self, triple):
        """The ten nearest words, in float64 throughout."""
        embedding = self.embedding
        ids = embedding.token_ids(triple)
        rows = embedding.vectors(triple).astype(np.float64)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        query = rows[0] + rows[1] - rows[2]
        cosines = self.units @ (query / np.linalg.norm(query))
        cosines[ids] = -2
        return {embedding.vocabulary.token(int(place)) for place in np.argpartition(-cosines, 10)[:10]}

    def measure_recall(self, port):
        """The share of the ten nearest words that the server at ``port`` finds."""
        size = len(self.embedding.vocabulary)
        self.units = self.embedding.rows(np.arange(size)).astype(np.float64)
        lengths = np.linalg.norm(self.units, axis=1, keepdims=True)
        self.units /= np.where(lengths > 0, lengths, 1)
        connection = Connection(port)
        hits = 0
        for triple, request in zip(self.triples[:RECALL_ASKED], self.posts(), strict=False):
            results = json.loads(connection.ask(request))["results"]
            hits += len(self.find_plainly(triple) & {result["word"] for result in results})
        del self.units
        return hits / (10 * RECALL_ASKED)


def take_turns(rounds, **loads):
    """The best of several rounds of each load; all are measured in every round."""
    best = {}
    for _ in range(rounds):
        for name, run in loads.items():
            found = run()
            print(f"  {name:12} {found.to_json()}", file=sys.stderr, flush=True)
            if name not in best or found.rate > best[name].rate:
                best[name] = found
    return best


def compare_with_bare(options, questions, scratch):
    """Words: our rate as a share of the bare route's; a core for the server, a core for the client."""
    cores = sorted(os.sched_getaffinity(0))
    server_core, client_core = (cores[0], cores[1]) if len(cores) > 1 else (None, None)
    ours = start_ours(options, core=server_core)
    try:
        gets = questions.gets()
        sizes = sorted((Connection(ours.port).ask(request) for request in gets[:101]), key=len)
        constant = scratch / "constant.json"
        constant.write_bytes(sizes[50])
        bare = start_peer("make_constant", core=server_core, CONSTANT=str(constant))
        try:
            run = {"clients": options.clients, "seconds": options.seconds, "core": client_core}
            best = take_turns(
                options.rounds,
                words=lambda: load(ours, gets, **run),
                bare=lambda: load(bare, gets, **run),
            )
        finally:
            bare.stop()
        found = {name: result.to_json() for name, result in best.items()}
        found["share_of_bare"] = round(best["words"].rate / best["bare"].rate, 3)
        return found
    finally:
        ours.stop()


def compare_with_gensim(options, questions, scratch):
    """Words and arbitrary questions: our rate as a multiple of gensim's; all cores for all."""
    saved = scratch / "vectors.kv"
    save_for_gensim(questions.embedding, saved)
    gets, posts, exactly = questions.gets(), questions.posts(), questions.posts(exact=True)
    run = {"clients": options.clients, "seconds": options.seconds}
    ours = start_ours(options, core=None)
    try:
        threads = str(options.gensim_threads)
        peer = start_peer("make_gensim", VECTORS=str(saved), OPENBLAS_NUM_THREADS=threads)
        loads = {
            "words": lambda: load(ours, gets, **run),
            "gensim_words": lambda: load(peer, gets, **run),
            "arbitrary": lambda: load(ours, posts, **run),
            "gensim_arbitrary": lambda: load(peer, posts, **run),
        }
        answer = json.loads(Connection(ours.port).ask(posts[0]))
        if "path" in answer:
            loads["exact"] = lambda: load(ours, exactly, **run)
        try:
            best = take_turns(options.rounds, **loads)
        finally:
            peer.stop()
        found = {name: result.to_json() for name, result in best.items()}
        alone = load(ours, posts, clients=1, seconds=options.seconds)
        found["arbitrary_alone"] = alone.to_json()
        found["path"], found["recall_stated"] = answer.get("path", "exact"), answer.get("recall", 1.0)
        found["recall_at_10"] = questions.measure_recall(ours.port)
        for name, peers in (("words", "words"), ("arbitrary", "arbitrary"), ("exact", "arbitrary")):
            if name in best:
                found[f"{name}_times_gensim"] = round(best[name].rate / best[f"gensim_{peers}"].rate, 1)
        return found
    finally:
        ours.stop()


def save_for_gensim(embedding, path):
    """The vectors as a file that gensim maps, in the way that it recommends."""
    from gensim.models import KeyedVectors

    size = len(embedding.vocabulary)
    vectors = KeyedVectors(vector_size=embedding.dim, count=0)
    vectors.add_vectors(list(embedding.vocabulary), embedding.rows(np.arange(size)))
    vectors.save(str(path))


def measure_bulk(options, questions):
    """Vectors and texts a second, of the routes that answer; server and clients share the cores."""
    found = {}
    ours = start_ours(options, core=None)
    try:
        for name, requests, size in (
            ("vectors", questions.vectors(), VECTOR_WORDS),
            ("embeddings", questions.embeddings(), TEXTS),
        ):
            try:
                Connection(ours.port).ask(requests[0])
            except SystemExit as error:
                print(f"  {name}: skipped: {error}", file=sys.stderr)
                continue
            run = {"clients": options.bulk_clients, "seconds": options.seconds}
            best = take_turns(options.rounds, **{name: lambda: load(ours, requests, **run)})[name]  # noqa: B023
            found[name] = best.to_json() | {f"{name}_per_second": round(size * best.rate)}
    finally:
        ours.stop()
    return found


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--bulk-clients", type=int, default=4, help="for vectors and embeddings")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--gensim-threads", type=int, default=1, help="of its BLAS library; one is its best under load"
    )
    parser.add_argument("--only", choices=["bare", "gensim", "bulk"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--server", default="", help="more options for python -m app")
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse(arguments)
    if options.only in (None, "gensim") and importlib.util.find_spec("gensim") is None:
        sys.exit("bench.server: gensim is not installed: pip install -e '.[bench]', or --only bare or bulk")
    embedding = Store(options.store).open(options.name).embedding()
    table = embedding.neighbours
    if table is None:
        print("bench.server: there is no neighbours table: words are searched for", file=sys.stderr)
    questions = Questions(embedding, options.name, options.seed)
    results = {
        "model": f"{embedding.name}@{embedding.version}",
        "words": len(embedding.vocabulary),
        "dim": embedding.dim,
        "neighbours": table.count if table else 0,
        "cores": len(os.sched_getaffinity(0)),
    }
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        parts = {
            "bare": lambda: compare_with_bare(options, questions, scratch),
            "gensim": lambda: compare_with_gensim(options, questions, scratch),
            "bulk": lambda: measure_bulk(options, questions),
        }
        for name, measure in parts.items():
            if options.only in (None, name):
                print(f"{name}:", file=sys.stderr)
                results[name] = measure()
    print(json.dumps(results))


if __name__ == "__main__":
    main()
