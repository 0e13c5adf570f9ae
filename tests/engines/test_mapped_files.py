from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from artifact.tokenizer import Tokenizer
from trainer.checkpoint import identify_corpus
from trainer.corpus import build_corpus
from trainer.engines.cpu import CpuLearner
from trainer.mapped_files import let_go
from trainer.recipes import WordVectorSettings

SMAPS = Path("/proc/self/smaps")


def resident_kib(path):
    """Of every mapping of a file."""
    if not SMAPS.exists():
        pytest.skip("this system does not say what is resident")
    found, here = 0, False
    for line in SMAPS.read_text().splitlines():
        if "-" in line.split()[0] and not line.split()[0].endswith(":"):
            here = line.endswith(str(path))
        elif here and line.startswith("Rss:"):
            found += int(line.split()[1])
    return found


def test_pages_that_were_read_are_given_back_and_can_be_read_again(tmp_path):
    path = tmp_path / "ids.i32"
    np.arange(1 << 20, dtype="<i4").tofile(path)
    ids = np.asarray(np.memmap(path, dtype="<i4", mode="r"))
    total = int(ids.sum())
    assert resident_kib(path) == 4096
    let_go(ids, 0, 1 << 19)
    assert resident_kib(path) == 2048
    let_go(ids[1 << 19 :], 0, 1 << 19)
    assert resident_kib(path) == 0
    assert int(ids.sum()) == total


def test_arrays_in_memory_stay_as_they_are():
    ids = np.arange(1 << 16)
    let_go(ids, 0, len(ids))
    assert ids[-1] == len(ids) - 1


@pytest.mark.parametrize("epochs", [1, 2])
def test_training_holds_no_more_of_a_text_than_a_step_reads(corpus, tmp_path, epochs):
    path = tmp_path / "ids.i32"
    corpus.token_ids.tofile(path)
    mapped = SimpleNamespace(**vars(corpus) | {"token_ids": np.memmap(path, dtype="<i4", mode="r")})
    learner = CpuLearner(mapped, WordVectorSettings(model="cbow", dim=4, epochs=epochs, threads=2))
    while not learner.finished():
        learner.advance()
        assert resident_kib(path) <= 4


def test_telling_texts_apart_holds_none_of_them(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("a b c d e\n" * 20_000)
    corpus = build_corpus([str(text)], tmp_path / "corpus", tokenizer=Tokenizer("whitespace"), min_count=1)
    assert identify_corpus(corpus) == identify_corpus(corpus)
    assert resident_kib(tmp_path / "corpus" / "ids.i32") == 0
