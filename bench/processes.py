"""A server in a process of its own, and the memory that it and its workers take."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path


class Server:
    """python -m app on a free port; a context manager. ``ready_s`` is the time from its start to its first ready answer."""

    def __init__(self, *arguments, cache):
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app", "--port", "0", *map(str, arguments)],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"WORDKIN_CACHE": str(cache)},
        )
        said = []
        for line in self.process.stderr:
            said.append(line)
            if found := re.search(r"listening on http://127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
                break
        else:
            raise SystemExit(f"the server did not start: {''.join(said)}")
        # What else it says must not fill the pipe.
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        while not self._is_ready():
            time.sleep(0.002)
        self.ready_s = time.perf_counter() - self.started

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def _is_ready(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/ready", timeout=10) as answer:
                return answer.status == 200
        except OSError:
            return False

    def list_processes(self):
        """The ids of the server's processes: itself, its workers, and what these started."""
        found = [self.process.pid]
        for pid in found:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                found += [int(child) for child in children.read_text().split()]
        return found

    def list_resident(self):
        """Resident bytes of each of its processes."""
        pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self.list_processes()]
        return [os.sysconf("SC_PAGE_SIZE") * count for count in pages]

    def measure_memory(self):
        """Bytes over all its processes: proportional set size, what is private, and what is resident (shared counted anew)."""
        totals = dict.fromkeys(("Pss", "Private", "Rss"), 0)
        for pid in self.list_processes():
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name = re.split(r"[:_]", line)[0]
                if re.match(r"(Pss|Rss|Private_\w+):", line):
                    totals[name] += 1024 * int(line.split()[1])
        return {f"{name.lower()}_bytes": value for name, value in totals.items()}

    def count_maps(self, ending=".safetensors"):
        """How many files with this ending its processes have mapped, and how many that were removed since."""
        lines = [
            line
            for pid in self.list_processes()
            for line in Path(f"/proc/{pid}/maps").read_text().splitlines()
        ]
        removed = [line for line in lines if line.endswith(f"{ending} (deleted)")]
        return {
            "mapped": sum(line.endswith(ending) for line in lines) + len(removed),
            "removed": len(removed),
        }

    def count_files(self):
        """How many file descriptors its processes have open."""
        return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in self.list_processes())
