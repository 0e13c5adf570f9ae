"""A row that many thread blocks change at once takes a share of its updates."""

import numpy as np
import pytest
from engines.cpu_compiler import needs_compiler
from engines.emulated_device import EmulatedDevice
from engines.specification import make_corpus

from artifact.subwords import Ngrams
from trainer.engines.gpu import GpuLearner
from trainer.engines.gpu_worker import Material
from trainer.engines.staleness import MOST_LOST, Staleness
from trainer.ngram_rows import NgramRows
from trainer.recipes import WordVectorSettings

ZIPF = (1e6 / np.arange(1, 2001)).astype(np.int64)


def make_staleness(counts, **options):
    """Of a text that has every word as often as `counts` says, none left out."""
    settings = WordVectorSettings(**options)
    material = Material(
        settings=settings,
        learning_rate=0.05,
        token_ids=np.zeros(0, np.int32),
        line_starts=np.zeros(1, np.int64),
        keep=np.full(len(counts), 2**32 - 1, np.uint32),
        negatives=np.zeros(0, np.int32),
        subwords=NgramRows.of_words([f"w{i}" for i in range(len(counts))], Ngrams(3, 3, 50))
        if settings.subwords
        else None,
    )
    return Staleness(material, counts, block=16)


@pytest.mark.parametrize("model", ["cbow", "skipgram"])
def test_more_blocks_leave_common_rows_less_and_rare_rows_whole(model):
    staleness = make_staleness(ZIPF, model=model)
    few, many = staleness.row_rates(10), staleness.row_rates(100)
    for less, more in zip(many, few, strict=True):
        np.testing.assert_allclose(10 * less, more, rtol=1e-6)
        assert (np.diff(less) >= 0).all()  # the rarer, the more
        assert less[0] < 0.05 < less[-1]


def test_blocks_are_fewer_where_all_words_are_common():
    blocks = [make_staleness(counts).most_blocks(0.05) for counts in (ZIPF, np.full(10, 1000))]
    assert blocks[0] > 4 * blocks[1] > 4


def test_rows_of_ngrams_are_shared_by_many_words():
    inputs, outputs = make_staleness(ZIPF, subwords=(3, 3), output_weight=0.0).row_rates(100)
    assert len(inputs) == 2050
    assert len(outputs) == 2000
    assert np.median(inputs[2000:]) < np.median(inputs[:2000])


def test_the_most_blocks_lose_what_may_be_lost():
    staleness = make_staleness(ZIPF)
    most = staleness.most_blocks(0.05)
    assert staleness.lost(most, 0.05) <= MOST_LOST["cbow"] < staleness.lost(most + 1, 0.05)
    assert staleness.lost(1, 1e-6) == pytest.approx(0, abs=1e-9)


@needs_compiler
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
        worker = learner.workers[0]
        worker.damp(*np.where(kept < 1, kept * np.float32(0.05), np.inf).astype(np.float32))
        learner.advance()
        after = learner.state()[0]
        changes.append((after["input"] - before["input"], after["output"] - before["output"], before))
    for number, share in enumerate(shares):
        assert np.abs(changes[0][number][:5]).min() > 0
        np.testing.assert_allclose(
            changes[1][number], share[:, None] * changes[0][number], rtol=2e-2, atol=1e-6
        )
