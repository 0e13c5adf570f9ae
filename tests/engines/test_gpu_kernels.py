"""The kernels compute what the plain models compute: on the CPU, through cuda_on_cpu.h, and on a GPU where there is one."""

import numpy as np
import pytest
from engines.emulated_device import COMPILER, EmulatedDevice
from engines.specification import DeviceSpecification, make_corpus
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainer.engines.gpu import GpuLearner
from trainer.recipes import WordVectorSettings

needs_compiler = pytest.mark.skipif(
    COMPILER is None, reason="no C++ compiler to run the kernels on the CPU with"
)
KINDS = [
    {"model": "cbow", "dim": 16, "window": 3, "shared_negatives": 8, "context_gradient": 0.5},
    {"model": "cbow", "dim": 101, "window": 5, "shared_negatives": 16, "subsample": 0.05},
    {"model": "cbow", "dim": 7, "window": 12, "shared_negatives": 5, "negatives": 9},
    {"model": "cbow", "dim": 130, "window": 1, "shared_negatives": 1, "subsample": 0.05},
    {"model": "skipgram", "dim": 16, "window": 3, "shared_negatives": 8},
    {"model": "skipgram", "dim": 101, "window": 5, "shared_negatives": 16, "subsample": 0.05},
    {"model": "skipgram", "dim": 7, "window": 12, "shared_negatives": 5, "negatives": 9},
    {"model": "skipgram", "dim": 130, "window": 1, "shared_negatives": 1, "subsample": 0.05},
]


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("kernels")


def compare(device, lines, seed, **options):
    """One piece by one thread block, from random tables, against the plain models in float64."""
    corpus = make_corpus(lines, 12)
    learner = GpuLearner(
        corpus, WordVectorSettings(seed=seed, learning_rate=0.01, **options), device, blocks=1
    )
    rng = np.random.default_rng(seed)
    arrays, values = learner.state()
    arrays = {name: rng.normal(0, 0.5, table.shape).astype(np.float32) for name, table in arrays.items()}
    learner.restore(arrays, values)
    plain = DeviceSpecification(learner, corpus)
    measured = device.read(learner._launch(learner._take(0, 1), 0, 1))
    assert plain.train(0) == pytest.approx(tuple(measured[0]), rel=1e-4, abs=1e-4)
    after, _ = learner.state()
    for name, expected in (("input", plain.inputs), ("output", plain.outputs)):
        assert np.abs(expected - arrays[name]).max() > 0 or not measured[0, 0]
        np.testing.assert_allclose(after[name], expected, rtol=2e-4, atol=5e-6)
    for table in (learner._inputs, learner._outputs):
        assert not device.read(table)[:, learner.settings.dim :].any()


@needs_compiler
@pytest.mark.parametrize("options", KINDS, ids=lambda options: f"{options['model']}-{options['dim']}")
@settings(
    deadline=None,
    max_examples=5,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    lines=st.lists(st.lists(st.integers(-1, 11), min_size=1, max_size=60), min_size=1, max_size=30),
    seed=st.integers(0, 1000),
    order=st.integers(0, 2**31),
)
def test_a_piece_of_training_is_what_the_plain_models_compute(folder, options, lines, seed, order):
    compare(EmulatedDevice(folder, order=order), lines, seed, **options)
