"""Round trips with gensim, where it is installed."""

import numpy as np
import pytest

from tests.formats.foreign_files import WORDS, make_vectors, read

gensim_models = pytest.importorskip("gensim.models")
# gensim leaves files to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def theirs():
    vectors = gensim_models.KeyedVectors(vector_size=5)
    vectors.add_vectors(WORDS, make_vectors())
    return vectors


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_what_gensim_saves_is_read(tmp_path, theirs, binary, ending):
    path = tmp_path / f"vectors{ending}"
    theirs.save_word2vec_format(str(path), binary=binary)
    foreign, words, vectors, _ = read(path)
    assert foreign.format == ("word2vec-binary" if binary else "word2vec-text")
    assert [word.decode() for word in words] == WORDS
    np.testing.assert_array_equal(vectors.astype(np.float32), make_vectors())
    assert list(foreign.remarks) == []


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("word2vec-binary", {"binary": True}),
        ("word2vec-text", {}),
        ("glove-text", {"no_header": True}),
    ],
)
def test_gensim_reads_what_is_exported(tmp_path, theirs, bring_in, run, store, kind, how):
    theirs.save_word2vec_format(str(tmp_path / "theirs"), binary=True)
    bring_in(tmp_path / "theirs")
    path = tmp_path / "ours"
    assert run("export", "it", "--store", store, "--format", kind, "--output", path).code == 0
    again = gensim_models.KeyedVectors.load_word2vec_format(str(path), **how)
    assert again.index_to_key == WORDS
    np.testing.assert_array_equal(again.vectors, make_vectors())
