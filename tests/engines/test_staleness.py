"""A row that many thread blocks change at once takes a share of its updates."""

import numpy as np
import pytest
from engines.emulated_device import COMPILER, EmulatedDevice
from engines.specification import make_corpus

from trainer.engines.gpu import GpuLearner
from trainer.engines.staleness import MOST_LOST, Staleness
from trainer.recipes import WordVectorSettings

ZIPF = (1e6 / np.arange(1, 2001)).astype(np.int64)
ALL = np.full(2000, 2**32 - 1, np.uint32)


@pytest.mark.parametrize("model", ["cbow", "skipgram"])
def test_more_blocks_leave_common_rows_less_and_rare_rows_whole(model):
    staleness = Staleness(ZIPF, ALL, WordVectorSettings(model=model), block=16)
    few, many = staleness.row_rates(10), staleness.row_rates(100)
    for less, more in zip(many, few, strict=True):
        np.testing.assert_allclose(10 * less, more, rtol=1e-6)
        assert (np.diff(less) >= 0).all()  # the rarer, the more
        assert less[0] < 0.05 < less[-1]


def test_blocks_are_fewer_where_all_words_are_common():
    ten = np.full(10, 1000, np.int64), np.full(10, 2**32 - 1, np.uint32)
    blocks = [
        Staleness(*made, WordVectorSettings(), block=16).most_blocks(0.05) for made in ((ZIPF, ALL), ten)
    ]
    assert blocks[0] > 4 * blocks[1] > 4


def test_the_most_blocks_lose_what_may_be_lost():
    staleness = Staleness(ZIPF, ALL, WordVectorSettings(), block=16)
    most = staleness.most_blocks(0.05)
    for blocks, fits in ((most, True), (most + 1, False)):
        rates = np.minimum(*staleness.row_rates(blocks))
        lost = 1 - (ZIPF / ZIPF.sum()) @ np.minimum(1, rates / 0.05)
        assert (lost <= MOST_LOST["cbow"] + 1e-6) == fits


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler to run the kernels on the CPU with")
@pytest.mark.parametrize("model", ["cbow", "skipgram"])
def test_each_row_takes_its_share(tmp_path, model):
    lines, rng = [[0, 1, 2, 3, 1, 4], [5, 6, 0, 0, 7]], np.random.default_rng(0)
    shares = rng.uniform(0.1, 1, (2, 12)).astype(np.float32)
    changes = []
    for kept in (np.ones_like(shares), shares):
        settings = WordVectorSettings(model=model, dim=12, window=2, learning_rate=0.05, subsample=0)
        learner = GpuLearner(make_corpus(lines, 12), settings, EmulatedDevice(tmp_path), blocks=1)
        learner.warm_up()
        before = {
            name: rng.normal(0, 0.5, (12, 12)).astype(np.float32) if not changes else changes[0][2][name]
            for name in ("input", "output")
        }
        learner.restore(before, learner.state()[1])
        for share, there in zip(kept, learner._row_rates, strict=True):
            learner._device.write(np.where(share < 1, share * np.float32(0.05), np.inf), there)
        learner._damped = 12
        learner.advance()
        after = learner.state()[0]
        changes.append((after["input"] - before["input"], after["output"] - before["output"], before))
    for number, share in enumerate(shares):
        assert np.abs(changes[0][number][:5]).min() > 0
        np.testing.assert_allclose(
            changes[1][number], share[:, None] * changes[0][number], rtol=2e-2, atol=1e-6
        )
