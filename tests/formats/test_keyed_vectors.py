"""gensim's saved vectors: read without unpickling, and what else a pickle may hold is never run."""

import os
import pickle

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from artifact.formats.inert_pickle import Name, Thing, describe_array, describe_pickle
from tests.formats.foreign_files import WORDS, make_vectors, read, read_or_refuse


class KeyedVectors:
    """Stands in for gensim's class of this name: a pickle has a class's name alone."""


KeyedVectors.__module__ = "gensim.models.keyedvectors"


def pickle_bytes(monkeypatch, *, protocol=4, make=KeyedVectors, **state):
    import sys
    from types import ModuleType

    module = ModuleType("gensim.models.keyedvectors")
    module.KeyedVectors = KeyedVectors
    KeyedVectors.__qualname__ = "KeyedVectors"
    with monkeypatch.context() as patch:
        for name in ("gensim", "gensim.models"):
            patch.setitem(sys.modules, name, ModuleType(name))
        patch.setitem(sys.modules, "gensim.models.keyedvectors", module)
        thing = make()
        thing.__dict__.update(state)
        return pickle.dumps(thing, protocol=protocol)


PLAIN = {
    "vector_size": 5,
    "index_to_key": WORDS,
    "key_to_index": {word: place for place, word in enumerate(WORDS)},
    "vectors": make_vectors(),
    "expandos": {"count": np.arange(7, 0, -1)},
    "norms": None,
    "__numpys": [],
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_words_vectors_and_counts_of_every_protocol(tmp_path, bring_in, monkeypatch, protocol):
    path = tmp_path / "kv"
    path.write_bytes(pickle_bytes(monkeypatch, protocol=protocol, **PLAIN))
    outcome, embedding = bring_in(path)
    assert outcome.last["format"] == "keyed-vectors"
    assert outcome.last["has_counts"]
    assert list(embedding.vocabulary) == WORDS
    assert embedding.vocabulary.counts.tolist() == [7, 6, 5, 4, 3, 2, 1]
    np.testing.assert_array_equal(embedding.vectors(WORDS), make_vectors())


def test_large_arrays_lie_beside(tmp_path, monkeypatch, refuse):
    path = tmp_path / "kv"
    state = {key: value for key, value in PLAIN.items() if key not in {"vectors", "expandos"}}
    path.write_bytes(pickle_bytes(monkeypatch, **{**state, "__numpys": ["vectors"]}))
    assert "kv.vectors.npy: not there" in refuse(path)
    np.save(tmp_path / "kv.vectors.npy", make_vectors().astype(np.float16))
    foreign, words, vectors, counts = read(path)
    assert (foreign.precision, len(words), counts) == ("float16", 7, [None])
    np.testing.assert_array_equal(vectors, make_vectors().astype(np.float16))
    np.save(tmp_path / "kv.vectors.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert "kv.vectors.npy: not an array of numbers" in refuse(path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"index_to_key": [1, 2]}, "no words with vectors"),
        ({"vectors": None}, "no words with vectors"),
        ({"vectors": make_vectors(3)}, "7 words do not fit vectors (3, 5)"),
        ({"vectors": np.array([["a"]], dtype="U1")}, "kv: vectors: an array in it cannot be read"),
        ({"vectors": np.zeros((7, 2), np.int64)}, "do not fit vectors"),
    ],
)
def test_what_holds_no_words_with_vectors_is_refused(tmp_path, refuse, monkeypatch, changes, said):
    path = tmp_path / "kv"
    path.write_bytes(pickle_bytes(monkeypatch, **{**PLAIN, **changes}))
    assert said in refuse(path)


class Harmful:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_nothing_in_a_pickle_is_run(tmp_path, refuse, monkeypatch):
    trap = tmp_path / "trap"
    path = tmp_path / "kv"
    path.write_bytes(pickle.dumps(Harmful(trap)))
    assert "a pickle, but not one of gensim's" in refuse(path)
    path.write_bytes(
        pickle_bytes(monkeypatch, **{**PLAIN, "lifecycle_events": [Harmful(trap)], "vectors": Harmful(trap)})
    )
    assert "no words with vectors" in refuse(path)
    path.write_bytes(pickle_bytes(monkeypatch, **{**PLAIN, "lifecycle_events": [Harmful(trap)]}))
    assert read(path)[1] == [word.encode() for word in WORDS]
    assert not trap.exists()
    pickle.loads(pickle.dumps(Harmful(trap)))
    assert trap.exists(), "the trap would have closed"


def test_things_are_described(tmp_path):
    path = tmp_path / "p"
    path.write_bytes(
        pickle.dumps({"a": [1, (2.5, None)], "b": {True, False}, "c": Harmful("/x"), "d": np.eye(2)})
    )
    with path.open("rb") as file:
        value = describe_pickle(file, name="p")
    assert value["a"] == [1, (2.5, None)]
    assert value["b"] == {True, False}
    assert isinstance(value["c"], Thing)
    assert value["c"].maker == Name(os.mkdir.__module__, "mkdir")
    assert value["c"].arguments == ("/x",)
    np.testing.assert_array_equal(describe_array(value["d"], name="p"), np.eye(2))
    for array in (np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(3, dtype=">i4")):
        for protocol in (2, 4, 5):
            path.write_bytes(pickle.dumps(array, protocol=protocol))
            with path.open("rb") as file:
                np.testing.assert_array_equal(
                    describe_array(describe_pickle(file, name="p"), name="p"), array
                )


def test_every_truncation_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "kv"
    whole = pickle_bytes(monkeypatch, index_to_key=["a", "é"], vectors=make_vectors(2, 2))
    for length in range(1, len(whole)):
        path.write_bytes(whole[:length])
        result, _ = read_or_refuse(path, "keyed-vectors")
        assert result is None, length


@settings(max_examples=200)
@given(st.binary(max_size=60))
@example(b"e.")
@example(b"\x94.")
@example(b"(]((e.")
@example(b"]]s.")
@example(b"(.")
@example(b"\x93.")
@example(b"P1\n.")
def test_any_steps_are_described_or_refused(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("fuzz") / "kv"
    path.write_bytes(b"\x80\x04" + steps)
    assert read_or_refuse(path, "keyed-vectors")[0] is None
