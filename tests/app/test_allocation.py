"""How many arenas the C library makes for many threads."""

import os
import subprocess
import sys

import pytest

COUNT = """
import ctypes, sys, threading
import numpy as np
from app.allocation import limit_arenas
if sys.argv[1] == "limited":
    limit_arenas()
barrier = threading.Barrier(8)
def allocate():
    barrier.wait()
    blocks = [np.ones(20_000, np.uint8) for _ in range(50)]
    barrier.wait()
threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
file = libc.fopen(sys.argv[2].encode(), b"w")
libc.malloc_info(0, ctypes.c_void_p(file))
libc.fclose(ctypes.c_void_p(file))
print(open(sys.argv[2]).read().count("<heap nr="))
"""


@pytest.mark.skipif(
    not hasattr(os, "confstr") or "glibc" not in os.confstr("CS_GNU_LIBC_VERSION"), reason="glibc"
)
@pytest.mark.parametrize(("how", "limited"), [("limited", True), ("free", False)])
def test_threads_share_two_arenas(tmp_path, how, limited):
    environment = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    done = subprocess.run(
        [sys.executable, "-c", COUNT, how, str(tmp_path / "arenas.xml")],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert (int(done.stdout) <= 2) == limited
