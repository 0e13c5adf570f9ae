"""The layers, models and optimizers compute with CuPy what they compute with NumPy."""

import numpy as np
import pytest

from trainer.backend import numpy_backend
from trainer.layers.hierarchical_softmax import HierarchicalSoftmaxLoss, HuffmanTree
from trainer.layers.negative_sampling import NegativeSamplingLoss
from trainer.layers.unigram_sampler import UnigramSampler
from trainer.models.cbow import CBOW
from trainer.models.learner import PlainLearner
from trainer.models.skipgram import SkipGram
from trainer.models.subwords import SubwordRows
from trainer.optimizers import make_optimizer
from trainer.recipes import WordVectorSettings

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("composed", [False, True], ids=["words", "subwords"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("loss", ["negative-sampling", "hierarchical-softmax"])
@pytest.mark.parametrize("model", [CBOW, SkipGram])
def test_a_few_steps_agree(gpu, rng, model, loss, optimizer, composed):
    V, D, B = 50, 16, 40
    start = {"input": rng.standard_normal((V, D)), "output": rng.standard_normal((V - 1, D))}
    if loss == "negative-sampling":
        start["output"] = rng.standard_normal((V, D))
    steps = [
        {
            "contexts": rng.integers(0, V, (B, 6)),
            "weights": rng.random((B, 6)) * (rng.random((B, 6)) < 0.7),
            "targets": rng.integers(0, V, B),
        }
        | ({"negatives": rng.integers(0, V, (B, 5))} if loss == "negative-sampling" else {})
        for _ in range(3)
    ]
    starts = np.cumsum([0, *rng.integers(1, 6, V)])
    rows = rng.integers(0, V, starts[-1])
    found = []
    for backend in (numpy_backend(), gpu):
        tables = {name: backend.asarray(table.copy()) for name, table in start.items()}
        if loss == "negative-sampling":
            output = NegativeSamplingLoss(tables["output"], backend=backend)
        else:
            tree = HuffmanTree(np.arange(V, 0, -1), backend=backend)
            output = HierarchicalSoftmaxLoss(tables["output"], tree=tree, backend=backend)
        subwords = SubwordRows(backend.asarray(starts), backend.asarray(rows)) if composed else None
        made = model(tables["input"], output=output, backend=backend, subwords=subwords)
        updates = make_optimizer(optimizer, tables, backend=backend)
        losses = []
        for step in steps:
            on_device = {name: backend.asarray(array) for name, array in step.items()}
            result = made.loss_and_gradients(**on_device)
            updates.step(result.gradients, learning_rate=0.01)
            losses.append(float(result.loss_sum))
        found.append((losses, {name: backend.to_numpy(table) for name, table in tables.items()}))
    (cpu_losses, cpu_tables), (gpu_losses, gpu_tables) = found
    assert gpu_losses == pytest.approx(cpu_losses, rel=1e-9)
    for name, table in cpu_tables.items():
        np.testing.assert_allclose(gpu_tables[name], table, atol=1e-9)


def test_draws_follow_the_probabilities(gpu):
    sampler = UnigramSampler([70, 29, 1, 400], backend=gpu)
    drawn = gpu.to_numpy(sampler.draw(gpu.xp.zeros(20_000, np.int32), 10, gpu.generator(3)))
    shares = np.bincount(drawn.ravel(), minlength=4) / drawn.size
    expected = np.delete(sampler.probabilities, 0)
    assert shares[0] == 0
    assert shares[1:] == pytest.approx(expected / expected.sum(), abs=0.005)


@pytest.mark.parametrize("model", ["cbow", "skipgram"])
def test_a_training_goes_from_the_gpu_to_the_cpu_and_on(gpu, two_topics, model):
    settings = WordVectorSettings(model=model, dim=8, epochs=4, window=3, subsample=0.0, batch_size=500)
    on_gpu = PlainLearner(two_topics, settings, gpu)
    first = on_gpu.advance()
    on_cpu = PlainLearner(two_topics, settings, numpy_backend())
    on_cpu.restore(*on_gpu.state())
    assert on_cpu.vectors().tobytes() == on_gpu.vectors().tobytes()
    while not on_cpu.finished():
        last = on_cpu.advance()
    assert last.loss_sum / last.examples < first.loss_sum / first.examples
