from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_texts import make_text

from trainer import batches
from trainer.batches import WindowReader, cut_windows, keep_probabilities


def rows(windows):
    """Windows as a sorted list of (target, contexts), absent contexts as None."""
    found = [
        (int(target), tuple(int(c) if w else None for c, w in zip(contexts, weights, strict=True)))
        for contexts, weights, target in zip(windows.contexts, windows.weights, windows.targets, strict=True)
    ]
    return sorted(found, key=repr)


def literal_windows(lines, window):
    found = []
    for line in lines:
        words = [int(word) for word in line if word >= 0]
        for i, word in enumerate(words):
            offsets = [*range(-window, 0), *range(1, window + 1)]
            context = tuple(words[i + o] if 0 <= i + o < len(words) else None for o in offsets)
            if any(each is not None for each in context):
                found.append((word, context))
    return sorted(found, key=repr)


def reader_of(text, **options):
    options = {"window": 2, "subsample": 0.0, "seed": 1, "shrink": False} | options
    return WindowReader(text, counts=text.counts, **options)


def read_all(reader, epoch=0):
    return [reader.read(epoch, piece, reader.generator(epoch, piece)) for piece in range(reader.pieces)]


@given(
    st.lists(st.lists(st.integers(-1, 5), min_size=1, max_size=8), min_size=1, max_size=12),
    st.integers(1, 4),
    st.integers(1, 40),
)
def test_an_epoch_is_every_window_once_and_none_across_lines(lines, window, piece_words):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "RUN_WORDS", 8)
        reader = reader_of(make_text(lines, 6), window=window, piece_words=piece_words)
        pieces = read_all(reader)
    assert sum(words for words, _ in pieces) == sum(map(len, lines))
    found = [row for _, windows in pieces for row in rows(windows)]
    assert sorted(found, key=repr) == literal_windows(lines, window)


def test_a_line_longer_than_a_run_is_cut_and_nothing_lost(monkeypatch):
    monkeypatch.setattr(batches, "RUN_WORDS", 16)
    text = make_text([np.arange(100), np.arange(100, 103)], 103)
    pieces = read_all(reader_of(text, piece_words=16))
    assert [words for words, _ in pieces].count(16) >= 5
    assert sorted(int(t) for _, windows in pieces for t in windows.targets) == list(range(103))
    whole = literal_windows([np.arange(100), np.arange(100, 103)], 2)
    cut = [row for _, windows in pieces for row in rows(windows)]
    assert len(set(cut) & set(whole)) == 103 - 6 * 4  # two words on either side of each of six cuts see less


def test_memory_does_not_grow_with_the_text(monkeypatch):
    class Watched:
        """An id stream of ten million words that remembers how much was asked for at once."""

        longest = 0

        def __len__(self):
            return 10_000_000

        def __getitem__(self, cut):
            self.longest = max(self.longest, cut.stop - cut.start)
            return np.zeros(cut.stop - cut.start, np.int32)

    text = make_text([[0]], 1)
    text.token_ids, text.line_starts = Watched(), np.array([0, 9_999_990, 10_000_000])
    monkeypatch.setattr(batches, "MAX_RUNS", 1000)  # so runs are longer here: 10,000 words
    reader = reader_of(text)
    words, windows = reader.read(0, 0, reader.generator(0, 0))
    assert words == len(windows) == 10_000
    assert text.token_ids.longest <= 20_000


def test_runs_and_windows_are_shuffled_anew_each_epoch(monkeypatch):
    monkeypatch.setattr(batches, "RUN_WORDS", 16)
    text = make_text(np.arange(800).reshape(100, 8), 800)
    reader = reader_of(text, piece_words=64)
    first, again, second = (
        [windows.targets.tolist() for _, windows in read_all(each, epoch)]
        for each, epoch in ((reader, 0), (reader_of(text, piece_words=64), 0), (reader, 1))
    )
    assert first == again
    assert first != second
    assert sorted(chain.from_iterable(first)) == sorted(chain.from_iterable(second)) == list(range(800))
    assert max(first[0]) - min(first[0]) > 200  # from all over the text
    assert first[0] != sorted(first[0])


def test_shrink_narrows_windows_one_by_one():
    windows = cut_windows(
        token_ids=np.arange(5, dtype=np.int32),
        line_ids=np.zeros(5),
        window=2,
        shrink=np.array([1, 2, 1, 2, 1]),
    )
    assert windows.weights.tolist() == [[0, 0, 1, 0], [0, 1, 1, 1], [0, 1, 1, 0], [1, 1, 1, 0], [0, 1, 0, 0]]
    assert windows.contexts[3].tolist() == [1, 2, 4, 0]


def test_shrink_is_uniform(two_topics):
    reader = reader_of(two_topics, window=3, shrink=True)
    windows = [w for _, w in read_all(reader)]
    inner = np.concatenate([w.weights for w in windows])
    inner = inner[inner[:, [2, 3]].all(axis=1)]  # words with a neighbour on either side
    reach = np.maximum(inner[:, 2] + inner[:, 1] + inner[:, 0], inner[:, 3] + inner[:, 4] + inner[:, 5])
    # Lines are eight words, so one side at least reaches three words wherever the shrink lets it.
    assert np.bincount(reach.astype(int), minlength=4)[1:] / len(reach) == pytest.approx(
        [1 / 3] * 3, abs=0.03
    )


def test_keep_probabilities_are_those_of_word2vec():
    counts = np.array([10, 100, 890])
    keep = keep_probabilities(counts, 1e-3)
    assert keep == pytest.approx([0.1**0.5 + 0.1, 0.01**0.5 + 0.01, (1 / 890) ** 0.5 + 1 / 890])
    assert keep_probabilities(counts, 0.0).tolist() == [1, 1, 1]
    assert keep_probabilities(counts, 1.0).tolist() == [1, 1, 1]


def test_subsampling_thins_out_before_windows_are_cut():
    text = make_text(np.tile([0, 0, 0, 1], (5000, 4)), 2)
    reader = reader_of(text, subsample=1e-2, window=1)
    targets = np.concatenate([w.targets for _, w in read_all(reader)])
    keep = keep_probabilities(text.counts, 1e-2)
    share = keep[0] * 3 / (keep[0] * 3 + keep[1])
    assert np.mean(targets == 0) == pytest.approx(share, abs=0.02)
    assert len(targets) < 80_000 * 0.25
    pairs = [row for _, w in read_all(reader) for row in rows(w)]
    assert any(target == 1 and 1 in context for target, context in pairs)  # never neighbours in the text


def test_batches_are_slices_of_all():
    windows = cut_windows(token_ids=np.arange(7, dtype=np.int32), line_ids=np.zeros(7), window=1)
    assert [len(batch) for batch in windows.batches(3)] == [3, 3, 1]
    assert np.concatenate([b.targets for b in windows.batches(3)]).tolist() == list(range(7))
