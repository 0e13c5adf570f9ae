import numpy as np
import pytest
from engines.specification import Specification, make_corpus
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainer.engines.cpu import CpuLearner
from trainer.recipes import WordVectorSettings

LINES = st.lists(st.lists(st.integers(-1, 11), min_size=1, max_size=60), min_size=1, max_size=30)


def compare(lines, seed, **options):
    corpus = make_corpus(lines, 12)
    learner = CpuLearner(corpus, WordVectorSettings(threads=1, seed=seed, **options))
    rng = np.random.default_rng(seed)
    arrays, values = learner.state()
    learner.restore({name: rng.normal(0, 0.5, table.shape) for name, table in arrays.items()}, values)
    plain = Specification(learner, corpus)
    examples, loss = learner._train_piece(learner._workspaces[0], 0, 8192)
    assert plain.train(0) == pytest.approx((examples, loss), rel=1e-4, abs=1e-4)
    after, _ = learner.state()
    for name, expected in (("input", plain.inputs), ("output", plain.outputs)):
        assert np.abs(expected - arrays[name]).max() > 0 or not examples
        np.testing.assert_allclose(after[name], expected, rtol=2e-4, atol=5e-6)
    assert not learner._inputs[:, learner.settings.dim :].any()
    assert not learner._outputs[:, learner.settings.dim :].any()


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    lines=LINES,
    seed=st.integers(0, 1000),
    model=st.sampled_from(["cbow", "skipgram"]),
    dim=st.integers(1, 140),
    window=st.integers(1, 12),
    negatives=st.integers(1, 10),
    shared_negatives=st.integers(1, 40),
    context_gradient=st.floats(0.1, 1.0),
    subsample=st.sampled_from([0.0, 0.05]),
    subwords=st.sampled_from([None, None, (1, 3), (3, 6)]),
    loss=st.sampled_from(["negative-sampling", "hierarchical-softmax"]),
)
def test_a_piece_of_training_is_what_the_plain_models_compute(lines, seed, **options):
    compare(lines, seed, buckets=50, learning_rate=0.01, **options)


@pytest.mark.parametrize("model", ["cbow", "skipgram"])
@pytest.mark.parametrize("dim", [16, 300])
def test_a_longer_text_is_trained_as_the_plain_models_would(model, dim):
    rng = np.random.default_rng(3)
    lines = [rng.integers(0, 12, size).tolist() for size in rng.integers(1, 400, 12)]
    compare(lines, 5, model=model, dim=dim, shared_negatives=16, context_gradient=0.2, learning_rate=0.02)
