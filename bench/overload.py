"""Ten times what the server can do, for a while: what it answers, how long the admitted wait, and what memory it takes.

    python -m bench.overload [--in-work 16] [--waiting 48] [--times 10] [--seconds 20]

A model of 20,000 random vectors is published in a temporary store, and ``python -m app`` serves it with places for
``--in-work`` requests and room for ``--waiting``. First as many connections as there are places ask as fast as they are
answered, which gives the server's rate and the wait without a crowd. Then ten times as many as there are places and room
together ask in ``--processes`` processes (each refused client asks again at once, against what Retry-After says: the worst
case), while one client asks for health every 100 ms. Every status is counted; the memory is that of the server's process. The
last line is one JSON object; ``ok`` says whether every answer was 200, 429 or 503, every refusal had Retry-After, every probe
was answered 200, the longest admitted wait stayed under ``--max-wait`` seconds and a little, and memory was bounded.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from bench.models import publish_words
from bench.processes import Server

WORDS, DIM = 20_000, 100
ALLOWED = {200, 429, 503}
PROBE_S = 0.1
MEMORY_S = 0.25
LIMIT_BYTES = 256 << 20
"""How much an overload may add to the memory."""


async def read_answer(reader):
    """Status and headers of one answer, its body read."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:-2])}
    await reader.readexactly(int(headers.get("content-length", 0)))
    return int(lines[0].split()[1]), headers


async def ask(port, number, deadline, found):
    """One connection that asks again as soon as it has its answer, and connects again where it was closed."""
    rng = np.random.default_rng(number)
    writer = None
    while time.perf_counter() < deadline:
        try:
            if writer is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            word = f"w{rng.integers(WORDS)}"
            body = json.dumps({"positive": [word], "top": 10}).encode()
            head = f"POST /similar HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            began = time.perf_counter()
            writer.write(head.encode() + body)
            status, headers = await asyncio.wait_for(read_answer(reader), 60)
        except (OSError, asyncio.IncompleteReadError) as error:
            found["broken"][type(error).__name__] += 1
            writer = None
            continue
        found["statuses"][status] += 1
        if status == 200:
            found["waits"].append(time.perf_counter() - began)
        elif "retry-after" not in headers:
            found["without_retry_after"] += 1
        if headers.get("connection") == "close":
            writer.close()
            writer = None
    if writer is not None:
        writer.close()


def crowd(port, numbers, seconds, results):
    """Many connections in a process of their own."""

    async def run():
        found = {"statuses": Counter(), "broken": Counter(), "waits": [], "without_retry_after": 0}
        deadline = time.perf_counter() + seconds
        await asyncio.gather(*(ask(port, number, deadline, found) for number in numbers))
        return found

    results.put(asyncio.run(run()))


async def probe(port, seconds):
    """Ask how the server is; the statuses and the longest wait."""
    statuses, longest = Counter(), 0.0
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        began = time.perf_counter()
        for path in ("/health/live", "/health/ready", "/metrics"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n".encode())
            status, _ = await asyncio.wait_for(read_answer(reader), 60)
            writer.close()
            statuses[status] += 1
            longest = max(longest, time.perf_counter() - began)
            began = time.perf_counter()
        await asyncio.sleep(PROBE_S)
    return statuses, longest


async def watch_memory(server, seconds):
    """The most that the server's processes take."""
    most = 0
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        with contextlib.suppress(OSError):
            most = max(most, server.measure_memory()["rss_bytes"])
        await asyncio.sleep(MEMORY_S)
    return most


def drive(server, *, clients, processes, seconds):
    """Let a crowd of ``clients`` ask; what it was answered, what the probes were, and the memory meanwhile."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    crowds = [
        context.Process(target=crowd, args=(server.port, range(at, clients, processes), seconds, results))
        for at in range(processes)
    ]
    for process in crowds:
        process.start()

    async def meanwhile():
        return await asyncio.gather(probe(server.port, seconds), watch_memory(server, seconds))

    (probes, longest_probe), memory = asyncio.run(meanwhile())
    found = [results.get() for _ in crowds]
    for process in crowds:
        process.join()
    statuses = sum((part["statuses"] for part in found), Counter())
    waits_ms = 1000 * np.array([wait for part in found for wait in part["waits"]] or [np.nan])
    return {
        "clients": clients,
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        "broken_connections": dict(sum((part["broken"] for part in found), Counter())),
        "without_retry_after": sum(part["without_retry_after"] for part in found),
        "admitted_per_second": round(statuses[200] / seconds, 1),
        "answered_per_second": round(statuses.total() / seconds, 1),
        "p50_ms": round(float(np.percentile(waits_ms, 50)), 1),
        "p99_ms": round(float(np.percentile(waits_ms, 99)), 1),
        "max_ms": round(float(waits_ms.max()), 1),
        "probes": {str(status): count for status, count in sorted(probes.items())},
        "longest_probe_ms": round(1000 * longest_probe, 1),
        "rss_bytes": memory,
    }


def main(arguments=None):
    """Run; the exit code says whether everything held."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--in-work", type=int, default=16)
    parser.add_argument("--waiting", type=int, default=48)
    parser.add_argument("--max-wait", type=int, default=2)
    parser.add_argument("--times", type=int, default=10, help="clients for each place and each in the queue")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20.0)
    given = parser.parse_args(arguments)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as folder:
        publish_words(Path(folder, "store"), "random", words=WORDS, dim=DIM)
        options = {
            "--store": Path(folder, "store"),
            "--max-in-work": given.in_work,
            "--max-waiting": given.waiting,
            "--max-wait-seconds": given.max_wait,
        }
        with Server(
            *[word for pair in options.items() for word in pair], cache=Path(folder, "cache")
        ) as server:
            drive(server, clients=given.in_work, processes=given.processes, seconds=2.0)
            alone = drive(server, clients=given.in_work, processes=given.processes, seconds=given.seconds / 2)
            print(json.dumps({"alone": alone}), flush=True)
            clients = given.times * (given.in_work + given.waiting)
            crowded = drive(server, clients=clients, processes=given.processes, seconds=given.seconds)
    found = {
        "open_files": soft,
        "in_work": given.in_work,
        "waiting": given.waiting,
        "alone": alone,
        "overload": crowded,
        "added_bytes": crowded["rss_bytes"] - alone["rss_bytes"],
    }
    found["ok"] = (
        set(map(int, crowded["statuses"])) <= ALLOWED
        and not crowded["broken_connections"]
        and not crowded["without_retry_after"]
        and set(crowded["probes"]) == {"200"}
        and crowded["max_ms"] < 1000 * (given.max_wait + 5)
        and found["added_bytes"] < LIMIT_BYTES
    )
    print(json.dumps(found))
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
