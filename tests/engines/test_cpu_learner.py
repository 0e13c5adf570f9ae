import numpy as np
import pytest
from engines.specification import make_corpus, train
from hypothesis import given
from hypothesis import strategies as st

from artifact.errors import InputError
from trainer.engines import cpu
from trainer.engines.cpu import CpuLearner
from trainer.engines.rates import LAST_RATES
from trainer.engines.sampling import PIECE, fill_chunk, keep_thresholds, negative_table
from trainer.engines.tables import CHUNK
from trainer.recipes import WordVectorSettings


@pytest.fixture(autouse=True)
def short_steps(monkeypatch):
    monkeypatch.setattr(cpu, "STEP_WORDS", PIECE)


KINDS = [
    {"model": model, "loss": loss, "subwords": subwords}
    for model in ("cbow", "skipgram")
    for loss in ("negative-sampling", "hierarchical-softmax")
    for subwords in (None, (2, 3))
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("threads", [1, 3])
def test_words_of_a_topic_end_up_closer_than_words_of_two(corpus, kind, threads):
    options = WordVectorSettings(
        dim=20, window=3, epochs=5, threads=threads, subsample=0, buckets=1000, **kind
    )
    learner = CpuLearner(corpus, options)
    steps = train(learner)
    assert sum(step.words for step in steps) == learner.total_words == learner.words_done == 5 * 36000
    assert steps[-1].loss_sum / steps[-1].examples < steps[0].loss_sum / steps[0].examples
    last = LAST_RATES[options.model] * learner.learning_rate
    assert steps[-1].learning_rate == pytest.approx(last)
    units = learner.vectors() / np.linalg.norm(learner.vectors(), axis=1, keepdims=True)
    cosines = units @ units.T
    assert cosines[:10, :10].mean() > cosines[:10, 10:].mean() + 0.2


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_one_thread_is_the_same_bit_for_bit_and_goes_on_from_any_step(corpus, kind):
    options = WordVectorSettings(dim=20, epochs=1, threads=1, buckets=100, seed=4, **kind)
    whole, parted = CpuLearner(corpus, options), CpuLearner(corpus, options)
    steps = train(whole)
    parted.advance()
    fresh = CpuLearner(corpus, options)
    fresh.restore(*parted.state())
    assert train(fresh) == steps[1:]
    np.testing.assert_array_equal(fresh.vectors(), whole.vectors())
    for name, table in whole.state()[0].items():
        np.testing.assert_array_equal(fresh.state()[0][name], table)


def test_another_seed_is_another_training(corpus):
    first, second = (
        CpuLearner(corpus, WordVectorSettings(dim=20, epochs=1, threads=1, seed=seed)) for seed in (1, 2)
    )
    train(first)
    train(second)
    assert not np.allclose(first.vectors(), second.vectors())


def test_output_weight_adds_output_vectors(corpus):
    learner = CpuLearner(corpus, WordVectorSettings(dim=20, epochs=1, threads=1, output_weight=0.5))
    train(learner)
    arrays, _ = learner.state()
    np.testing.assert_array_equal(learner.vectors(), arrays["input"] + np.float32(0.5) * arrays["output"])


def test_what_cannot_be_trained_is_refused(corpus):
    with pytest.raises(InputError, match="2 are the least"):
        CpuLearner(make_corpus([[0, 0]], 1), WordVectorSettings())
    with pytest.raises(InputError, match="no output vectors"):
        CpuLearner(corpus, WordVectorSettings(loss="hierarchical-softmax", output_weight=0.5))
    with pytest.raises(InputError, match="published as they are"):
        CpuLearner(corpus, WordVectorSettings(subwords=(3, 6), output_weight=0.5))
    lonely = CpuLearner(make_corpus([[0], [1], [-1, 0, -1]], 2), WordVectorSettings(threads=1))
    with pytest.raises(InputError, match="nothing to learn from"):
        train(lonely)
    learner = CpuLearner(corpus, WordVectorSettings(dim=10))
    with pytest.raises(InputError, match="settings differ"):
        learner.restore(*CpuLearner(corpus, WordVectorSettings(dim=11)).state())


LINES = st.lists(st.lists(st.integers(-1, 3), min_size=1, max_size=400), min_size=1, max_size=12)


@given(lines=LINES)
def test_chunks_hold_every_kept_word_once_and_lines_apart(lines):
    corpus = make_corpus(lines, 4)
    keep, words, ends = np.full(4, 2**32 - 1, np.uint32), np.zeros(CHUNK, np.int32), np.zeros(CHUNK, np.int64)
    position, line, read = 0, 0, []
    while position < len(corpus.token_ids):
        before = position
        count, n, position, line = fill_chunk(
            corpus.token_ids,
            corpus.line_starts,
            keep,
            position,
            len(corpus.token_ids),
            line,
            np.uint64(1),
            words,
            ends,
        )
        assert position > before
        read += [part.tolist() for part in np.split(words[:count], ends[: n - 1])] if n else []
    kept = [[i for i in each if i >= 0] for each in lines]
    if all(len(each) <= CHUNK // 2 for each in kept) and sum(map(len, kept)) <= CHUNK - 2:
        assert read == [each for each in kept if len(each) > 1]
    assert all(len(each) > 1 for each in read)
    missing = sum(len(each) for each in kept) - sum(map(len, read))
    assert 0 <= missing <= sum(len(each) == 1 for each in kept) + sum(map(len, kept)) // (CHUNK - 1) + 1


def test_frequent_words_are_thinned_as_word2vec_does():
    counts = np.array([900_000, 90_000, 10_000])
    shares = keep_thresholds(counts, 1e-2) / 2.0**32
    ratio = 1e-2 / (counts / counts.sum())
    np.testing.assert_allclose(shares, np.minimum(np.sqrt(ratio) + ratio, 1), atol=1e-9)
    assert (keep_thresholds(counts, 0) == 2**32 - 1).all()
    corpus = make_corpus([[0] * 20000], 3)
    words, ends = np.zeros(CHUNK, np.int32), np.zeros(CHUNK, np.int64)
    keep, position, line, kept = keep_thresholds(counts, 1e-2), 0, 0, 0
    while position < 20000:
        count, _, position, line = fill_chunk(
            corpus.token_ids, corpus.line_starts, keep, position, 20000, line, np.uint64(9), words, ends
        )
        kept += count
    assert kept / 20000 == pytest.approx(shares[0], abs=0.01)


def test_negatives_have_the_shares_of_the_counts_to_the_three_quarters():
    counts = np.array([1000, 100, 10, 1])
    table = negative_table(counts, seed=1)
    expected = counts**0.75 / (counts**0.75).sum()
    np.testing.assert_allclose(np.bincount(table) / len(table), expected, atol=2 / len(table))
    assert (
        np.abs(
            np.diff(np.bincount(table[: len(table) // 2], minlength=4) / (len(table) // 2) - expected)
        ).max()
        < 0.02
    )
