import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact.embedding import Embedding, compute_norms, select_best
from artifact.errors import Corrupt, EmptyQuery, InputError, UnknownWords
from artifact.tokenizer import Tokenizer
from artifact.vocabulary import Vocabulary


def make(vectors, tokens=None, dtype=np.float32):
    vectors = np.asarray(vectors, dtype=dtype)
    tokens = tokens or [f"w{number}" for number in range(len(vectors))]
    vocabulary = Vocabulary.from_tokens(tokens, np.arange(len(tokens), 0, -1, dtype=np.int64))
    return Embedding.from_arrays(vectors=vectors, vocabulary=vocabulary, tokenizer=Tokenizer("words"))


def reference(vectors, query, exclude, top):
    """The plain float64 answer: cosine with every row, ties in id order."""
    vectors = vectors.astype(np.float64)
    scores = vectors @ query / (np.linalg.norm(vectors, axis=1) * np.linalg.norm(query))
    order = [token_id for token_id in np.argsort(-scores, kind="stable") if token_id not in exclude]
    return order[:top], scores


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("size", [5, 300, 40_000])
def test_similar_is_the_exact_answer(dtype, size):
    rng = np.random.default_rng(size)
    model = make(rng.normal(size=(size, 8)) * rng.uniform(0.1, 5, size=(size, 1)), dtype=dtype)
    stored = model.vectors([f"w{number}" for number in range(size)])
    found = model.similar(["w1", "w2"], ["w3"], top=4)
    units = stored / np.linalg.norm(stored, axis=1, keepdims=True)
    expected, scores = reference(stored, units[1] + units[2] - units[3], {1, 2, 3}, 4)
    assert [neighbour.word for neighbour in found] == [f"w{token_id}" for token_id in expected]
    np.testing.assert_allclose([neighbour.score for neighbour in found], scores[expected], atol=1e-5)


def test_analogy_is_b_minus_a_plus_c_on_unit_vectors():
    king, man, queen, woman = [2.0, 2.0, 0.0], [2.0, 0.0, 0.0], [0.0, 2.0, 2.0], [0.0, 0.0, 9.0]
    model = make([king, man, queen, woman, [1.0, 1.0, 1.0]], ["king", "man", "queen", "woman", "other"])
    assert model.analogy("king", "man", "queen")[0].word == "woman"
    assert [n.word for n in model.analogy("king", "man", "queen")] == [
        n.word for n in model.similar(["man", "queen"], ["king"], top=5)
    ]


def test_ties_fall_in_id_order_and_queries_are_left_out():
    model = make([[1, 0], [2, 0], [3, 0], [0.5, 0], [0, 1]])
    assert [n.word for n in model.similar(["w2"], top=3)] == ["w0", "w1", "w3"]
    assert [n.word for n in model.similar(["w2", "w2", "w0"], top=9)] == ["w1", "w3", "w4"]


def test_words_are_normalised_as_in_training():
    model = make(np.eye(3), ["café", "car", "don't"])
    assert model.token_id("CAFE\u0301") == 0
    assert model.token_id("Don\u2019t") == 2
    assert model.similar(["Car"], top=1)[0].word in {"café", "don't"}


def test_unknown_words_are_all_named_with_suggestions():
    model = make(np.eye(3), ["car", "truck", "bus"])
    with pytest.raises(UnknownWords) as caught:
        model.similar(["carr", "bus"], ["zebra", "carr"])
    assert caught.value.oov == ["carr", "zebra"]
    assert caught.value.suggestions == ["car"]


def test_an_empty_or_cancelling_query_is_refused():
    model = make([[1, 0], [2, 0], [0, 0]])
    for positive, negative in [([], []), (["w0"], ["w1"]), (["w0"], ["w0"]), (["w2"], [])]:
        with pytest.raises(EmptyQuery):
            model.similar(positive, negative)


def test_only_negative_words_are_a_question_too():
    model = make([[1, 0], [0, 1], [-1, 0]])
    assert model.similar([], ["w0"], top=1)[0].word == "w2"


def test_a_zero_vector_is_never_a_neighbour():
    model = make([[1, 0], [0, 0], [-1, 0]])
    assert [n.word for n in model.similar(["w0"])] == ["w2"]
    assert model.similarity(["w0"], ["w1", "w0"]).tolist() == [[0.0, 1.0]]


def test_similarity_is_a_matrix_of_cosines():
    model = make([[3, 0], [1, 1], [0, -2]])
    np.testing.assert_allclose(
        model.similarity(["w0", "w1"], ["w1", "w2", "w0"]),
        [[0.5**0.5, 0, 1], [1, -(0.5**0.5), 0.5**0.5]],
        atol=1e-6,
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_nearest_for_many_queries_equals_one_by_one(dtype):
    rng = np.random.default_rng(3)
    model = make(rng.normal(size=(20_000, 5)), dtype=dtype)
    queries = rng.normal(size=(900, 5)).astype(np.float32)
    exclude = rng.integers(0, 20_000, size=(900, 2)).tolist()
    ids, scores = model.nearest(queries, top=3, exclude=exclude, restrict_vocab=18_000)
    assert ids.max() < 18_000
    stored = model.vectors([f"w{number}" for number in range(18_000)])
    for row in range(0, 900, 90):
        expected, all_scores = reference(stored, queries[row].astype(np.float64), set(exclude[row]), 3)
        assert ids[row].tolist() == expected
        np.testing.assert_allclose(scores[row], all_scores[expected], atol=1e-5)


def test_more_asked_for_than_there_is():
    model = make(np.eye(3))
    ids, scores = model.nearest(np.eye(3, dtype=np.float32)[:1], top=5, exclude=[[1]])
    assert ids.tolist() == [[0, 2, -1, -1, -1]]
    assert scores[0, 2:].tolist() == [0, 0, 0]
    assert len(model.similar(["w0"], top=1000)) == 2
    with pytest.raises(InputError):
        model.similar(["w0"], top=0)


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, -np.inf]), min_size=1, max_size=30), st.integers(1, 30))
def test_select_best_is_a_stable_sort(scores, top):
    scores = np.array(scores, dtype=np.float32)
    expected = [position for position in np.argsort(-scores, kind="stable") if scores[position] > -np.inf]
    assert select_best(scores, min(top, len(scores))).tolist() == expected[:top]


def test_parts_that_do_not_fit_are_refused():
    vocabulary = Vocabulary.from_tokens(["a", "b"], np.ones(2, dtype=np.int64))
    good = np.ones((2, 3), dtype=np.float32)
    for vectors, norms in [
        (good[:1], np.ones(1, dtype=np.float32)),
        (good, np.ones(3, dtype=np.float32)),
        (good, np.array([1, np.nan], dtype=np.float32)),
        (good, np.array([1, -1], dtype=np.float32)),
        (good.astype(np.float64), np.ones(2, dtype=np.float32)),
        (good[:, :0], np.ones(2, dtype=np.float32)),
    ]:
        with pytest.raises(Corrupt):
            Embedding(vectors=vectors, norms=norms, vocabulary=vocabulary, tokenizer=Tokenizer("words"))


def test_check_finds_norms_of_other_vectors():
    vocabulary = Vocabulary.from_tokens(["a", "b"], np.ones(2, dtype=np.int64))
    vectors = np.array([[3, 4], [0, 1]], dtype=np.float32)
    assert compute_norms(vectors).tolist() == [5, 1]
    model = Embedding(
        vectors=vectors,
        norms=np.array([4, 1], dtype=np.float32),
        vocabulary=vocabulary,
        tokenizer=Tokenizer("words"),
    )
    with pytest.raises(Corrupt):
        model.check()
