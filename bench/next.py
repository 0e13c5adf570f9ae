"""How fast the server says the next word: latency with one client, throughput with many, over HTTP on this machine.

    python -m bench.next

A model of random weights (LSTM-2x650, 10,000 words, tied, with n-grams and caches mixed in, unless told otherwise) is
published in a temporary store and served by ``python -m app`` in a process of its own. Clients, all in this process,
ask GET /next with 20 words. Two kinds of contexts: ``fresh`` ones share nothing with any before, so that every word is
stepped through; ``growing`` ones are a text that grows by a word with each request, as when someone types. The last
line is one JSON object with everything.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

import numpy as np

from artifact.cells import CELLS
from artifact.language import EOS, UNK
from artifact.language_files import write_language_model
from artifact.mixture import Mixture
from artifact.store import Store
from artifact.tokenizer import Tokenizer
from bench.load import read_cpu_seconds
from trainer.ngrams import build_ngrams

MIXTURE = Mixture(network=0.6, ngrams=0.2, cache=0.05, pointer=0.15)


def publish_random(root, options):
    """A model of random weights and its words."""
    random = np.random.default_rng(0)
    V, H = options.words, options.hidden
    words = [EOS, UNK, *(f"w{number}" for number in range(V - 2))]
    gates = CELLS[options.cell].gates

    def draw(*shape):
        return random.normal(scale=0.05, size=shape).astype(np.float32)

    weights = {"embedding": draw(V, H), "output_bias": draw(V)}
    if options.untied:
        weights["output"] = draw(H, V)
    for layer in range(options.layers):
        weights[f"layer{layer}.w_x"], weights[f"layer{layer}.w_h"] = draw(H, gates * H), draw(H, gates * H)
        for part in CELLS[options.cell].parts[2:]:
            weights[f"layer{layer}.{part}"] = draw(gates * H)
    ngrams = None
    if not options.network_alone:
        stream = draw_words(random, V, options.ngram_words)
        ngrams = build_ngrams(stream, vocab_size=V, eos_id=0)
    with Store(root, create=True).draft("random") as draft:
        counts = np.arange(V, 0, -1, dtype=np.int64)
        write_language_model(draft, tokens=words, counts=counts, weights=weights, ngrams=ngrams)
        recipe = {"cell": options.cell} | ({} if ngrams is None else {"mixture": MIXTURE.to_json()})
        draft.publish(
            kind="language-model", tokenizer=Tokenizer("whitespace"), recipe=recipe, metrics={"seed": 0}
        )
    return words


def draw_words(random, V, count):
    """Ids with about the frequencies of a text: uniform in the logarithm of the rank."""
    return (np.exp(random.random(count) * np.log(V)) - 1).astype(np.int32)


class Client:
    """One keep-alive connection, little more than the socket."""

    def __init__(self, port):
        self.port = port

    async def connect(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, text):
        query = urllib.parse.urlencode({"text": text})
        self.writer.write(f"GET /next?{query} HTTP/1.1\r\nhost: bench\r\n\r\n".encode())
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head)[1])
        body = await self.reader.readexactly(length)
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"bench.next: {body.decode()}")
        return body


async def measure(process, port, contexts, seconds):
    """What clients that each ask for their own ``contexts``, one after another, wait for, and requests a second in all.

    The processor time per request does not depend on what else the machine does.
    """
    latencies = []
    clients = len(contexts)
    connections = [Client(port) for _ in contexts]
    for connection in connections:
        await connection.connect()
    cpu = read_cpu_seconds(process)
    start = time.perf_counter()
    deadline = start + seconds

    async def run(connection, texts):
        while (before := time.perf_counter()) < deadline:
            await connection.ask(next(texts))
            latencies.append(time.perf_counter() - before)

    await asyncio.gather(*map(run, connections, contexts))
    rate = len(latencies) / (time.perf_counter() - start)
    for connection in connections:
        connection.writer.close()
    milliseconds = sorted(1000 * latency for latency in latencies)
    return {
        "clients": clients,
        "requests": len(latencies),
        "requests_per_second": round(rate, 1),
        "least_ms": round(milliseconds[0], 2),
        "median_ms": round(statistics.median(milliseconds), 2),
        "server_cpu_ms": round(1000 * (read_cpu_seconds(process) - cpu) / len(latencies), 2),
        "p95_ms": round(milliseconds[int(0.95 * (len(milliseconds) - 1))], 2),
    }


def draw_contexts(words, length, *, growing, seed):
    """Texts of ``length`` words without end; a growing one starts anew after 50 words more."""
    random = np.random.default_rng(seed)
    while True:
        text = [words[2 + token_id] for token_id in draw_words(random, len(words) - 2, length)]
        yield " ".join(text)
        if growing:
            for token_id in draw_words(random, len(words) - 2, 50):
                text.append(words[2 + token_id])
                yield " ".join(text)


def serve(root, options):
    """The server's process and its port."""
    command = [sys.executable, "-m", "app", "--store", str(root), "--port", "0", *options.server.split()]
    environment = os.environ | {"WORDKIN_CACHE": str(Path(root) / "cache")}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    for line in process.stderr:
        if found := re.search(r"listening on http://127\.0\.0\.1:(\d+)", line):
            return process, int(found[1])
    raise SystemExit("bench.next: the server did not start")


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cell", default="lstm", choices=list(CELLS))
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=650)
    parser.add_argument("--words", type=int, default=10_000, help="V")
    parser.add_argument("--untied", action="store_true")
    parser.add_argument("--network-alone", action="store_true", help="no n-grams, no caches")
    parser.add_argument(
        "--ngram-words", type=int, default=900_000, help="of the random text that n-grams come from"
    )
    parser.add_argument("--context", type=int, default=20, help="words a request begins with")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each measurement")
    parser.add_argument("--server", default="", help="more options for python -m app")
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse(arguments)
    results = {"model": f"{options.cell}-{options.layers}x{options.hidden}", "context": options.context}
    with tempfile.TemporaryDirectory() as root:
        words = publish_random(root, options)
        process, port = serve(root, options)
        try:
            asyncio.run(
                measure(process, port, [draw_contexts(words, options.context, growing=True, seed=0)], 1.0)
            )
            for kind in ("fresh", "growing"):
                for clients in (1, options.clients):
                    growing = kind == "growing"
                    contexts = [
                        draw_contexts(words, options.context, growing=growing, seed=(clients, number))
                        for number in range(clients)
                    ]
                    found = asyncio.run(measure(process, port, contexts, options.seconds))
                    results[f"{kind}_{clients}"] = found
                    print(kind, found, file=sys.stderr, flush=True)
                one, many = (
                    results[f"{kind}_{clients}"]["requests_per_second"] for clients in (1, options.clients)
                )
                results[f"{kind}_ratio"] = round(many / one, 2)
        finally:
            process.terminate()
            process.wait()
    print(json.dumps(results))


if __name__ == "__main__":
    main()
