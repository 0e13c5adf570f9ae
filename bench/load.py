"""A closed-loop HTTP load on one address: so many keep-alive connections, each asking again as soon as it has its answer.

Little more than the sockets, so that one core loads a server on another: no HTTP library, requests made beforehand.
"""

from __future__ import annotations

import os
import select
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length: "


def make_get(path):
    """The bytes of a GET."""
    return f"GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n".encode()


def make_post(path, body):
    """The bytes of a POST of JSON."""
    head = f"POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
    return head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body


@dataclass
class Loaded:
    """What a load found: how long each answer took, and how many came a second."""

    seconds: float
    latencies_ms: np.ndarray
    bytes_per_answer: float
    cpu_seconds: float
    """Processor time that the server took, which does not depend on what else the machine does."""
    failures: dict[str, int] = field(default_factory=dict)

    @property
    def rate(self):
        """Answers a second."""
        return len(self.latencies_ms) / self.seconds

    def to_json(self):
        p50, p99 = np.percentile(self.latencies_ms, [50, 99])
        found = {
            "requests_per_second": round(self.rate, 1),
            "p50_ms": round(float(p50), 2),
            "p99_ms": round(float(p99), 2),
            "server_cpu_ms": round(1000 * self.cpu_seconds / len(self.latencies_ms), 4),
            "requests": len(self.latencies_ms),
            "bytes": round(self.bytes_per_answer),
        }
        return found | ({"failures": self.failures} if self.failures else {})


class Connection:
    """One keep-alive connection; ``read`` gives a whole answer when there is one."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(60)
        self.buffer = b""
        self.need = 0
        self.sent_at = 0.0

    def send(self, request):
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def read(self):
        """The answer, or None while it is not whole."""
        data = self.socket.recv(1 << 20)
        if not data:
            raise SystemExit("bench: the server hung up")
        data = self.buffer + data if self.buffer else data
        if len(data) < self.need:
            self.buffer = data
            return None
        end = data.find(HEAD_END)
        if end >= 0:
            at = data.find(LENGTH, 0, end)
            self.need = end + 4 + int(data[at + len(LENGTH) : data.find(b"\r", at)])
        if end < 0 or len(data) < self.need:
            self.buffer = data
            return None
        self.buffer, self.need = b"", 0
        return data

    def ask(self, request):
        """The body of the answer to one request, waited for."""
        self.send(request)
        while (answer := self.read()) is None:
            pass
        head, _, body = answer.partition(HEAD_END)
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"bench: {body[:300].decode()}")
        return body


def load(server, requests, *, clients, seconds, core=None):
    """Load ``server`` (its process and port) with ``requests``, again and again in their order; on ``core`` where given."""
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        cpu = read_cpu_seconds(server.process)
        loaded = _load(server.port, requests, clients=clients, seconds=seconds)
        loaded.cpu_seconds = read_cpu_seconds(server.process) - cpu
        return loaded
    finally:
        os.sched_setaffinity(0, before)


def read_cpu_seconds(process):
    """Processor time that a process has taken so far; not a number where the system does not say."""
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _load(port, requests, *, clients, seconds):
    poll = select.epoll()
    connections = {}
    for _ in range(clients):
        connection = Connection(port)
        connections[connection.socket.fileno()] = connection
        poll.register(connection.socket.fileno(), select.EPOLLIN)
    latencies, failures, received = [], {}, 0
    place, count = 0, len(requests)
    begin = time.perf_counter()
    deadline = begin + seconds
    for connection in connections.values():
        connection.send(requests[place % count])
        place += 1
    under_way = clients
    while under_way:
        for number, _ in poll.poll():
            connection = connections[number]
            answer = connection.read()
            if answer is None:
                continue
            now = time.perf_counter()
            if not answer.startswith(b"HTTP/1.1 200"):
                status = answer[9:12].decode()
                failures[status] = failures.get(status, 0) + 1
            latencies.append(now - connection.sent_at)
            received += len(answer)
            if now < deadline:
                connection.send(requests[place % count])
                place += 1
            else:
                under_way -= 1
    took = time.perf_counter() - begin
    for connection in connections.values():
        connection.socket.close()
    return Loaded(took, 1000 * np.array(latencies), received / max(1, len(latencies)), 0.0, failures)
