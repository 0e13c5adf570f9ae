import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artifact.cache import Cache, Pointer

streams = st.lists(st.integers(0, 4), max_size=40)


def count_literally(before, word, weigh):
    """The share of ``word`` among the words ``before``, each weighted by its age."""
    weights = [weigh(age) for age in range(len(before))]
    total = sum(weights)
    return sum(weight for weight, seen in zip(weights, before[::-1], strict=True) if seen == word) / (
        total or 1
    )


@settings(max_examples=50)
@given(recent=streams, text=streams, words=st.integers(1, 20), decay=st.sampled_from([0.5, 0.9, 1.0]))
def test_the_cache_counts_recent_words(recent, text, words, decay):
    cache = Cache(words=words, decay=decay)
    whole = [*recent, *text]
    expected = [
        count_literally(whole[:place][-words:], whole[place], lambda age: decay**age)
        for place in range(len(recent), len(whole))
    ]
    scores = cache.score(np.array(recent, np.int32), np.array(text, np.int32))
    np.testing.assert_allclose(scores, expected, atol=1e-9)
    if whole:
        predicted = cache.predict(np.array(whole, np.int32), vocab_size=5)
        literal = [count_literally(whole[-words:], word, lambda age: decay**age) for word in range(5)]
        np.testing.assert_allclose(predicted, literal, atol=1e-6)


@settings(max_examples=50)
@given(recent=streams, text=streams, words=st.integers(1, 20), seed=st.integers(0, 9))
def test_the_pointer_weighs_by_likeness(recent, text, words, seed):
    pointer = Pointer(words=words, sharpness=0.7)
    whole = [*recent, *text]
    trail = np.random.default_rng(seed).normal(size=(len(whole), 3)).astype(np.float32)

    def literal(place, h, word):
        first = max(0, place - words)
        ages = range(place - first)
        return count_literally(
            whole[first:place],
            word,
            lambda age: np.exp(0.7 * float(h @ trail[place - 1 - age])) if age in ages else 0,
        )

    scores = pointer.score(np.array(recent, np.int32), np.array(text, np.int32), trail)
    expected = [literal(place, trail[place], whole[place]) for place in range(len(recent), len(whole))]
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    if whole:
        h = np.array([0.3, -2.0, 1.0], np.float32)
        predicted = pointer.predict(np.array(whole, np.int32), trail, h, vocab_size=5)
        np.testing.assert_allclose(predicted, [literal(len(whole), h, word) for word in range(5)], atol=1e-5)


@pytest.mark.parametrize("part", [Cache(words=300, decay=0.99), Pointer(words=300)])
def test_long_texts_are_scored_in_blocks(part):
    rng = np.random.default_rng(1)
    text = rng.integers(0, 9, size=700).astype(np.int32)
    trail = rng.normal(size=(700, 4)).astype(np.float32)
    extra = [trail] if isinstance(part, Pointer) else []
    whole = part.score(text[:0], text, *extra)
    for place in (0, 1, 255, 256, 257, 512, 699):
        rest = [row[: place + 1] for row in extra]
        assert part.score(text[:place], text[place : place + 1], *rest)[0] == pytest.approx(whole[place])


def test_how_full_they_are():
    counts = np.array([0, 1, 2, 4, 400])
    np.testing.assert_allclose(Cache(words=4, decay=1.0).fill(counts), [0, 0.25, 0.5, 1, 1])
    np.testing.assert_allclose(Cache(words=2, decay=0.5).fill(counts), [0, 2 / 3, 1, 1, 1])
    np.testing.assert_allclose(Pointer(words=4).fill(counts), [0, 0.25, 0.5, 1, 1])


def test_very_alike_states_do_not_overflow():
    recent = np.array([1, 2], np.int32)
    trail = np.full((3, 2), 1e4, np.float32)
    assert Pointer().predict(recent, trail[:2], trail[2], vocab_size=3).tolist() == [0, 0.5, 0.5]
    assert Pointer().score(recent, np.array([1], np.int32), trail)[0] == pytest.approx(0.5)
