"""GpuLearner from ids to vectors, on a device made of NumPy arrays and fibers."""

from dataclasses import replace

import numpy as np
import pytest
from engines.cpu_compiler import needs_compiler
from engines.emulated_device import EmulatedDevice, Kernel, LazyDevice
from engines.specification import make_corpus, thin, train
from hypothesis import given
from hypothesis import strategies as st

from artifact.errors import InputError
from trainer.engines import gpu as gpu_engine
from trainer.engines.cpu import USUAL_CHUNKS, CpuLearner
from trainer.engines.device import Limits
from trainer.engines.gpu import GpuLearner
from trainer.engines.gpu_plan import Plan
from trainer.engines.rates import LAST_RATES
from trainer.engines.tables import CHUNK
from trainer.engines.token_feed import LINE_END, encode_tokens
from trainer.recipes import WordVectorSettings


@needs_compiler
@pytest.mark.parametrize("model", ["cbow", "skipgram"])
def test_words_of_a_topic_end_up_closer_and_the_loss_is_no_worse(folder, corpus, model, monkeypatch):
    device = EmulatedDevice(folder, capacity=3)
    learn_topics(device, corpus, model, monkeypatch)
    assert max(device.launches) > 1


@needs_compiler
@pytest.mark.parametrize("model", ["cbow", "skipgram"])
def test_thread_blocks_that_run_at_once_learn_as_well(folder, corpus, model, monkeypatch):
    device = EmulatedDevice(folder, capacity=5, together=True, order=6)
    learn_topics(device, corpus, model, monkeypatch, threads=1)
    assert max(device.launches) > 1


@pytest.mark.gpu
@pytest.mark.parametrize("model", ["cbow", "skipgram"])
def test_a_gpu_learns_the_topics_too(gpu, corpus, model, monkeypatch):
    from trainer.engines.cupy_device import CupyDevice

    learn_topics(CupyDevice(), corpus, model, monkeypatch)


@pytest.mark.gpu
def test_a_gpu_learns_the_same_from_a_text_that_passes_through(gpu, corpus, monkeypatch):
    from trainer.engines.cupy_device import CupyDevice

    monkeypatch.setattr(gpu_engine, "STEP_PIECES", 0)
    found = []
    for resident in (True, False):
        learner = GpuLearner(corpus, thin(epochs=2), CupyDevice(), blocks=1, resident=resident)
        assert len(train(learner)) == 10
        found.append(learner.vectors())
    np.testing.assert_allclose(*found, atol=1e-5)  # additions may arrive in another order


def learn_topics(device, corpus, model, monkeypatch, *, threads=128):
    # With chunks of one size both measure the same blocks.
    monkeypatch.setitem(USUAL_CHUNKS, model, CHUNK)
    options = WordVectorSettings(
        model=model,
        dim=12,
        window=3,
        epochs=2,
        subsample=2e-3,
        learning_rate=0.1,
        threads=1,
        shared_negatives=8,
    )
    learner, cpu = GpuLearner(corpus, options, device), CpuLearner(corpus, options)
    learner.plan = replace(learner.plan, threads=threads)
    steps, on_cpu = train(learner), train(cpu)
    assert sum(step.words for step in steps) == learner.total_words == learner.words_done == 2 * 36000
    assert sum(step.examples for step in steps) == pytest.approx(
        sum(step.examples for step in on_cpu), abs=len(steps) + len(on_cpu)
    )
    losses = [
        sum(step.loss_sum for step in each) / sum(step.examples for step in each) for each in (steps, on_cpu)
    ]
    assert losses[0] < 1.05 * losses[1]
    last = LAST_RATES[options.model] * learner.learning_rate
    assert steps[-1].learning_rate == pytest.approx(last)
    units = learner.vectors() / np.linalg.norm(learner.vectors(), axis=1, keepdims=True)
    cosines = units @ units.T
    assert cosines[:10, :10].mean() > cosines[:10, 10:].mean() + 0.2


@needs_compiler
@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("early_copies", [True, False])
def test_copies_and_launches_may_come_early_or_late(folder, corpus, monkeypatch, resident, early_copies):
    options = thin(epochs=2)
    plain = GpuLearner(corpus, options, EmulatedDevice(folder), blocks=1)
    train(plain)
    monkeypatch.setattr(gpu_engine, "STEP_PIECES", 0)  # a piece at a time
    lazy = LazyDevice(folder, early_copies=early_copies)
    learner = GpuLearner(corpus, options, lazy, blocks=1, resident=resident)
    steps = train(learner)
    assert len(steps) == 10
    np.testing.assert_array_equal(learner.vectors(), plain.vectors())


@needs_compiler
@pytest.mark.parametrize("model", ["cbow", "skipgram"])
@pytest.mark.parametrize("resident", [True, False])
def test_one_thread_block_goes_on_from_any_step_bit_for_bit(folder, corpus, monkeypatch, model, resident):
    monkeypatch.setattr(gpu_engine, "STEP_PIECES", 0)
    options = thin(epochs=2, seed=4, model=model)

    def make():
        return GpuLearner(corpus, options, EmulatedDevice(folder), blocks=1, resident=resident)

    whole, parted, fresh = make(), make(), make()
    steps = train(whole)
    parted.warm_up()
    for _ in range(3):
        parted.advance()
    fresh.restore(*parted.state())
    assert train(fresh) == steps[3:]
    np.testing.assert_array_equal(fresh.vectors(), whole.vectors())
    for name, table in whole.state()[0].items():
        np.testing.assert_array_equal(fresh.state()[0][name], table)


@needs_compiler
def test_the_cpu_goes_on_where_the_gpu_stopped(folder, corpus):
    options = thin(epochs=2, threads=1)
    learner = GpuLearner(corpus, options, EmulatedDevice(folder))
    learner.warm_up()
    learner.advance()
    cpu = CpuLearner(corpus, options)
    cpu.restore(*learner.state())
    np.testing.assert_array_equal(cpu.vectors(), learner.vectors())
    while not cpu.finished():
        cpu.advance()
    assert cpu.words_done == cpu.total_words


@needs_compiler
def test_the_plan_knows_the_shared_memory_of_its_kernel(folder):
    for plan in (
        Plan(dim=100, window=5, negatives=16, chunk=256, skipgram=False),
        Plan(dim=37, window=7, negatives=9, chunk=251, skipgram=True, block=8, threads=256),
    ):
        assert Kernel(plan, folder).shared_bytes == plan.shared_bytes


def test_wide_vectors_get_smaller_blocks_until_nothing_fits():
    def choose(**options):
        settings = WordVectorSettings(**options)
        return Plan.choose(settings, chunk=256, shared_bytes=227 << 10)

    assert choose(dim=100).block == 16
    assert choose(dim=300, window=10).block == 16
    assert choose(dim=800).block == 8
    assert choose(dim=1024).block == 4
    assert choose(dim=800, window=20, model="skipgram").block == 4
    for plan in (choose(dim=100), choose(dim=800)):
        assert plan.block // 2 * plan.negatives // 2 * plan.split <= plan.threads
    with pytest.raises(InputError, match=r"^--dim 2000 with --window 20 .* KiB of the GPU's shared memory"):
        choose(dim=2000, window=20)


@given(
    lines=st.lists(st.lists(st.integers(-1, 2**31 - 2), min_size=1, max_size=9), min_size=1, max_size=9),
    data=st.data(),
)
def test_tokens_tell_their_ids_and_where_lines_end(lines, data):
    ids = np.array([i for line in lines for i in line], np.int32)
    starts = np.cumsum([0, *map(len, lines)], dtype=np.int64)
    start = data.draw(st.integers(0, len(ids)))
    stop = data.draw(st.integers(start, len(ids)))
    out = np.full(stop - start, 77, np.uint32)
    encode_tokens(ids, starts, start=start, stop=stop, out=out)
    np.testing.assert_array_equal((out & ~LINE_END).astype(np.int64) - 1, ids[start:stop])
    ends = np.isin(np.arange(start, stop) + 1, starts[1:])
    np.testing.assert_array_equal(out >= LINE_END, ends)


def test_what_cannot_be_trained_is_refused(tmp_path, corpus):
    device = EmulatedDevice(tmp_path)
    with pytest.raises(InputError, match="2 are the least"):
        GpuLearner(make_corpus([[0, 0]], 1), WordVectorSettings(), device)
    with pytest.raises(InputError, match="negative sampling alone"):
        GpuLearner(corpus, WordVectorSettings(loss="hierarchical-softmax"), device)
    with pytest.raises(InputError, match="published as they are"):
        GpuLearner(corpus, WordVectorSettings(subwords=(3, 6), output_weight=0.5), device)
    small = EmulatedDevice(
        tmp_path, limits=Limits(multiprocessors=1, shared_bytes=227 << 10, free_bytes=10_000)
    )
    with pytest.raises(InputError, match=r"need .* GiB on .*, which has"):
        GpuLearner(corpus, WordVectorSettings(), small)
    learner = GpuLearner(corpus, WordVectorSettings(dim=10), device)
    with pytest.raises(InputError, match="settings differ"):
        learner.restore(*GpuLearner(corpus, WordVectorSettings(dim=11), device).state())


@needs_compiler
def test_a_text_without_neighbours_teaches_nothing(folder):
    lonely = GpuLearner(make_corpus([[0], [1], [-1, 0, -1]], 2), thin(), EmulatedDevice(folder))
    with pytest.raises(InputError, match="nothing to learn from"):
        train(lonely)
