import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artifact.embedding import Embedding
from artifact.errors import EmptyQuery, InputError, UnknownText, UnknownWords
from artifact.phrases import Joining, Phrases, write_line
from artifact.subwords import Ngrams, Subwords
from artifact.texts import describe_weighting, embed_texts, embed_tokens, tokenize_texts
from artifact.tokenizer import Tokenizer
from artifact.vocabulary import Vocabulary

TOKENS = ["the", "car", "truck", "서울", "don't", "back", "forth", "zero"]
COUNTS = np.array([900, 50, 20, 10, 8, 6, 5, 1], dtype=np.int64)
VECTORS = np.random.default_rng(7).normal(size=(8, 5)).astype(np.float32)
VECTORS[6] = -VECTORS[5]
VECTORS[7] = 0


def make(*, counts=COUNTS, dtype=np.float32, tokens=TOKENS, **parts):
    return Embedding.from_arrays(
        vectors=VECTORS[: len(tokens)].astype(dtype),
        vocabulary=Vocabulary.from_tokens(tokens, counts[: len(tokens)]),
        tokenizer=Tokenizer("words"),
        **parts,
    )


def plain(model, text, a=1e-3):
    """The definition, a word at a time in float64."""
    ids = [TOKENS.index(token) for token in model.tokens(text) if token in TOKENS]
    shares = COUNTS / COUNTS.sum()
    vectors = model.rows(np.arange(len(TOKENS))).astype(np.float64)
    return sum(a / (a + shares[token_id]) * vectors[token_id] for token_id in ids) / len(ids)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_the_weighted_mean_of_the_words(dtype):
    model = make(dtype=dtype)
    texts = ["The car, the TRUCK!", "car", "car car\n서울 nowhere", "DON\u2019T the zero"]
    found = embed_texts(model, texts)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [plain(model, text) for text in texts], rtol=2e-6, atol=1e-8)
    units = embed_texts(model, texts, normalise=True)
    np.testing.assert_allclose(
        units, found / np.linalg.norm(found, axis=1, keepdims=True), rtol=2e-6, atol=1e-8
    )
    np.testing.assert_allclose(
        embed_texts(model, texts, a=0.5), [plain(model, text, a=0.5) for text in texts], rtol=2e-6, atol=1e-8
    )


def test_a_frequent_word_hardly_counts():
    [pair, car] = embed_texts(make(), ["the car", "car"], normalise=True)
    assert pair @ car > 0.99


def test_without_counts_the_rank_decides():
    ones = make(counts=np.ones(8, np.int64))
    zeros = make(counts=np.zeros(8, np.int64))
    texts = ["the car", "truck 서울 the"]
    np.testing.assert_array_equal(embed_texts(ones, texts), embed_texts(zeros, texts))
    weights = 1e-3 / (1e-3 + 1 / (np.array([1, 2]) * (np.log(8) + np.euler_gamma)))
    np.testing.assert_allclose(embed_texts(ones, texts)[0], weights @ VECTORS[:2] / 2, rtol=1e-5)
    assert describe_weighting(ones)["frequencies"] == "rank"
    assert describe_weighting(make(), normalise=True) == {
        "weighting": "smooth-inverse-frequency",
        "a": 1e-3,
        "frequencies": "counts",
        "normalised": True,
    }


def test_no_texts_no_vectors():
    assert embed_texts(make(), []).shape == (0, 5)


@pytest.mark.parametrize("text", ["", " ", "!?", "\0", "w" * 1001])
def test_a_text_without_words(text):
    with pytest.raises(EmptyQuery, match="text 1 has no words"):
        embed_texts(make(), ["car", text])


def test_a_text_of_unknown_words_only_is_named():
    with pytest.raises(UnknownText) as caught:
        embed_texts(make(), ["car", "the wagn", "Trukc, wagn trukc"])
    assert isinstance(caught.value, UnknownWords)
    assert caught.value.place == 2
    assert caught.value.oov == ["trukc", "wagn"]
    assert caught.value.suggestions[0] == "truck"
    assert str(caught.value) == "text 2 has no known word; not in the vocabulary: 'trukc', 'wagn'"


@pytest.mark.parametrize("text", ["back forth", "zero", "forth back zero back forth"])
def test_vectors_that_cancel_out(text):
    even = make(counts=np.array([9, 9, 9, 9, 9, 5, 5, 1]))
    with pytest.raises(EmptyQuery, match="text 1 cancel out"):
        embed_texts(even, ["car", text])


@pytest.mark.parametrize("a", [0, -1, float("nan"), float("inf")])
def test_a_must_be_above_zero(a):
    with pytest.raises(InputError, match="above 0"):
        embed_texts(make(), ["car"], a=a)


def test_unknown_words_are_composed_where_there_are_subwords():
    ngrams = Ngrams(3, 4, 100)
    subwords = Subwords(
        ngrams,
        bucket_ids=np.unique(ngrams.hash_words(["wagon"])[1]),
        rows=np.random.default_rng(1)
        .normal(size=(len(np.unique(ngrams.hash_words(["wagon"])[1])), 5))
        .astype(np.float32),
    )
    model = make(subwords=subwords)
    [wagon] = model.compose(["wagon"])
    weight = 1e-3 / (1e-3 + 50 / 1000)
    found = embed_texts(model, ["car wagon", "wagon", "the wagon 서울 wagon"])
    np.testing.assert_allclose(found[0], (weight * VECTORS[1] + wagon) / 2, rtol=1e-5)
    np.testing.assert_allclose(found[1], wagon, rtol=1e-5)
    with pytest.raises(UnknownText):
        embed_texts(model, ["qq"])


def test_phrases_are_one_word_but_not_across_lines():
    lines = [write_line(1, ["new", "york"])]
    model = make(
        tokens=["new_york", "new", "york"],
        phrases=Phrases.from_lines(Joining(passes=1), lines, np.array([3])),
    )
    assert tokenize_texts(model, ["New York", "new\nyork"]).lengths == [1, 2]
    one, two = embed_texts(model, ["New York", "new\nyork"], normalise=True)
    np.testing.assert_allclose(one, VECTORS[0] / np.linalg.norm(VECTORS[0]), rtol=1e-5)
    assert not np.allclose(one, two)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lengths=st.lists(st.sampled_from([1, 2, 7, 63, 64, 65, 200]), min_size=1, max_size=6),
    seed=st.integers(0, 9),
)
def test_a_text_has_the_same_vector_in_any_batch(monkeypatch, lengths, seed):
    monkeypatch.setattr("artifact.texts._BLOCK_TOKENS", 64)
    model = make()
    random = np.random.default_rng(seed)
    words = np.array(["the", "car", "truck", "서울", "nowhere"])
    texts = ["car " + " ".join(random.choice(words, length)) for length in lengths]
    together = embed_texts(model, texts)
    for text, vector in zip(texts, together, strict=True):
        np.testing.assert_array_equal(embed_texts(model, [text])[0], vector)
        np.testing.assert_allclose(vector, plain(model, text), rtol=1e-4, atol=1e-7)


def test_tokens_at_hand_give_the_same():
    model = make()
    texts = ["the car", "truck"]
    np.testing.assert_array_equal(
        embed_tokens(model, tokenize_texts(model, texts)), embed_texts(model, texts)
    )


def test_remembered_ids_are_those_of_the_vocabulary(monkeypatch):
    monkeypatch.setattr("artifact.vocabulary._MOST_RECENT", 3)
    vocabulary = Vocabulary.from_tokens(TOKENS, COUNTS)
    asked = [*TOKENS, "nowhere", *TOKENS, "\ud800"]
    for _ in range(3):
        found = vocabulary.locate(asked)
        assert found.tolist() == [*range(8), -1, *range(8), -1]
        assert [-1 if token_id is None else token_id for token_id in vocabulary.ids(asked)] == found.tolist()
