"""Every exit code that docs/gpu.md names, from the process that a container runs."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from artifact.store import Store

ROOT = Path(__file__).parents[2]
MODULE = [sys.executable, "-m", "trainer.container"]
ENDINGS = {129: signal.SIGHUP, 130: signal.SIGINT, 143: signal.SIGTERM, 137: signal.SIGKILL}
BROKEN = """\
import sys
from trainer import container
def fail(*_, **__):
    raise RuntimeError("the roof fell in")
container.main = fail
sys.exit(container.run(["list"], {}))
"""


@pytest.fixture
def environment():
    kept = {key: value for key, value in os.environ.items() if not key.startswith("WORDKIN_")}
    return kept | {"PYTHONPATH": str(ROOT)}


@pytest.fixture
def done(environment):
    def run(command, **more):
        return subprocess.run(
            list(map(str, command)),
            check=False,
            stderr=subprocess.PIPE,
            env=environment,
            **({"stdout": subprocess.PIPE} | more),
        )

    return run


def test_the_table_has_the_codes_that_are_tested_here():
    table = (ROOT / "docs/gpu.md").read_text().partition("### Exit codes")[2].partition("\n#")[0]
    codes = re.findall(r"^\| ([\d, ]+) \|", table, flags=re.MULTILINE)
    assert {int(code) for row in codes for code in row.split(",")} == {0, 1, 2, 141, *ENDINGS}


def test_0_is_done(done, trained_store):
    assert done([*MODULE, "verify", "--store", trained_store]).returncode == 0


def test_1_is_a_mistake_in_this_program(done):
    broken = done([sys.executable, "-c", BROKEN])
    assert broken.returncode == 1
    assert b"Traceback" in broken.stderr


def test_1_is_also_what_verify_says_of_a_broken_version(done, run, train, store):
    train()
    path = Store(store).open("farm").file("vocabulary")
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert done([*MODULE, "verify", "--store", store]).returncode == 1


@pytest.mark.parametrize(
    "command",
    [
        ("train", "cbow", "/nowhere/corpus.txt", "--name", "mine", "--store", "store"),
        ("train", "cbow", "--frobnicate"),
        ("train",),
        ("verify", "--store", "/nowhere/store"),
        ("train", "cbow", "-", "--name", "mine", "--store", "/proc/store"),
    ],
)
def test_2_is_what_cannot_be_done_as_it_was_asked(done, tmp_path, command):
    refused = done([*MODULE, *command], cwd=tmp_path, stdin=subprocess.DEVNULL)
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1
    assert refused.stderr.startswith(b"wordkin: ")


@pytest.fixture
def hangups():
    """Under nohup, what is started ignores SIGHUP as it is told."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("code", ENDINGS)
def test_a_signal_ends_it(environment, store, hangups, code):
    process = subprocess.Popen(
        [*MODULE, "train", "cbow", "-", "--name", "farm", "--store", store],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    process.stdout.readline()  # it has begun, and waits for text
    time.sleep(0.2)
    process.send_signal(ENDINGS[code])
    process.communicate(timeout=60)
    # Python says -9 of what a shell and a container engine call 137.
    assert process.returncode in {code, 128 - code}
    assert (process.returncode < 0) == (ENDINGS[code] is signal.SIGKILL)


def test_141_is_a_reader_that_has_gone(done, trained_store):
    read, write = os.pipe()
    os.close(read)
    assert done([*MODULE, "list", "--store", trained_store], stdout=write).returncode == 141
    os.close(write)
