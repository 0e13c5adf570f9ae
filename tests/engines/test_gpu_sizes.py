"""Tables of more numbers than 32 bits can count."""

from types import SimpleNamespace

import numpy as np
import pytest

from trainer.engines import gpu as gpu_engine
from trainer.engines.gpu import GpuLearner
from trainer.recipes import WordVectorSettings


@pytest.mark.gpu
@pytest.mark.parametrize("model", ["cbow", "skipgram"])
def test_rows_behind_the_two_billionth_number_are_trained_and_no_others(gpu, monkeypatch, model):
    from trainer.engines.cupy_device import CupyDevice

    size, dim = (1 << 31) // 300 + 100_000, 300
    device = CupyDevice()
    if device.limits.free_bytes < 3 * 4 * size * dim:
        pytest.skip("the tables do not fit into this GPU's memory")
    start = np.full(dim, 0.01, np.float32)
    monkeypatch.setattr(gpu_engine, "first_inputs", lambda rows, *_: np.broadcast_to(start, (rows, dim)))
    used = np.array([0, 1, size // 2, size - 99_000, size - 2, size - 1])
    rng = np.random.default_rng(2)
    corpus = SimpleNamespace(
        token_ids=np.concatenate([rng.permutation(used) for _ in range(200)]).astype(np.int32),
        line_starts=np.arange(0, 201 * len(used), len(used)),
        counts=np.ones(size, np.int64),
    )
    settings = WordVectorSettings(model=model, dim=dim, subsample=0, epochs=1)
    learner = GpuLearner(corpus, settings, device)
    while not learner.finished():
        learner.advance()
    changed = []
    for first in range(0, size, 1 << 20):
        part = learner.workers[0].tables["input"][first : first + (1 << 20)]
        with device.computing():
            differs = (part != start[0]).any(axis=1)
        changed += (first + np.flatnonzero(device.read(differs))).tolist()
    assert changed == used.tolist()
