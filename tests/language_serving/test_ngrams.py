import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from language_serving.literal_kneser_ney import LiteralKneserNey

from artifact.errors import Corrupt, InputError
from artifact.ngrams import NGrams
from artifact.weights import map_tensors, write_tensors
from trainer.ngrams import FALLBACK_DISCOUNTS, build_ngrams, estimate_discounts

EOS = 0


def stream_of(lines):
    return np.array([token_id for line in lines for token_id in [*line, EOS]], dtype=np.int32)


def random_stream(rng, *, words, vocab_size):
    # Squared, so that some words are frequent, as in a text.
    return (rng.random(words) ** 2 * vocab_size).astype(np.int32)


@settings(max_examples=60)
@given(
    vocab_size=st.integers(2, 7),
    order=st.integers(2, 5),
    lines=st.lists(st.lists(st.integers(1, 6), max_size=12), min_size=1, max_size=12),
    unfinished=st.booleans(),
)
def test_equals_the_literal_definition(vocab_size, order, lines, unfinished):
    lines = [[1 + token_id % (vocab_size - 1) for token_id in line] for line in lines]
    stream = stream_of(lines)
    literal_lines = lines
    if unfinished and len(stream) > 1:
        stream = stream[:-1]
        literal_lines = [*lines[:-1], [*lines[-1], None]]
    model = build_ngrams(stream, vocab_size=vocab_size, eos_id=EOS, order=order)
    literal = LiteralKneserNey(literal_lines, vocab_size=vocab_size, eos_id=EOS, order=order)
    model.check()
    for line in [*lines, [1, 1, 1, 1, 1, 1]]:
        for length in range(len(line) + 1):
            got = model.predict([EOS, *line[:length]])
            expected = [literal.probability(word, ["<s>", *line[:length]]) for word in range(vocab_size)]
            np.testing.assert_allclose(got, expected, atol=2e-6)
            assert got.sum() == pytest.approx(1, abs=1e-5)


def test_equals_the_literal_definition_where_discounts_are_estimated():
    rng = np.random.default_rng(5)
    lines = [list(1 + random_stream(rng, words=12, vocab_size=30)) for _ in range(120)]
    model = build_ngrams(stream_of(lines), vocab_size=32, eos_id=EOS, order=4)
    literal = LiteralKneserNey(lines, vocab_size=32, eos_id=EOS, order=4)
    assert literal.discounts[2] != (0.0, *FALLBACK_DISCOUNTS)
    for line in lines[:20]:
        got = model.predict([EOS, *line[:6]])
        expected = [literal.probability(word, ["<s>", *line[:6]]) for word in range(32)]
        np.testing.assert_allclose(got, expected, atol=2e-6)


def test_scoring_a_text_equals_asking_context_by_context():
    rng = np.random.default_rng(1)
    model = build_ngrams(random_stream(rng, words=4000, vocab_size=40), vocab_size=40, eos_id=EOS)
    text = random_stream(rng, words=300, vocab_size=40)
    context = [3, 1, EOS]
    scores = model.score(text, context=context)
    whole = [*context, *text.tolist()]
    expected = [model.predict(whole[: 3 + place])[word] for place, word in enumerate(text)]
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    split = np.concatenate(
        [model.score(text[:100], context=context), model.score(text[100:], context=text[:100].tolist())]
    )
    np.testing.assert_array_equal(split, scores)
    assert model.score(text[:0]).shape == (0,)


def test_nothing_reaches_across_the_end_of_a_line():
    rng = np.random.default_rng(2)
    model = build_ngrams(random_stream(rng, words=4000, vocab_size=20), vocab_size=20, eos_id=EOS)
    np.testing.assert_array_equal(model.predict([7, 9, EOS]), model.predict([EOS]))
    np.testing.assert_array_equal(model.predict([7, 9, EOS, 4]), model.predict([EOS, 4]))
    assert (model.predict([EOS, 4]) != model.predict([4])).any()
    np.testing.assert_array_equal(model.predict([]), model.unigram)


def test_words_never_seen_keep_a_probability():
    model = build_ngrams(stream_of([[1, 2, 1, 2]]), vocab_size=10, eos_id=EOS)
    got = model.predict([EOS, 9, 9])
    assert (got > 0).all()
    assert got[9] == got[8] < got[1]


def test_rare_ngrams_can_be_dropped():
    rng = np.random.default_rng(3)
    stream = random_stream(rng, words=5000, vocab_size=50)
    whole = build_ngrams(stream, vocab_size=50, eos_id=EOS)
    small = build_ngrams(stream, vocab_size=50, eos_id=EOS, min_counts=(1, 2))
    small.check()
    assert len(small.tensors["order2.words"]) == len(whole.tensors["order2.words"])
    assert len(small.tensors["order5.words"]) < len(whole.tensors["order5.words"]) / 2
    assert small.predict([EOS, 4, 1]).sum() == pytest.approx(1, abs=1e-5)
    # A trigram seen twice keeps the value that it has in the whole model.
    seen = [
        tuple(stream[place : place + 3])
        for place in range(len(stream) - 3)
        if EOS not in stream[place : place + 3]
    ]
    twice = next(gram for gram in seen if seen.count(gram) > 2)
    assert small._find(twice) is not None
    once = next(gram for gram in seen if seen.count(gram) == 1)
    assert small._find(once) is None
    assert whole._find(once) is not None


def test_discounts_follow_the_counts_of_counts():
    counts = np.array([1] * 60 + [2] * 20 + [3] * 10 + [4] * 5 + [9])
    y = 60 / 100
    assert estimate_discounts(counts) == pytest.approx((1 - 2 * y / 3, 2 - 3 * y / 2, 3 - 4 * y / 2))
    assert estimate_discounts(np.array([1, 1, 2])) == FALLBACK_DISCOUNTS
    assert estimate_discounts(np.array([1] + [2] + [3] * 50)) == FALLBACK_DISCOUNTS


def test_a_large_vocabulary_needs_wider_words():
    model = build_ngrams(np.array([70_001, 65_536, 70_001, 0], dtype=np.int32), vocab_size=70_002, eos_id=EOS)
    assert model.tensors["order2.words"].dtype == np.uint32
    assert model.predict([70_001])[65_536] > 0.2


@pytest.mark.parametrize(
    ("stream", "options", "message"),
    [
        ([], {}, "no text"),
        ([1, 5], {}, "outside 0 … 4"),
        ([1, -1], {}, "outside 0 … 4"),
        ([1], {"eos_id": 5}, "<eos>"),
        ([1], {"order": 1}, "order"),
        ([1], {"order": 99}, "order"),
        ([1], {"min_counts": (2, 1)}, "min_counts"),
        ([1], {"min_counts": (0,)}, "min_counts"),
    ],
)
def test_mistakes_are_named(stream, options, message):
    with pytest.raises(InputError, match=message):
        build_ngrams(np.array(stream, dtype=np.int32), **{"vocab_size": 5, "eos_id": EOS, **options})


def test_tensors_survive_the_disk_and_lies_are_refused(tmp_path):
    rng = np.random.default_rng(4)
    built = build_ngrams(random_stream(rng, words=900, vocab_size=30), vocab_size=30, eos_id=EOS, order=3)
    write_tensors(tmp_path / "ngrams.safetensors", built.tensors)
    tensors = map_tensors(tmp_path / "ngrams.safetensors")
    mapped = NGrams(tensors)
    assert mapped.order == 3
    np.testing.assert_array_equal(mapped.predict([EOS, 4, 2]), built.predict([EOS, 4, 2]))

    def refused(message, *, late=False, **changes):
        changed = {**tensors, **{name.replace("_", "."): array for name, array in changes.items()}}
        changed = {name: array for name, array in changed.items() if array is not None}
        with pytest.raises(Corrupt, match=message):
            model = NGrams(changed)
            assert late
            model.check()

    refused("unigram is missing", unigram=None)
    refused("row of float32", unigram=tensors["unigram"].astype(np.float64))
    refused("order3.starts is missing", order3_starts=None)
    refused("belong to no order", order2_words=None)
    refused("shapes do not fit", order3_backoffs=tensors["order3.backoffs"][1:])
    refused("element type", order3_words=tensors["order3.words"].astype(np.int64))
    refused("do not span", order2_starts=tensors["order2.starts"] + np.uint32(1))
    backwards = tensors["order2.starts"].copy()
    backwards[5] = backwards[-1]
    refused("not in order", order2_starts=backwards, late=True)
    refused("not sum to one", order3_backoffs=tensors["order3.backoffs"] * np.float32(0.9), late=True)
    refused("sum to one", unigram=tensors["unigram"] * np.float32(0.9), late=True)
    refused("outside the vocabulary", order3_words=tensors["order3.words"] + np.uint16(30), late=True)
    refused("not in order", order2_words=tensors["order2.words"][::-1].copy(), late=True)
    refused("negative", order2_probabilities=-tensors["order2.probabilities"], late=True)
    refused(
        "not finite", order2_probabilities=tensors["order2.probabilities"] * np.float32(np.nan), late=True
    )


def test_a_context_whose_end_was_never_seen_alone_counts_in_a_text_as_in_a_question():
    """Other programs may leave out the two words 1 2 and keep the three words 0 1 2."""
    words = {2: [(0, 1), (2, 3)], 3: [(0, 2)], 4: [(0, 3)]}  # (node before, word)
    tensors = {"unigram": np.full(4, 0.25, np.float32)}
    contexts = 4
    for order, found in words.items():
        after = np.bincount([node for node, _ in found], minlength=contexts)
        tensors[f"order{order}.words"] = np.array([word for _, word in found], np.uint16)
        tensors[f"order{order}.probabilities"] = np.full(len(found), 0.5, np.float32)
        tensors[f"order{order}.starts"] = np.cumsum([0, *after]).astype(np.uint32)
        tensors[f"order{order}.backoffs"] = np.where(after, 0.5, 1).astype(np.float32)
        contexts = len(found)
    model = NGrams(tensors)
    model.check()
    stream = np.array([0, 1, 2, 3], np.int32)
    scores = model.score(stream)
    np.testing.assert_allclose(scores, [model.predict(stream[:i])[stream[i]] for i in range(4)])
    np.testing.assert_allclose(scores, [0.25, 0.625, 0.625, 0.8125])
