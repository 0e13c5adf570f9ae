import numpy as np
import pytest

from artifact.embedding import Embedding
from artifact.errors import UnknownWords
from artifact.lookup import look_up
from artifact.subwords import Ngrams, Subwords
from artifact.tokenizer import Tokenizer
from artifact.vocabulary import Vocabulary


def make(tokens, *, tokenizer="whitespace", subwords=None):
    vocabulary = Vocabulary.from_tokens(tokens, np.arange(len(tokens), 0, -1, dtype=np.int64))
    vectors = np.arange(1, 2 * len(tokens) + 1, dtype=np.float32).reshape(-1, 2)
    return Embedding.from_arrays(
        vectors=vectors, vocabulary=vocabulary, tokenizer=Tokenizer(tokenizer), subwords=subwords
    )


def test_words_are_found_in_the_order_asked():
    model = make(["car", "truck", "bus"])
    lookup = look_up(model, ["bus", "car", "bus"])
    assert lookup.token_ids.tolist() == [2, 0, 2]
    assert lookup.rows.tolist() == [[5, 6], [1, 2], [5, 6]]
    assert (lookup.composed, lookup.matched) == ([], {})
    assert look_up(model, []).rows.shape == (0, 2)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("CAR", "car"),
        ("paris", "Paris"),
        ("nasa", "NASA"),
        ("new_york", "New_York"),
        ("PETER'S", "Peter's"),
        ("CAFE\u0301", "café"),
    ],
)
def test_another_case_is_tried_and_told(asked, found):
    model = make(["car", "Paris", "NASA", "New_York", "Peter's", "café"])
    lookup = look_up(model, ["car", asked])
    assert lookup.matched == {asked: found}
    assert lookup.token_ids[1] == model.vocabulary.id(found)
    np.testing.assert_array_equal(lookup.rows[1], model.vectors([found])[0])


def test_lower_case_comes_before_the_others():
    assert look_up(make(["US", "us", "Us"]), ["uS"]).matched == {"uS": "us"}
    assert look_up(make(["US", "Us"]), ["uS"]).matched == {"uS": "Us"}


def test_a_word_that_is_there_is_left_as_it_is():
    assert look_up(make(["us", "US"]), ["US"]).matched == {}


def test_vocabularies_without_case_normalise_and_say_nothing():
    lookup = look_up(make(["car"], tokenizer="words"), ["CAR"])
    assert lookup.token_ids.tolist() == [0]
    assert lookup.matched == {}


def test_all_unknown_words_are_named_once_with_suggestions_for_the_first_few():
    with pytest.raises(UnknownWords) as caught:
        look_up(make(["truck", "garden", "car"]), ["trukc", "car", "gardne", "trukc", "zzzzzz"])
    assert caught.value.oov == ["trukc", "gardne", "zzzzzz"]
    assert caught.value.suggestions[:2] == ["truck", "garden"]


def test_subwords_come_before_another_case():
    ngrams = Ngrams(3, 3, 1000)
    bucket_ids = np.unique(ngrams.hash_words(["walking"])[1])
    rows = np.ones((len(bucket_ids), 2), dtype=np.float32)
    model = make(["walking", "CAR"], subwords=Subwords(ngrams, bucket_ids=bucket_ids, rows=rows))
    lookup = look_up(model, ["king", "car", "walking", "king"])
    assert lookup.composed == ["king"]
    assert lookup.matched == {"car": "CAR"}
    assert lookup.token_ids.tolist() == [-1, 1, 0, -1]
    assert lookup.rows.tolist() == [[1, 1], [3, 4], [1, 2], [1, 1]]
