"""What the tests of the trainer's command line share: a small text of our own making, and a way to run a command."""

import numpy as np
import pytest

from trainer.cli import main

GROUPS = {
    "vehicles": ["car", "truck", "bus", "van", "tram"],
    "animals": ["dog", "cat", "horse", "cow", "sheep"],
    "fruit": ["apple", "pear", "plum", "grape", "melon"],
}
FRAMES = {
    "vehicles": "we drove the {} along the road to town",
    "animals": "they fed the {} in the barn at night",
    "fruit": "she ate a ripe {} from the garden tree",
}


def write_text(path, *, lines=3000, seed=0):
    """Sentences that tell vehicles, animals and fruit apart, with some noise."""
    random = np.random.default_rng(seed)
    names = list(GROUPS)
    noise = [f"word{number}" for number in range(60)]
    with path.open("w") as file:
        for _ in range(lines):
            name = names[random.integers(len(names))]
            sentence = FRAMES[name].format(GROUPS[name][random.integers(5)])
            file.write(f"{sentence} {noise[random.integers(60)]} {noise[random.integers(60)]}\n")
    return path


@pytest.fixture(scope="session")
def text(tmp_path_factory):
    return write_text(tmp_path_factory.mktemp("text") / "farm.txt")


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def refused(run):
    """Run a command that must be refused: exit 2, one line on standard error, nothing on standard output."""

    def run_refused(*arguments):
        outcome = run(*arguments)
        assert outcome.code == 2, outcome
        assert outcome.out == ""
        lines = outcome.err.splitlines()
        assert len(lines) == 1, outcome.err
        assert lines[0].startswith("wordkin: ")
        return lines[0]

    return run_refused


SMALL = [
    *("--engine", "plain", "--threads", "1", "--seed", "3"),
    *("--dim", "16", "--epochs", "3", "--min-count", "2", "--subsample", "0"),
]
GOOD = ["--epochs", "8", "--learning-rate", "0.01", "--batch-size", "100"]


@pytest.fixture
def train(run, text, store):
    """Train a small model on the text; more options win over the small ones."""

    def run_train(*more, model="cbow", name="farm", source=text):
        return run("train", model, source, "--name", name, "--store", store, *SMALL, *more)

    return run_train


@pytest.fixture(scope="session")
def trained_store(tmp_path_factory, text):
    """A store with one trained model, for tests that only read it."""
    root = tmp_path_factory.mktemp("trained") / "store"
    arguments = ["train", "cbow", text, "--name", "farm", "--store", root, *SMALL, *GOOD, "--json"]
    assert main([str(argument) for argument in arguments]) == 0
    return root
