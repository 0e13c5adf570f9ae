"""Round trips with gensim, where it is installed."""

import numpy as np
import pytest

from tests.formats.foreign_files import WORDS, make_vectors, read

gensim_models = pytest.importorskip("gensim.models")
# gensim leaves files to the garbage collector.
pytestmark = [
    pytest.mark.peers,
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


@pytest.mark.parametrize("separately", [None, ["vectors"]])
def test_what_gensim_saves_its_own_way_is_read(tmp_path, theirs, bring_in, separately):
    for place, word in enumerate(WORDS):
        theirs.set_vecattr(word, "count", 100 - place)
    theirs.save(str(tmp_path / "kv"), separately=separately)
    outcome, embedding = bring_in(tmp_path / "kv")
    assert outcome.last["format"] == "keyed-vectors"
    assert list(embedding.vocabulary) == WORDS
    assert embedding.vocabulary.counts.tolist() == [100 - place for place in range(len(WORDS))]
    np.testing.assert_array_equal(embedding.vectors(WORDS), make_vectors())


def test_a_whole_model_with_subwords(tmp_path, bring_in):
    texts = [["walking", "walked", "naïve", "서울"]] * 5
    model = gensim_models.FastText(
        texts, vector_size=6, min_count=1, min_n=2, max_n=4, bucket=100, epochs=1, workers=1, seed=1
    )
    model.save(str(tmp_path / "model"))
    outcome, embedding = bring_in(tmp_path / "model")
    assert outcome.last["has_counts"]
    assert list(embedding.vocabulary) == model.wv.index_to_key
    for word in [*model.wv.index_to_key, "walks", "서울에서"]:
        np.testing.assert_allclose(embedding.vectors([word])[0], model.wv[word], rtol=1e-5, atol=1e-7)
