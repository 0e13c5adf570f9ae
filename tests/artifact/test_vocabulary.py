import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact.errors import Corrupt, InputError
from artifact.vocabulary import Vocabulary
from artifact.vocabulary_index import encode_tokens, index_tokens
from artifact.weights import map_tensors, write_tensors

words = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), min_size=1).map(
    lambda text: unicodedata.normalize("NFC", text)
)


def make(*tokens):
    return Vocabulary.from_tokens(tokens, np.arange(len(tokens), 0, -1, dtype=np.int64))


@given(st.lists(words, min_size=1, unique=True), st.text())
def test_ids_and_tokens_are_inverse(tokens, other):
    vocabulary = make(*tokens)
    assert list(vocabulary) == tokens
    assert vocabulary.ids(tokens) == list(range(len(tokens)))
    assert (other in vocabulary) == (other in tokens)
    vocabulary.check()


@given(st.lists(words, min_size=1, unique=True), st.text(max_size=2))
def test_prefixes_are_found_in_order_of_frequency(tokens, prefix):
    found = make(*tokens).with_prefix(prefix, top=3)
    assert (
        found
        == [token for token in tokens if token.encode().startswith(prefix.encode("utf-8", "replace"))][:3]
    )


@given(st.lists(words, min_size=1, max_size=60, unique=True), st.lists(words | st.text(), max_size=60))
def test_many_are_located_as_one_by_one(tokens, others):
    vocabulary = make(*tokens)
    asked = [*others, *tokens, *others]
    expected = [-1 if found is None else found for found in vocabulary.ids(asked)]
    assert vocabulary.search(asked).tolist() == expected
    assert vocabulary.locate(asked).tolist() == expected
    assert vocabulary.locate(asked).tolist() == expected


@given(
    st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, unique=True),
    st.text("ab", max_size=2),
    st.integers(0, 40),
)
def test_the_first_of_a_prefix_are_the_same_by_either_way(tokens, prefix, most):
    vocabulary = make(*tokens)
    expected = [place for place, token in enumerate(tokens) if token.startswith(prefix)][:most]
    assert vocabulary.first_with_prefix(prefix, most).tolist() == expected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("artifact.vocabulary._MANY", 0)
        for frequent in (0, 3, 100):
            patch.setattr("artifact.vocabulary._FREQUENT", frequent)
            assert vocabulary.first_with_prefix(prefix, most).tolist() == expected


@given(st.lists(words, min_size=1, unique=True), st.text(max_size=2).filter(lambda part: "\n" not in part))
def test_parts_are_found_in_order(tokens, part):
    found = make(*tokens).first_containing(part, 3)
    expected = [
        place for place, token in enumerate(tokens) if part.encode("utf-8", "replace") in token.encode()
    ]
    assert found == expected[:3] or "\ud800" <= max(part, default="") <= "\udfff"


def test_lone_surrogates_and_other_types_are_just_unknown():
    vocabulary = make("car")
    assert vocabulary.id("\ud800") is None
    assert vocabulary.with_prefix("\ud800") == []
    assert 3 not in vocabulary


def test_ids_outside_are_refused():
    with pytest.raises(IndexError):
        make("car").token(1)
    with pytest.raises(IndexError):
        make("car").token(-1)


@pytest.mark.parametrize(
    "tokens", [["a", ""], ["a\nb"], ["a", "e\u0301"], ["a", "\ud800"], ["a", "b", "a"], []]
)
def test_tokens_that_cannot_stand_on_a_line_are_refused(tokens):
    with pytest.raises((InputError, Corrupt)):
        make(*tokens)


def test_suggestions_are_known_words_close_to_the_unknown_one():
    vocabulary = make("the", "car", "cars", "truck", "Paris", "cat", "carpet", "trucks")
    assert vocabulary.suggest("carr")[:2] == ["car", "cars"]
    assert vocabulary.suggest("trukc")[0] == "truck"
    assert vocabulary.suggest("paris")[0] == "Paris"
    assert "carpet" in vocabulary.suggest("carpenter")
    assert vocabulary.suggest("zzzzzz") == []
    assert vocabulary.suggest("") == [] or all(word in vocabulary for word in vocabulary.suggest(""))
    assert len(vocabulary.suggest("x" * 1_000_000)) == 0


def test_a_mapped_index_answers_as_the_one_in_memory(tmp_path):
    tokens = [f"word{number}" for number in range(1000)]
    data = encode_tokens(tokens)
    (tmp_path / "vocabulary.txt").write_bytes(data)
    write_tensors(tmp_path / "index", index_tokens(data))
    counts = np.ones(1000, dtype=np.int64)
    mapped = Vocabulary.map(tmp_path / "vocabulary.txt", map_tensors(tmp_path / "index"), counts)
    made = Vocabulary.map(tmp_path / "vocabulary.txt", None, counts)
    for vocabulary in (mapped, made):
        assert vocabulary.ids(tokens) == list(range(1000))
        assert vocabulary.id("word1000") is None


def test_a_bucket_that_holds_everything_is_searched_all_the_same():
    tokens = [f"w{number}" for number in range(50)]
    data = encode_tokens(tokens)
    index = index_tokens(data)
    buckets = np.full_like(index["buckets"], 50)
    buckets[0] = 0
    one = {**index, "buckets": buckets, "bucket_ids": np.arange(50, dtype=np.int32)}
    for each in (index, {**one, "buckets": buckets[[0, -1]]}):
        vocabulary = Vocabulary(data, each, np.ones(50, dtype=np.int64))
        assert vocabulary.search([*tokens, "w50", ""]).tolist() == [*range(50), -1, -1]


def test_an_index_that_does_not_fit_is_refused():
    data = encode_tokens(["a", "b"])
    index = index_tokens(data)
    counts = np.ones(2, dtype=np.int64)
    for name, wrong in {
        "offsets": index["offsets"][:-1],
        "buckets": index["buckets"][:-1],
        "bucket_ids": index["bucket_ids"].astype(np.int64),
        "sorted_ids": np.zeros((2, 1), dtype=np.int32),
    }.items():
        with pytest.raises(Corrupt):
            Vocabulary(data, {**index, name: wrong}, counts)
    with pytest.raises(Corrupt):
        Vocabulary(data, {**index, "offsets": index["offsets"] + 1}, counts)
    with pytest.raises(Corrupt):
        Vocabulary(data, {key: value for key, value in index.items() if key != "buckets"}, counts)


@given(st.integers(0, 3), st.lists(st.integers(-(2**31), 2**31 - 1), min_size=4, max_size=4))
def test_an_index_that_lies_never_gives_a_wrong_id(which, numbers):
    tokens = ["a", "b", "c", "d"]
    data = encode_tokens(tokens)
    index = index_tokens(data)
    name = ["offsets", "buckets", "bucket_ids", "sorted_ids"][which]
    lying = index[name].copy()
    lying[1:4] = np.array(numbers[:3]).astype(lying.dtype)
    vocabulary = Vocabulary(data, {**index, name: lying}, np.ones(4, dtype=np.int64))
    for token in [*tokens, "zzz"]:
        token_id = vocabulary.id(token)
        assert token_id is None or vocabulary.token(token_id) == token
    vocabulary.with_prefix("a")
    vocabulary.first_containing("b", 3)
    for token, token_id in zip(tokens, vocabulary.search(tokens * 5)[:4].tolist(), strict=True):
        assert token_id == -1 or tokens[token_id] == token
    if not np.array_equal(lying, index[name]):
        with pytest.raises(Corrupt):
            vocabulary.check()
