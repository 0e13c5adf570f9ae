"""What the tests of foreign formats share: importing a file, and being refused."""

import pytest

from artifact.store import Store


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def bring_in(run, store):
    """Import a file; returns the outcome and, where that went well, the embedding."""

    def run_import(path, *more, name="it"):
        outcome = run("import", path, "--name", name, "--store", store, *more)
        if outcome.code:
            return outcome, None
        opened = Store(store)
        opened.verify(name, opened.latest(name))
        return outcome, opened.open(name).embedding()

    return run_import


@pytest.fixture
def refuse(run, store):
    """Import a file that must be refused: exit 2, one line, and nothing in the store."""

    def run_refused(path, *more):
        outcome = run("import", path, "--name", "it", "--store", store, *more)
        assert outcome.code == 2, outcome
        assert len(outcome.err.splitlines()) == 1, outcome.err
        assert not any(store.glob("*/*")), "something was left behind"
        return outcome.err.strip().removeprefix("wordkin: ")

    return run_refused
