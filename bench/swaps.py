"""New versions swapped in under load: failures, answers whose version does not match their data, memory.

    python -m bench.swaps

Versions of word vectors and of a small language model are published one after another in a temporary store that
``python -m app`` serves, each taken up by ``POST /models/{name}/reload`` (or, with ``--poll``, by the server itself within a
second), and old ones are pruned. All the while clients ask for vectors as numbers and in base64, for the vector of a text, for
the nearest word and for the next one. Every vector of a version begins with the version's number, the direction of one tells
it too, and the nearest word and the next are the version's own: so an answer shows which version's data it was made of. The
last line is one JSON object; it tells how long the word vectors' swaps took.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import tempfile
import threading
import time
import urllib.request
from base64 import b64decode
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from app.keys import draw_key
from artifact.draft import write_embedding
from artifact.language import EOS, UNK
from artifact.language_files import write_language_model
from artifact.store import Store
from artifact.tokenizer import Tokenizer
from bench.processes import Server

MODEL = "swapped"
LANGUAGE_MODEL = "story"
PROBE = "probe"
TELLER = "teller"
"""A word whose vector has the version's number and one as its first places, and nothing else."""
HIDDEN = 8
MARKS = 50
"""Words of which one is each version's nearest to the probe."""
WARM_SWAPS = 20
"""Swaps before memory is first measured."""


class Publisher:
    """Publishes version after version, and knows the number of each."""

    def __init__(self, root, words, dim):
        self.store = Store(root, create=True)
        self.marks = [f"mark{number}" for number in range(MARKS)]
        self.tokens = [PROBE, *self.marks, *(f"w{n}" for n in range(words)), TELLER]
        self.base = np.random.default_rng(0).normal(size=(len(self.tokens), dim)).astype(np.float32)
        self.counts = np.arange(len(self.tokens), 0, -1, dtype=np.int64)
        self.numbers = {}

    def publish(self):
        """The next version of each."""
        number = len(set(self.numbers.values())) + 1
        created = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
        for publish in (self._publish_vectors, self._publish_language):
            self.numbers[publish(number, created)] = number

    def _publish_vectors(self, number, created):
        # All scaled alike, so that cosines stay what they are while the first place tells the number.
        vectors = self.base * np.float32(number)
        vectors[:, 0] = number
        vectors[1 + number % MARKS] = vectors[0]
        vectors[-1] = 0
        vectors[-1, :2] = number, 1
        with self.store.draft(MODEL) as draft:
            write_embedding(draft, tokens=self.tokens, counts=self.counts, vectors=vectors)
            return draft.publish(
                kind="embedding",
                tokenizer=Tokenizer("words"),
                recipe={},
                metrics={"number": number},
                created=created,
            )

    def _publish_language(self, number, created):
        """A model whose next word is always the version's mark."""
        tokens = [EOS, UNK, *self.marks]
        random = np.random.default_rng(number)
        shapes = {
            "embedding": (len(tokens), HIDDEN),
            "layer0.w_x": (HIDDEN, 4 * HIDDEN),
            "layer0.w_h": (HIDDEN, 4 * HIDDEN),
            "layer0.b": (4 * HIDDEN,),
        }
        weights = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
        weights["output_bias"] = np.zeros(len(tokens), np.float32)
        weights["output_bias"][2 + number % MARKS] = 100
        with self.store.draft(LANGUAGE_MODEL) as draft:
            counts = np.arange(len(tokens), 0, -1, dtype=np.int64)
            write_language_model(draft, tokens=tokens, counts=counts, weights=weights, ngrams=None)
            return draft.publish(
                kind="language-model",
                tokenizer=Tokenizer("whitespace"),
                recipe={"cell": "lstm"},
                metrics={"number": number},
                created=created,
            )


class Client:
    """One keep-alive connection that asks until it is told to stop; what it was answered is checked afterwards."""

    def __init__(self, port, secret, words, seed):
        self.port, self.words = port, words
        self.head = f"host: bench\r\nx-api-key: {secret}\r\n"
        self.random = np.random.default_rng(seed)
        self.answers = []
        self.failures = []
        self.longest_ms = 0.0

    async def run(self, stop):
        reader, writer = await self._connect()
        while not stop.is_set():
            started = time.perf_counter()
            writer.write(self._make_request())
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(int(re.search(rb"content-length: (\d+)", head)[1]))
            except (OSError, asyncio.IncompleteReadError) as error:
                self.failures.append(repr(error))
                reader, writer = await self._connect()
                continue
            self.longest_ms = max(self.longest_ms, 1000 * (time.perf_counter() - started))
            if head.startswith(b"HTTP/1.1 200"):
                self.answers.append(read_answer(json.loads(body)))
            else:
                self.failures.append(body[:300].decode("utf-8", "replace"))
        writer.close()

    async def _connect(self):
        return await asyncio.open_connection("127.0.0.1", self.port)

    def _make_request(self):
        form = self.random.choice(["similar", "next", "float", "base64", "embeddings"])
        if form == "similar":
            return self._get(f"/similar?word={PROBE}&top=1")
        if form == "next":
            words = "+".join(f"mark{number}" for number in self.random.integers(0, MARKS, 5))
            return self._get(f"/next?text={words}&top=1")
        if form == "embeddings":
            body = {"model": MODEL, "input": [TELLER], "encoding_format": "base64"}
            return self._post("/v1/embeddings", body)
        asked = [PROBE, *(f"w{number}" for number in self.random.integers(0, self.words, 8))]
        return self._post("/vectors", {"words": asked, "encoding": form})

    def _get(self, address):
        return f"GET {address} HTTP/1.1\r\n{self.head}\r\n".encode()

    def _post(self, path, body):
        body = json.dumps(body)
        return (
            f"POST {path} HTTP/1.1\r\n{self.head}content-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n{body}"
        ).encode()


def read_answer(answer):
    """The version that an answer names, and of what its data says: the numbers, or the nearest or next word."""
    if "data" in answer:
        first, second, *_ = read_base64(answer["data"][0]["embedding"])
        return answer["version"], frozenset([round(float(first / second))])
    results = answer["results"]
    if "vector" not in results[0]:
        return answer["version"], results[0]["word"]
    vectors = [row["vector"] for row in results]
    if isinstance(vectors[0], str):
        vectors = [read_base64(vector) for vector in vectors]
    return answer["version"], frozenset(float(vector[0]) for vector in vectors)


def read_base64(text):
    return np.frombuffer(b64decode(text), "<f4")


def is_mixed(answer, numbers):
    """Whether an answer is of another version's data than of the one it names."""
    version, said = answer
    number = numbers.get(version)
    return number is None or said not in {frozenset([number]), f"mark{number % MARKS}"}


def reload(port, secret, model):
    """Ask for the new version; what the server says became of it."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/models/{model}/reload", method="POST", headers={"x-api-key": secret}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def swap(server, secret, publisher, options):
    """All the swaps, with the memory after the first few and after the last; how long each took, and what came of it."""
    figures = {"results": Counter(), "seconds": []}
    for number in range(1, options.swaps + 1):
        publisher.publish()
        if options.poll:
            time.sleep(1.2)
        else:
            said = reload(server.port, secret, MODEL)
            figures["results"][said["result"]] += 1
            figures["seconds"].append(said["seconds"])
            figures["results"][reload(server.port, secret, LANGUAGE_MODEL)["result"]] += 1
        for model in (MODEL, LANGUAGE_MODEL):
            publisher.store.prune(model, keep=3)
        if number in {WARM_SWAPS, options.swaps}:
            place = "memory_after_the_first" if number == WARM_SWAPS else "memory_after_the_last"
            figures[place] = server.measure_memory() | server.count_maps() | {"files": server.count_files()}
        if number % 50 == 0:
            print(f"{number} swaps", file=sys.stderr, flush=True)
    return figures


async def run(server, secret, publisher, options):
    clients = [Client(server.port, secret, options.words, seed) for seed in range(options.clients)]
    stop = threading.Event()
    asking = [asyncio.create_task(client.run(stop)) for client in clients]
    try:
        figures = await asyncio.to_thread(swap, server, secret, publisher, options)
    finally:
        stop.set()
        await asyncio.gather(*asking)
    return figures, clients


def describe(figures, clients, publisher):
    answers = [answer for client in clients for answer in client.answers]
    failures = [failure for client in clients for failure in client.failures]
    before, after = figures["memory_after_the_first"], figures["memory_after_the_last"]
    seconds = sorted(figures["seconds"]) or [float("nan")]
    return {
        "requests": len(answers) + len(failures),
        "failed": len(failures),
        "failures": failures[:3],
        "mismatched": sum(is_mixed(answer, publisher.numbers) for answer in answers),
        "versions_seen": len({version for version, _ in answers}),
        "longest_request_ms": round(max(client.longest_ms for client in clients), 1),
        "results": figures["results"],
        "median_swap_s": seconds[len(seconds) // 2],
        "longest_swap_s": seconds[-1],
        "memory_after_the_first": before,
        "memory_after_the_last": after,
        "pss_growth": round(after["pss_bytes"] / before["pss_bytes"] - 1, 4),
    }


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--swaps", type=int, default=300)
    parser.add_argument("--words", type=int, default=20_000, help="V")
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--poll", action="store_true", help="wait for the server to notice, a second each")
    options = parser.parse_args(arguments)
    if options.swaps < WARM_SWAPS:
        parser.error(f"--swaps must be at least {WARM_SWAPS}")
    if options.workers > 1 and not options.poll:
        parser.error("a reload reaches one worker: several need --poll")
    return options


def main(arguments=None):
    options = parse(arguments)
    with tempfile.TemporaryDirectory() as root:
        publisher = Publisher(Path(root) / "store", options.words, options.dim)
        publisher.publish()
        secret, key = draw_key("bench", "admin")
        keys = Path(root) / "keys"
        keys.write_text(f"{key.format()}\n")
        chosen = ["--poll-seconds", int(options.poll), "--workers", options.workers, "--keys-file", keys]
        with Server("--store", publisher.store.root, *chosen, cache=Path(root) / "cache") as server:
            figures, clients = asyncio.run(run(server, secret, publisher, options))
    result = {"words": options.words, "dim": options.dim, "clients": options.clients, "swaps": options.swaps}
    print(json.dumps(result | describe(figures, clients, publisher)))


if __name__ == "__main__":
    main()
