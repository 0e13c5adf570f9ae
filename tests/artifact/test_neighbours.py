import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from artifact.draft import write_embedding, write_neighbours
from artifact.embedding import Embedding
from artifact.errors import Corrupt, EmptyQuery, QueryError
from artifact.neighbours import NeighbourTable
from artifact.store import Store
from artifact.tokenizer import Tokenizer
from artifact.vocabulary import Vocabulary
from artifact.weights import write_tensors


def make(vectors, table=None):
    tokens = [f"w{number}" for number in range(len(vectors))]
    return Embedding(
        vectors=vectors,
        norms=np.linalg.norm(vectors.astype(np.float64), axis=1).astype(np.float32),
        vocabulary=Vocabulary.from_tokens(tokens, np.arange(len(tokens), 0, -1, dtype=np.int64)),
        tokenizer=Tokenizer("words"),
        neighbours=table,
    )


def compute_table(model, count):
    return NeighbourTable(*model._search.neighbours(np.arange(len(model.vocabulary)), count))


def ask(model, word, top):
    try:
        return model.similar([word], top=top)
    except QueryError as error:
        return type(error), str(error)


@settings(max_examples=100)
@given(
    vectors=arrays.arrays(
        np.float32, st.tuples(st.integers(2, 30), st.integers(1, 3)), elements=st.integers(-2, 2)
    ),
    count=st.integers(1, 12),
    top=st.integers(1, 40),
)
def test_the_table_answers_as_the_search_does(vectors, count, top):
    plain = make(vectors)
    table = compute_table(plain, count)
    known = make(vectors, table)
    for word in [*plain.vocabulary, "W1", "unknown"]:
        assert ask(known, word, top) == ask(plain, word, top)
    known.check()


def test_what_the_table_holds_is_not_searched_for(monkeypatch):
    vectors = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    model = make(vectors, compute_table(make(vectors), 5))
    expected = make(vectors).similar(["w7"], top=5)
    monkeypatch.setattr(model, "nearest", None)
    assert model.similar(["w7"], top=5) == expected
    assert model.similar(["W7"], top=2) == expected[:2]
    with pytest.raises(TypeError):
        model.similar(["w7"], top=6)
    with pytest.raises(TypeError):
        model.similar(["w7", "w8"], top=5)


def test_a_word_without_a_direction_has_no_neighbours():
    vectors = np.array([[1, 0], [0, 0], [1, 1]], dtype=np.float32)
    model = make(vectors, compute_table(make(vectors), 2))
    assert model.neighbours.ids.tolist() == [[2, -1], [-1, -1], [0, -1]]
    with pytest.raises(EmptyQuery):
        model.similar(["w1"])
    assert [neighbour.word for neighbour in model.similar(["w0"], top=9)] == ["w2"]


GOOD = {
    "ids": np.array([[1, 2], [0, 2], [0, 1]], dtype=np.int32),
    "scores": np.array([[0.9, 0.5], [0.9, 0.1], [0.5, 0.1]], dtype=np.float32),
}
BAD = {
    "an id that is no word": {"ids": np.array([[1, 2], [0, 3], [0, 1]], dtype=np.int32)},
    "an id below -1": {"ids": np.array([[1, 2], [0, -2], [0, 1]], dtype=np.int32)},
    "rows for other words": {name: array[:2] for name, array in GOOD.items()},
    "shapes that differ": {"ids": GOOD["ids"][:, :1].copy()},
    "no columns": {name: array[:, :0] for name, array in GOOD.items()},
    "wide ids": {"ids": GOOD["ids"].astype(np.int64)},
    "narrow scores": {"scores": GOOD["scores"].astype(np.float16)},
    "a score above 1": {"scores": GOOD["scores"] + 1},
    "a score that is no number": {"scores": np.full((3, 2), np.nan, dtype=np.float32)},
    "a row": {name: array[0] for name, array in GOOD.items()},
    "another tensor": {"more": GOOD["ids"]},
}


def publish(root, tensors):
    with Store(root, create=True).draft("small") as draft:
        vectors = np.array([[1, 0], [0.9, 0.4], [0.5, 0.8]], dtype=np.float32)
        write_embedding(draft, tokens=["a", "b", "c"], counts=np.array([3, 2, 1]), vectors=vectors)
        write_tensors(draft.add("neighbours", "neighbours.safetensors"), tensors)
        return draft.publish(kind="embedding", tokenizer=Tokenizer("words"), recipe={}, metrics={})


@pytest.mark.parametrize("name", BAD)
def test_a_table_that_does_not_fit_is_refused(tmp_path, name):
    publish(tmp_path, GOOD | BAD[name])
    with pytest.raises(Corrupt) as caught:
        Store(tmp_path).open("small").embedding()
    assert "neighbours" in str(caught.value)


@pytest.mark.parametrize(
    "tensors",
    [
        GOOD,  # in order, but not those of the vectors
        GOOD | {"scores": GOOD["scores"][:, ::-1].copy()},
        GOOD | {"ids": np.array([[0, 2], [0, 2], [0, 1]], dtype=np.int32)},
        GOOD | {"ids": np.array([[-1, 2], [0, 2], [0, 1]], dtype=np.int32)},
    ],
)
def test_verify_finds_a_table_of_other_vectors(tmp_path, tensors):
    version = publish(tmp_path, tensors)
    Store(tmp_path).open("small").embedding()
    with pytest.raises(Corrupt, match=r"neighbours\.safetensors"):
        Store(tmp_path).verify("small", version)


def test_a_table_survives_the_disk(tmp_path):
    vectors = np.random.default_rng(5).normal(size=(40, 6)).astype(np.float32)
    model = make(vectors)
    table = compute_table(model, 7)
    with Store(tmp_path, create=True).draft("small") as draft:
        write_embedding(draft, tokens=list(model.vocabulary), counts=model.vocabulary.counts, vectors=vectors)
        write_neighbours(draft, table)
        version = draft.publish(kind="embedding", tokenizer=Tokenizer("words"), recipe={}, metrics={})
    Store(tmp_path).verify("small", version)
    opened = Store(tmp_path).open("small").embedding()
    np.testing.assert_array_equal(opened.neighbours.ids, table.ids)
    np.testing.assert_array_equal(opened.neighbours.scores, table.scores)
    assert opened.similar(["w3"], top=7) == model.similar(["w3"], top=7)
