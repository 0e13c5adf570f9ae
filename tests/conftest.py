import importlib
import json
import os
import signal
from dataclasses import dataclass

import pytest
from hypothesis import settings

from artifact.errors import InputError
from trainer.backend import choose
from trainer.cli import main

# In CI the same examples are tried each time: a change fails for what it changed. Elsewhere new ones are looked for.
# No example has a deadline: machines are slow when they are busy.
settings.register_profile("wordkin", derandomize=bool(os.environ.get("CI")), deadline=None)
settings.load_profile("wordkin")

# A shell starts what runs in the background with SIGINT ignored, and that is handed down to every process the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption(
        "--require-gpu", action="store_true", help="a test that needs a GPU fails where there is none"
    )
    parser.addoption(
        "--require-container",
        action="store_true",
        help="build and run the images; fails where there is no engine",
    )
    parser.addoption(
        "--require-browser",
        action="store_true",
        help="look at the page with Chromium; fails where there is none",
    )
    parser.addoption(
        "--require-peers",
        action="store_true",
        help="a test that needs a library which is not installed fails, not skips",
    )


def pytest_configure(config):
    if config.getoption("--require-peers"):
        patch = pytest.MonkeyPatch()
        patch.setattr(pytest, "importorskip", lambda name, *_, **__: importlib.import_module(name))
        config.add_cleanup(patch.undo)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """No test reads or writes the cache of the person who runs it."""
    monkeypatch.setenv("WORDKIN_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def gpu(request):
    """The backend of a CUDA device; where there is none, the test is skipped, or fails under --require-gpu."""
    try:
        return choose("gpu")
    except InputError as error:
        if request.config.getoption("--require-gpu"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@dataclass
class Outcome:
    code: int
    out: str
    err: str

    @property
    def records(self):
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def last(self):
        return self.records[-1]

    def events(self, name):
        return [record for record in self.records if record.get("event") == name]


@pytest.fixture
def run(capsys, monkeypatch):
    """Run a command in this process, without the environment's options."""
    for variable in [name for name in os.environ if name.startswith("WORDKIN_") and name != "WORDKIN_CACHE"]:
        monkeypatch.delenv(variable)

    def run_command(*arguments):
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run_command
