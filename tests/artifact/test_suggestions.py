import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact.suggestions import measure_distance, suggest
from artifact.vocabulary import Vocabulary

short = st.text("abc", max_size=6)


def make(*tokens):
    return Vocabulary.from_tokens(tokens, np.arange(len(tokens), 0, -1, dtype=np.int64))


def recursive(a, b):
    """Optimal string alignment as it is defined."""

    @functools.cache
    def go(i, j):
        if not i or not j:
            return i + j
        best = min(go(i - 1, j) + 1, go(i, j - 1) + 1, go(i - 1, j - 1) + (a[i - 1] != b[j - 1]))
        if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
            best = min(best, go(i - 2, j - 2) + 1)
        return best

    return go(len(a), len(b))


@given(short, short)
def test_distances_are_those_of_the_definition(a, b):
    assert measure_distance(a, b) == recursive(a, b)


@pytest.mark.parametrize(
    ("word", "first"),
    [
        ("acommodaton", "accommodation"),
        ("Pariss", "Paris"),
        ("NASA", "nasa"),
        ("psychlogist", "psychologist"),
        ("ahhppiness", "happiness"),
        ("electroencephalogramm", "electroencephalogram"),
        ("서울시", "서울"),
    ],
)
def test_the_closest_word_comes_first(word, first):
    vocabulary = make(
        "the",
        "accommodate",
        "Paris",
        "nasa",
        "happy",
        "psychology",
        "accommodation",
        "happiness",
        "psychologist",
        "electroencephalogram",
        "서울",
    )
    assert suggest(vocabulary, word)[0] == first


def test_suggestions_are_known_others_and_few():
    vocabulary = make(*(f"walk{letter}{other}" for letter in "abcdefgh" for other in "abcdefgh"))
    found = suggest(vocabulary, "walkxx", top=5)
    assert len(set(found)) == 5
    assert all(word in vocabulary for word in found)
    assert "walkab" not in suggest(vocabulary, "walkab")


@given(st.text(max_size=50))
def test_any_text_is_answered(word):
    vocabulary = make("car", "Paris", "서울", "naïve", "a\tb")
    assert all(found in vocabulary and found != word for found in suggest(vocabulary, word))
