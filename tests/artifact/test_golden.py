"""A tiny model kept in git, byte for byte: what was published once must be read, and made, the same ever after.

Run this file as a script to write it anew after a deliberate change of the format.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from artifact.draft import write_embedding
from artifact.store import Store
from artifact.tokenizer import Tokenizer

GOLDEN = Path(__file__).parent / "golden"
TOKENS = ["the", "car", "truck", "naïve", "서울"]


def make(root):
    # Norms of these are whole numbers: no platform rounds them otherwise.
    vectors = np.array([[0, 0, 1], [3, 4, 0], [4, 3, 0], [-2, 1, 2], [2, -6, 3]], dtype=np.float32)
    store = Store(root, create=True)
    with store.draft("tiny") as draft:
        write_embedding(
            draft, tokens=TOKENS, counts=np.array([9, 5, 4, 2, 1], dtype=np.int64), vectors=vectors
        )
        draft.add("card", "README.md", b"# tiny\n")
        return store, draft.publish(
            kind="embedding",
            tokenizer=Tokenizer("words"),
            recipe={"dim": 3},
            metrics={"loss": 0.25},
            license="MIT",
            provenance="made by hand",
            created=datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC),
        )


def test_the_golden_version_is_read():
    store = Store(GOLDEN)
    store.verify("tiny", store.latest("tiny"))
    model = store.open("tiny").embedding()
    assert list(model.vocabulary) == TOKENS
    assert model.similar(["car"], top=1)[0].word == "truck"
    assert model.version == "20200102T030405Z-c7e3507a"


def test_the_golden_version_is_made_again(tmp_path):
    _, version = make(tmp_path)
    golden = GOLDEN / "tiny" / version
    made = tmp_path / "tiny" / version
    assert sorted(path.name for path in made.iterdir()) == sorted(path.name for path in golden.iterdir())
    for path in golden.iterdir():
        assert (made / path.name).read_bytes() == path.read_bytes(), path.name


if __name__ == "__main__":
    print(make(GOLDEN)[1], file=sys.stderr)
