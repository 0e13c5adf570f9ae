"""model2vec itself loads what is exported, where it is installed."""

import numpy as np
import pytest

from tests.formats.foreign_files import WORDS, make_vectors, text_bytes

model2vec = pytest.importorskip("model2vec")
# model2vec leaves files to the garbage collector.
pytestmark = [
    pytest.mark.peers,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.mark.parametrize("tokenizer", ["words", "whitespace"])
def test_a_text_has_the_mean_of_its_words(tmp_path, bring_in, run, store, tokenizer):
    (tmp_path / "v.txt").write_bytes(text_bytes(WORDS, make_vectors()))
    _, embedding = bring_in(tmp_path / "v.txt", "--tokenizer", tokenizer)
    folder = tmp_path / "folder"
    assert run("export", "it", "--store", store, "--format", "model2vec", "--output", folder).code == 0
    theirs = model2vec.StaticModel.from_pretrained(folder)
    assert theirs.dim == 5
    for text in ("car", "the car", "naïve 서울 unheard", "it's 9 car"):
        known = [token for token in embedding.tokens(text) if embedding.find(token) is not None]
        np.testing.assert_allclose(theirs.encode([text])[0], embedding.vectors(known).mean(axis=0), rtol=1e-5)
