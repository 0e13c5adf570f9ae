import numpy as np
import pytest

ANIMALS = ["dog", "cat", "horse", "cow"]
FRUIT = ["apple", "pear", "plum", "grape"]


def write_text(path, *, lines, seed):
    """Sentences whose next word is mostly certain."""
    random = np.random.default_rng(seed)
    with path.open("w") as file:
        for _ in range(lines):
            animal, fruit = ANIMALS[random.integers(4)], FRUIT[random.integers(4)]
            file.write(
                random.choice([f"the {animal} slept in the barn\n", f"she ate a ripe {fruit} at noon\n"])
            )
    return path


@pytest.fixture(scope="session")
def texts(tmp_path_factory):
    """Paths of a text to train on, one to validate on, one to test on; the last has a word that the first lacks."""
    folder = tmp_path_factory.mktemp("text")
    train, valid, test = (
        write_text(folder / f"{name}.txt", lines=lines, seed=seed)
        for seed, (name, lines) in enumerate((("train", 600), ("valid", 60), ("test", 60)))
    )
    with test.open("a") as file:
        file.write("the unicorn slept in the barn\n")
    return train, valid, test


@pytest.fixture
def train(run, texts, tmp_path):
    """Train a small model on the first of ``texts``."""

    def train_model(*options, name="farm", text=texts[0]):
        small = ("--hidden", 16, "--epochs", 2, "--batch-size", 8, "--threads", 1)
        optimizer = ("--optimizer", "adam", "--learning-rate", 0.02, "--clip", 1)
        return run(
            "train",
            "rnnlm",
            text,
            "--name",
            name,
            "--store",
            tmp_path / "store",
            *small,
            *optimizer,
            *options,
        )

    return train_model
