from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact.errors import InputError
from trainer.language_batches import cut_blocks, cut_lanes, extend_vocabulary, read_stream


def make_corpus(lines, tokens):
    """Lines of words; a word that is not among ``tokens`` has the id -1, as below min-count."""
    index = {token: i for i, token in enumerate(tokens)}
    ids = [index.get(word, -1) for line in lines for word in line]
    starts = np.cumsum([0, *(len(line) for line in lines)])
    counts = np.bincount([i for i in ids if i >= 0], minlength=len(tokens))
    return SimpleNamespace(
        token_ids=np.array(ids, np.int32),
        line_starts=starts.astype(np.int64),
        tokens=tokens,
        counts=counts.astype(np.int64),
    )


LINES = [["the", "cat", "sat"], ["the", "dog", "ran", "away"], ["a", "cat"]]


def text_of(stream, words):
    return [words.tokens[token_id] for token_id in stream.token_ids]


def test_stream_has_line_ends():
    corpus = make_corpus(LINES, ["cat", "the", "a", "away", "dog", "ran", "sat"])
    words = extend_vocabulary(corpus)
    assert words.tokens[:3] == ["<eos>", "cat", "the"]
    assert words.counts.tolist() == [3, 2, 2, 1, 1, 1, 1, 1]
    assert words.unknown is None
    stream = read_stream(corpus, words)
    assert text_of(stream, words) == [
        "the",
        "cat",
        "sat",
        "<eos>",
        "the",
        "dog",
        "ran",
        "away",
        "<eos>",
        "a",
        "cat",
        "<eos>",
    ]
    assert (stream.left_out, stream.unknown) == (0, 0)


def test_dropped_words_become_unk():
    corpus = make_corpus(LINES, ["cat", "the"])
    words = extend_vocabulary(corpus)
    assert dict(zip(words.tokens, words.counts.tolist(), strict=True)) == {
        "<unk>": 5,
        "<eos>": 3,
        "cat": 2,
        "the": 2,
    }
    assert words.tokens[0] == "<unk>"
    stream = read_stream(corpus, words)
    assert text_of(stream, words) == [
        "the",
        "cat",
        "<unk>",
        "<eos>",
        "the",
        "<unk>",
        "<unk>",
        "<unk>",
        "<eos>",
        "<unk>",
        "cat",
        "<eos>",
    ]
    assert stream.unknown == 5


def test_unk_of_the_text_and_dropped_words_are_one():
    corpus = make_corpus([["the", "<unk>", "rare", "the"]], ["the", "<unk>"])
    words = extend_vocabulary(corpus)
    assert dict(zip(words.tokens, words.counts.tolist(), strict=True)) == {"<unk>": 2, "<eos>": 1, "the": 2}
    assert text_of(read_stream(corpus, words), words) == ["the", "<unk>", "<unk>", "the", "<eos>"]


def test_some_lines_have_a_vocabulary_of_their_own():
    corpus = make_corpus(LINES, ["cat", "the", "a", "away", "dog", "ran", "sat"])
    words = extend_vocabulary(corpus, last=2)
    assert "a" not in words.tokens
    assert text_of(read_stream(corpus, words, first=0, last=1), words) == ["the", "cat", "sat", "<eos>"]
    held_out = read_stream(corpus, words, first=2)
    assert text_of(held_out, words) == ["cat", "<eos>"]
    assert held_out.left_out == 1


def test_another_text_takes_unk_where_there_is_one():
    words = extend_vocabulary(make_corpus(LINES, ["cat", "the"]))
    other = make_corpus([["the", "purple", "cat"], ["unseen"]], ["cat", "purple", "the", "unseen"])
    stream = read_stream(other, words)
    assert text_of(stream, words) == ["the", "<unk>", "cat", "<eos>", "<unk>", "<eos>"]
    assert (stream.left_out, stream.unknown) == (0, 2)


def test_another_text_without_any_known_word_is_refused():
    words = extend_vocabulary(make_corpus(LINES, ["cat", "the", "a", "away", "dog", "ran", "sat"]))
    with pytest.raises(InputError, match="no word of the model's vocabulary"):
        read_stream(make_corpus([["purple"]], ["purple"]), words)


def test_one_word_is_no_vocabulary():
    with pytest.raises(InputError, match="2 are the least"):
        extend_vocabulary(make_corpus([["word", "word"]], ["word"]))


def test_lanes_begin_a_share_of_the_text_apart():
    inputs, targets = cut_lanes(np.arange(20, dtype=np.int32), batch_size=3, first_input=99)
    assert targets.shape == (6, 3)
    assert targets[0].tolist() == [0, 6, 12]
    assert targets[:, 1].tolist() == [6, 7, 8, 9, 10, 11]
    assert inputs[:, 0].tolist() == [99, 0, 1, 2, 3, 4]
    assert inputs[0].tolist() == [99, 5, 11]


def test_shifted_lanes_come_round():
    inputs, targets = cut_lanes(np.arange(20, dtype=np.int32), batch_size=2, first_input=99, shift=15)
    assert targets[:, 0].tolist() == [15, 16, 17, 18, 19, 0, 1, 2, 3, 4]
    assert inputs[:, 0].tolist() == [14, 15, 16, 17, 18, 99, 0, 1, 2, 3]


@given(st.integers(1, 60), st.integers(1, 10), st.booleans())
def test_padded_lanes_hold_every_word_once(n, batch_size, pad):
    if n < batch_size and not pad:
        with pytest.raises(InputError, match="too short"):
            cut_lanes(np.arange(n, dtype=np.int32), batch_size=batch_size, first_input=0)
        return
    inputs, targets = cut_lanes(np.arange(n, dtype=np.int32), batch_size=batch_size, first_input=0, pad=pad)
    words = targets.T.ravel()
    found = words[words >= 0]
    assert found.tolist() == list(range(n if pad else n // batch_size * batch_size))
    assert len(targets) == (-(-n // batch_size) if pad else n // batch_size)
    np.testing.assert_array_equal(inputs.T.ravel()[words >= 1], words[words >= 1] - 1)


def test_blocks_span_the_lanes():
    assert cut_blocks(10, time_steps=4) == [(0, 4), (4, 8), (8, 10)]


def test_varied_blocks_span_the_lanes():
    blocks = cut_blocks(20_000, time_steps=70, generator=np.random.default_rng(0))
    assert blocks[0][0] == 0
    assert blocks[-1][1] == 20_000
    assert all(before[1] == after[0] for before, after in pairwise(blocks))
    lengths = np.array([end - start for start, end in blocks])
    assert lengths.min() >= 5
    assert 65 < np.median(lengths) < 75
    assert 0 < np.mean(lengths < 50) < 0.15
