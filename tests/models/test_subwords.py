"""The plain learner with character n-grams, and the rows that it keeps for them."""

import json

import numpy as np
import pytest
from small_texts import make_text

from artifact.errors import Corrupt, InputError
from artifact.subwords import Ngrams
from trainer.backend import numpy_backend
from trainer.models.learner import PlainLearner
from trainer.ngram_rows import NgramRows, find_buckets, take_subwords
from trainer.recipes import WordVectorSettings

CPU = numpy_backend()
NGRAMS = Ngrams(3, 4, 5000)
STEMS = ["walk", "talk", "jump", "kick", "paint"]
NOUNS = ["river", "forest", "mountain", "valley", "meadow"]
TOKENS = [*(f"{stem}ing" for stem in STEMS), *(f"{noun}land" for noun in NOUNS)]


def test_a_word_has_its_own_row_and_those_of_its_ngrams():
    made = NgramRows.of_words(TOKENS, NGRAMS)
    assert made.height == len(TOKENS) + len(made.bucket_ids)
    assert (np.diff(made.bucket_ids) > 0).all()
    for number, token in enumerate(TOKENS):
        own, *rows = made.rows[made.starts[number] : made.starts[number + 1]].tolist()
        assert own == number
        buckets = made.bucket_ids[np.array(rows) - len(TOKENS)]
        assert buckets.tolist() == NGRAMS.hash_words([token])[1].tolist()


def test_mean_vectors_are_the_means_of_rows(monkeypatch):
    monkeypatch.setattr("trainer.ngram_rows._BLOCK_WORDS", 3)
    made = NgramRows.of_words(TOKENS, NGRAMS)
    table = np.random.default_rng(0).normal(size=(made.height, 4)).astype(np.float32)
    for vector, start, end in zip(made.mean_vectors(table), made.starts[:-1], made.starts[1:], strict=True):
        np.testing.assert_allclose(vector, table[made.rows[start:end]].mean(axis=0), rtol=1e-5)


def test_subwords_are_taken_from_a_table_of_touched_or_of_all_buckets():
    made = NgramRows.of_words(TOKENS, NGRAMS)
    whole = np.random.default_rng(0).normal(size=(len(TOKENS) + NGRAMS.buckets, 4)).astype(np.float32)
    places = np.concatenate([np.arange(len(TOKENS)), len(TOKENS) + made.bucket_ids])
    for table in (whole, whole[places]):
        subwords = take_subwords(table, TOKENS, NGRAMS)
        assert np.array_equal(subwords.bucket_ids, made.bucket_ids)
        assert np.array_equal(subwords.rows, whole[places][len(TOKENS) :])
    assert len(find_buckets(len(whole), TOKENS, NGRAMS)) == NGRAMS.buckets
    with pytest.raises(Corrupt, match="is not that of 10 words"):
        find_buckets(made.height + 1, TOKENS, NGRAMS)


@pytest.fixture
def morphology():
    """Lines of verbs or of lands, never both."""
    rng = np.random.default_rng(4)
    lines = [rng.integers(0, 5, 8) + 5 * rng.integers(0, 2) for _ in range(1500)]
    text = make_text(lines, len(TOKENS))
    text.tokens = TOKENS
    return text


def settings_of(**options):
    options = {"dim": 8, "epochs": 2, "window": 3, "subsample": 0.0, "batch_size": 100} | options
    return WordVectorSettings(subwords=(3, 4), buckets=5000, **options)


@pytest.mark.parametrize("loss", ["negative-sampling", "hierarchical-softmax"])
@pytest.mark.parametrize("model", ["cbow", "skipgram"])
def test_unseen_words_fall_with_those_of_their_form(morphology, model, loss):
    learner = PlainLearner(morphology, settings_of(model=model, loss=loss, learning_rate=0.01), CPU)
    while not learner.finished():
        learner.advance()
    vectors = learner.vectors()
    assert vectors.shape == (10, 8)
    subwords = take_subwords(learner.state()[0]["input"], TOKENS, NGRAMS)
    verb, land = subwords.compose(["dancing", "heartland"])
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for composed, kin, others in ((verb, units[:5], units[5:]), (land, units[5:], units[:5])):
        unit = composed / np.linalg.norm(composed)
        assert (kin @ unit).min() > (others @ unit).max() + 0.2


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_an_interrupted_training_ends_bit_for_bit_as_an_uninterrupted_one(morphology, optimizer):
    settings = settings_of(optimizer=optimizer)
    whole, first, second = (PlainLearner(morphology, settings, CPU) for _ in range(3))
    while not whole.finished():
        whole.advance()
    first.advance()
    arrays, values = first.state()
    second.restore({name: array.copy() for name, array in arrays.items()}, json.loads(json.dumps(values)))
    while not second.finished():
        second.advance()
    assert second.vectors().tobytes() == whole.vectors().tobytes()


def test_output_vectors_can_be_added(morphology):
    learner = PlainLearner(morphology, settings_of(output_weight=0.5), CPU)
    learner.advance()
    arrays = learner.state()[0]
    rows = NgramRows.of_words(TOKENS, NGRAMS)
    expected = rows.mean_vectors(arrays["input"]) + 0.5 * arrays["output"]
    np.testing.assert_allclose(learner.vectors(), expected, rtol=1e-6)


def test_a_state_with_other_ngrams_is_refused(morphology):
    arrays, values = PlainLearner(morphology, settings_of(), CPU).state()
    morphology.tokens = [*TOKENS[:-1], "snow"]
    with pytest.raises(InputError, match="input table"):
        PlainLearner(morphology, settings_of(), CPU).restore(arrays, values)
