"""Tables of more numbers than 32 bits can count."""

from types import SimpleNamespace

import numpy as np
import pytest
from engines.cpu_compiler import needs_compiler
from engines.emulated_device import EmulatedDevice

from trainer.engines import gpu as gpu_engine
from trainer.engines.device import Limits
from trainer.engines.gpu import GpuLearner
from trainer.engines.gpu_worker import Worker
from trainer.recipes import WordVectorSettings

SIZE, DIM = (1 << 31) // 300 + 100_000, 300
USED = np.array([0, 1, SIZE // 2, SIZE - 99_000, SIZE - 2, SIZE - 1])


def make_text():
    """Of a few words of a very large vocabulary."""
    rng = np.random.default_rng(2)
    return SimpleNamespace(
        token_ids=np.concatenate([rng.permutation(USED) for _ in range(200)]).astype(np.int32),
        line_starts=np.arange(0, 201 * len(USED), len(USED)),
        counts=np.ones(SIZE, np.int64),
    )


@needs_compiler
@pytest.mark.parametrize("model", ["cbow", "skipgram"])
def test_rows_behind_the_two_billionth_number_are_found(folder, monkeypatch, model):
    """On the CPU: memory that nobody writes to is none, so that only the rows of the text's words are filled."""
    monkeypatch.setattr(
        gpu_engine, "first_inputs", lambda rows, *_: np.broadcast_to(np.float32(0), (rows, DIM))
    )
    monkeypatch.setattr(Worker, "fill", lambda *_: None)
    drawn = np.random.default_rng(4).choice(np.concatenate([USED, USED[:-1] + 17]), 1 << 16).astype(np.int32)
    monkeypatch.setattr(gpu_engine, "negative_table", lambda *_, **__: drawn)
    device = EmulatedDevice(
        folder, limits=Limits(multiprocessors=2, shared_bytes=227 << 10, free_bytes=1 << 40)
    )
    settings = WordVectorSettings(model=model, dim=DIM, subsample=0, epochs=1)
    learner = GpuLearner(make_text(), settings, device, blocks=1)
    tables = learner.workers[0].tables
    assert tables["input"].size > 1 << 31
    rng = np.random.default_rng(3)
    for table in tables.values():
        table[USED, :DIM] = rng.normal(0, 0.1, (len(USED), DIM))
    before = {name: table[USED] for name, table in tables.items()}
    learner.warm_up()
    while not learner.finished():
        learner.advance()
    for name, table in tables.items():
        assert (table[USED, :DIM] != before[name][:, :DIM]).all()
    beside = np.setdiff1d(np.concatenate([USED - 1, USED + 1]) % SIZE, USED)
    assert not tables["input"][beside].any()


@pytest.mark.gpu
@pytest.mark.parametrize("model", ["cbow", "skipgram"])
def test_rows_behind_the_two_billionth_number_are_trained_and_no_others(gpu, monkeypatch, model):
    from trainer.engines.cupy_device import CupyDevice

    device = CupyDevice()
    if device.limits.free_bytes < 3 * 4 * SIZE * DIM:
        pytest.skip("the tables do not fit into this GPU's memory")
    start = np.full(DIM, 0.01, np.float32)
    monkeypatch.setattr(gpu_engine, "first_inputs", lambda rows, *_: np.broadcast_to(start, (rows, DIM)))
    settings = WordVectorSettings(model=model, dim=DIM, subsample=0, epochs=1)
    learner = GpuLearner(make_text(), settings, device)
    learner.warm_up()
    while not learner.finished():
        learner.advance()
    changed = []
    for first in range(0, SIZE, 1 << 20):
        part = learner.workers[0].tables["input"][first : first + (1 << 20)]
        with device.computing():
            differs = (part != start[0]).any(axis=1)
        changed += (first + np.flatnonzero(device.read(differs))).tolist()
    assert changed == USED.tolist()
