import itertools
import json
import math

import numpy as np
import pytest
from small_texts import make_text

from artifact.errors import InputError
from trainer import batches
from trainer.backend import numpy_backend
from trainer.models import learner as learner_module
from trainer.models.learner import PlainLearner
from trainer.recipes import WordVectorSettings

CPU = numpy_backend()
MODELS, LOSSES, OPTIMIZERS = (
    ("cbow", "skipgram"),
    ("negative-sampling", "hierarchical-softmax"),
    ("adam", "sgd"),
)


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(batches, "RUN_WORDS", 256)
    monkeypatch.setattr(learner_module, "PIECE_WORDS", {"cbow": 2048, "skipgram": 2048})


def settings_of(**options):
    options = {"dim": 8, "epochs": 2, "window": 3, "subsample": 0.0, "batch_size": 100} | options
    return WordVectorSettings(**options)


def train(learner):
    steps = []
    while not learner.finished():
        steps.append(learner.advance())
    return steps


@pytest.mark.parametrize(("model", "loss", "optimizer"), list(itertools.product(MODELS, LOSSES, OPTIMIZERS)))
def test_words_of_one_topic_come_together(two_topics, small_pieces, model, loss, optimizer):
    rate = 0.01 if optimizer == "adam" else {"cbow": 0.1, "skipgram": 0.02}[model]
    learner = PlainLearner(
        two_topics, settings_of(model=model, loss=loss, optimizer=optimizer, learning_rate=rate), CPU
    )
    steps = train(learner)
    vectors = learner.vectors()
    assert vectors.shape == (20, 8)
    assert vectors.dtype == np.float32
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    same = np.add.outer(np.arange(20) // 10, np.arange(20) // 10) != 1
    assert cosines[same].min() > cosines[~same].max() + 0.2
    assert sum(step.words for step in steps) == learner.words_done == learner.total_words == 2 * 16_000
    assert steps[-1].loss_sum / steps[-1].examples < 0.95 * steps[0].loss_sum / steps[0].examples


def test_the_first_loss_is_that_of_guessing(two_topics):
    """All scores are near 0 at the start: log 2 nats for the true word and for each negative."""
    learner = PlainLearner(two_topics, settings_of(learning_rate=1e-9, negatives=4), CPU)
    step = learner.advance()
    assert step.loss_sum / step.examples == pytest.approx(5 * math.log(2), rel=1e-4)


@pytest.mark.parametrize(("model", "optimizer"), list(itertools.product(MODELS, OPTIMIZERS)))
def test_an_interrupted_training_ends_bit_for_bit_as_an_uninterrupted_one(
    two_topics, small_pieces, model, optimizer
):
    settings = settings_of(model=model, optimizer=optimizer, subsample=0.05)
    whole = PlainLearner(two_topics, settings, CPU)
    steps = train(whole)
    for stop in (1, len(steps) // 2, len(steps) - 1):  # within either epoch, and at the turn
        first = PlainLearner(two_topics, settings, CPU)
        before = [first.advance() for _ in range(stop)]
        arrays, values = first.state()
        arrays = {name: array.copy() for name, array in arrays.items()}
        second = PlainLearner(two_topics, settings, CPU)
        second.restore(arrays, json.loads(json.dumps(values)))
        assert second.words_done == first.words_done
        assert before + train(second) == steps
        assert second.vectors().tobytes() == whole.vectors().tobytes()
        for name, array in second.state()[0].items():
            assert array.tobytes() == whole.state()[0][name].tobytes(), name


def test_the_seed_decides(two_topics):
    runs = [PlainLearner(two_topics, settings_of(epochs=1, seed=seed), CPU) for seed in (1, 1, 2)]
    for run in runs:
        train(run)
    assert runs[0].vectors().tobytes() == runs[1].vectors().tobytes()
    assert not np.allclose(runs[0].vectors(), runs[2].vectors())


def test_the_learning_rate_falls_in_a_straight_line(two_topics, small_pieces):
    learner = PlainLearner(two_topics, settings_of(learning_rate=0.5, optimizer="sgd"), CPU)
    starts, rates = [], []
    while not learner.finished():
        starts.append(learner.words_done / learner.total_words)
        rates.append(learner.advance().learning_rate)
    ends = [*starts[1:], 1.0]
    assert len(rates) > 10
    for start, end, rate in zip(starts, ends, rates, strict=True):
        assert 0.5 * (1 - end) <= rate <= 0.5 * (1 - start)


def test_output_vectors_can_be_added_to_what_is_published(two_topics):
    plain = PlainLearner(two_topics, settings_of(epochs=1, output_weight=0.0), CPU)
    mixed = PlainLearner(two_topics, settings_of(epochs=1, output_weight=0.5), CPU)
    train(plain)
    train(mixed)
    arrays = plain.state()[0]
    assert np.array_equal(plain.vectors(), arrays["input"])
    np.testing.assert_allclose(mixed.vectors(), arrays["input"] + 0.5 * arrays["output"], rtol=1e-6)


@pytest.mark.parametrize(("whole_windows", "pairs"), [(False, 76 / 3), (True, 36)])
def test_windows_shrink_or_stay_whole(whole_windows, pairs):
    """Lines of eight words, three to a side: 36 pairs a line; of distance d a shrink leaves (4 - d) in 3."""
    text = make_text(np.arange(8000).reshape(1000, 8) % 20, 20)
    learner = PlainLearner(text, settings_of(model="skipgram", epochs=1, whole_windows=whole_windows), CPU)
    assert sum(step.examples for step in train(learner)) == pytest.approx(1000 * pairs, rel=0.02)


def test_what_is_handed_out_is_a_copy(two_topics):
    learner = PlainLearner(two_topics, settings_of(), CPU)
    before = learner.vectors()
    kept = before.copy()
    learner.advance()
    assert np.array_equal(before, kept)


def test_a_loss_that_is_no_number_is_returned_not_warned_of(two_topics):
    learner = PlainLearner(two_topics, settings_of(optimizer="sgd", learning_rate=1e30), CPU)
    assert not math.isfinite(sum(step.loss_sum for step in train(learner)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "hierarchical-softmax", "output_weight": 0.5}, "no output vectors"),
    ],
)
def test_what_the_plain_models_cannot_do_is_said(two_topics, options, message):
    with pytest.raises(InputError, match=message):
        PlainLearner(two_topics, settings_of(**options), CPU)


def test_one_word_is_too_few():
    with pytest.raises(InputError, match="vocabulary of 1 words"):
        PlainLearner(make_text([[0, 0, 0]], 1), settings_of(), CPU)


@pytest.mark.parametrize("model", MODELS)
def test_words_without_neighbours_teach_nothing(model):
    learner = PlainLearner(make_text([[0, -1], [1], [-1]], 2), settings_of(model=model), CPU)
    with pytest.raises(InputError, match="no word of the vocabulary has a neighbour"):
        train(learner)


def test_a_checkpoint_of_other_settings_is_refused(two_topics):
    arrays, values = PlainLearner(two_topics, settings_of(), CPU).state()
    with pytest.raises(InputError, match=r"input table is \(20, 8\), this training's \(20, 9\)"):
        PlainLearner(two_topics, settings_of(dim=9), CPU).restore(arrays, values)
