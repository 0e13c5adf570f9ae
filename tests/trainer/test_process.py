"""The command line as a process: signals, pipes, terminals, exit codes."""

import json
import os
import pty
import signal
import subprocess
import sys
import time

import pytest

from artifact.store import Store
from trainer.cli import main


def command(*arguments):
    return [sys.executable, "-m", "trainer", *map(str, arguments)]


LONG = (
    "--engine",
    "plain",
    "--dim",
    "16",
    "--threads",
    "1",
    "--min-count",
    "2",
    "--epochs",
    "9",
    "--subsample",
    "0",
)


def weights(store):
    return Store(store).open("farm").file("weights").read_bytes()


@pytest.fixture
def environment():
    return {key: value for key, value in os.environ.items() if not key.startswith("WORDKIN_")}


@pytest.fixture(scope="module")
def whole(text, tmp_path_factory):
    """The weights of a training that nothing interrupted."""
    store = tmp_path_factory.mktemp("whole") / "store"
    assert main(list(map(str, ("train", "cbow", text, "--name", "farm", "--store", store, *LONG)))) == 0
    return weights(store)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_a_checkpoint_that_ends_as_if_nothing_had_been(
    text, store, whole, environment, number, code
):
    arguments = command("train", "cbow", text, "--name", "farm", "--store", store, *LONG)
    process = subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    for line in process.stdout:
        if json.loads(line).get("stage") == "train":
            break
    time.sleep(0.05)  # somewhere in the middle: where does not matter
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert json.loads(out.splitlines()[-1])["event"] == "stopped"
    assert len(err.splitlines()) == 1
    assert "--resume" in err
    assert not (store / "farm").exists()
    resumed = subprocess.run(
        [*arguments, "--resume"], capture_output=True, text=True, env=environment, check=False
    )
    assert resumed.returncode == 0, resumed.stderr
    assert weights(store) == whole


def test_a_signal_while_text_is_read_ends_cleanly(store, environment):
    process = subprocess.Popen(
        command("train", "cbow", "-", "--name", "farm", "--store", store),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    process.stdout.readline()  # it has begun, and waits for text
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert err == "wordkin: stopped\n"
    assert list(store.glob(".checkpoints/farm/corpus-*")) == []


def test_help_has_examples_and_needs_no_store(environment):
    for arguments in ((), ("train", "cbow"), ("evaluate",)):
        shown = subprocess.run(
            command(*arguments, "--help"), capture_output=True, text=True, env=environment, check=True
        )
        assert "examples:" in shown.stdout
        assert shown.stderr == ""


def test_a_mistake_is_one_line_and_exit_2(environment):
    wrong = subprocess.run(
        command("train", "cbow", "--frobnicate"), capture_output=True, text=True, env=environment, check=False
    )
    assert wrong.returncode == 2
    assert wrong.stdout == ""
    assert len(wrong.stderr.splitlines()) == 1
    assert "Traceback" not in wrong.stderr


def test_a_reader_that_goes_away_is_no_error(trained_store, environment):
    read, write = os.pipe()
    os.close(read)
    listing = subprocess.run(
        command("list", "--store", trained_store),
        stdout=write,
        stderr=subprocess.PIPE,
        env=environment,
        check=False,
    )
    os.close(write)
    assert listing.stderr == b""
    assert listing.returncode == 141


def test_on_a_terminal_people_are_spoken_to(text, store, environment):
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(
            sys.executable,
            command("train", "cbow", text, "--name", "farm", "--store", store, *LONG),
            environment,
        )
    shown = b""
    while True:
        try:
            shown += os.read(terminal, 65536)
        except OSError:  # the other end has closed
            break
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    words = shown.decode()
    assert "training    100 %" in words
    assert "words/s · loss" in words
    assert f"published farm@{Store(store).latest('farm')}" in words
    assert "{" not in words
