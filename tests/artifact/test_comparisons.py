import numpy as np
import pytest

from artifact.comparisons import compare_sets, compare_texts, compare_words, find_odd_word
from artifact.embedding import Embedding
from artifact.errors import EmptyQuery, UnknownWords
from artifact.texts import embed_texts
from artifact.tokenizer import Tokenizer
from artifact.vocabulary import Vocabulary

WORDS = [f"w{number}" for number in range(9)]


@pytest.fixture
def model():
    vectors = np.random.default_rng(3).normal(size=(9, 4)).astype(np.float32)
    vectors[8] = 0
    vocabulary = Vocabulary.from_tokens(WORDS, np.arange(90, 0, -10, dtype=np.int64))
    return Embedding.from_arrays(vectors=vectors, vocabulary=vocabulary, tokenizer=Tokenizer("words"))


def unit(vector):
    return np.asarray(vector, float) / np.linalg.norm(vector)


def test_words_against_words(model):
    found = compare_words(model, ["w1", "w2"], ["w3", "w1", "w8"])
    a, b = model.vectors(["w1", "w2"]), model.vectors(["w3", "w1"])
    expected = [[unit(x) @ unit(y) for y in b] + [0] for x in a]
    np.testing.assert_allclose(found.scores, expected, atol=1e-7)


def test_sets_are_compared_by_the_means_of_their_unit_vectors(model):
    a, b = [["w1", "w2", "w2"], ["w3"]], [["w4", "w5"]]
    found = compare_sets(model, a, b)
    mean = lambda words: np.mean([unit(vector) for vector in model.vectors(words)], axis=0)  # noqa: E731
    expected = [[unit(mean(x)) @ unit(mean(y)) for y in b] for x in a]
    np.testing.assert_allclose(found.scores, expected, atol=1e-7)
    assert found.scores.shape == (2, 1)


def test_sets_without_a_direction_are_refused(model):
    with pytest.raises(EmptyQuery):
        compare_sets(model, [["w8"]], [["w1"]])
    with pytest.raises(EmptyQuery):
        compare_sets(model, [[]], [["w1"]])
    with pytest.raises(UnknownWords) as caught:
        compare_sets(model, [["w1", "x"]], [["y"], ["x"]])
    assert caught.value.oov == ["x", "y"]


def test_texts_are_compared_as_they_are_embedded(model):
    texts = ["W1 w2, w3!", "w4", "w5 w5 w1"]
    found = compare_texts(model, texts[:1], texts[1:], smoothing=0.05)
    rows = [unit(vector) for vector in embed_texts(model, texts, a=0.05)]
    np.testing.assert_allclose(found.scores, [[rows[0] @ rows[1], rows[0] @ rows[2]]], atol=1e-6)
    other = compare_texts(model, texts[:1], texts[1:], smoothing=1e-4)
    assert np.abs(other.scores - found.scores).max() > 1e-4


def test_the_odd_word_is_the_farthest_from_the_mean_of_the_unit_vectors(model):
    words = ["w1", "w2", "w3", "w4"]
    found = find_odd_word(model, words)
    units = [unit(vector) for vector in model.vectors(words)]
    expected = [vector @ unit(np.mean(units, axis=0)) for vector in units]
    np.testing.assert_allclose(found.scores, expected, atol=1e-7)
    assert found.place == int(np.argmin(expected))


def test_the_first_of_equally_odd_words_is_named(model):
    assert find_odd_word(model, ["w1", "w1", "w1"]).place == 0


def test_no_odd_word_without_a_mean_direction(model):
    for words in ([], ["w8", "w8", "w8"]):
        with pytest.raises(EmptyQuery):
            find_odd_word(model, words)
