"""Several devices, or several workers on one, that train the same tables and meet to put them together."""

from contextlib import nullcontext
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from engines.cpu_compiler import needs_compiler
from engines.emulated_device import EmulatedDevice, LazyDevice
from engines.specification import thin, train

from artifact.errors import InputError
from trainer.engines import averaging
from trainer.engines import gpu as gpu_engine
from trainer.engines.averaging import count_touches, share_of_sum
from trainer.engines.device import Limits
from trainer.engines.gpu import GpuLearner
from trainer.recipes import WordVectorSettings


def same_everywhere(learner):
    first, *others = ([worker.download(name) for name in worker.tables] for worker in learner.workers)
    for other in others:
        for here, there in zip(first, other, strict=True):
            np.testing.assert_allclose(here, there, rtol=0, atol=0)


@needs_compiler
@pytest.mark.parametrize("count", [2, 3])
def test_workers_share_the_pieces_and_end_with_the_same_tables(folder, corpus, count):
    devices = [EmulatedDevice(folder) for _ in range(count)]
    learner = GpuLearner(corpus, thin(epochs=2), *devices, blocks=1)
    steps = train(learner)
    assert sum(step.words for step in steps) == learner.total_words
    alone = train(GpuLearner(corpus, thin(epochs=2), EmulatedDevice(folder), blocks=1))
    assert sum(step.examples for step in steps) == pytest.approx(
        sum(s.examples for s in alone), abs=len(steps)
    )
    assert all(device.launches for device in devices)
    same_everywhere(learner)


@needs_compiler
def test_room_to_meet_is_asked_for_before_training(folder, corpus):
    def make(count, free):
        limits = Limits(multiprocessors=2, shared_bytes=227 << 10, free_bytes=free)
        devices = [EmulatedDevice(folder, limits=limits) for _ in range(count)]
        return GpuLearner(corpus, thin(), *devices, blocks=1, resident=True)

    def find_least(count):
        low, high = 0, 1 << 30
        while high - low > 1:
            middle = (low + high) // 2
            try:
                make(count, middle)
                high = middle
            except InputError as error:
                assert "GiB" in str(error)
                low = middle
        return high

    tables = make(1, 1 << 30).workers[0].tables.values()
    kept, copies = sum(table.nbytes for table in tables), 8 * max(table.nbytes for table in tables)
    assert find_least(2) - find_least(1) >= kept + copies


@needs_compiler
def test_a_meeting_takes_the_sum_where_the_way_is_long_and_the_mean_where_each_has_arrived(folder, corpus):
    learner = GpuLearner(corpus, thin(), EmulatedDevice(folder), EmulatedDevice(folder), blocks=1)
    rng = np.random.default_rng(0)
    arrays = {
        name: rng.normal(size=table.shape).astype(np.float32) for name, table in learner.state()[0].items()
    }
    for steps, share in ((0.0, 1.0), (1e9, 0.5)):
        learner.restore(arrays, learner.state()[1])
        changes = {
            name: rng.normal(size=(2, *table.shape)).astype(np.float32) for name, table in arrays.items()
        }
        for number, worker in enumerate(learner.workers):
            for name, change in changes.items():
                worker.fill(name, arrays[name] + change[number])
        learner._meetings.meet(steps)
        same_everywhere(learner)
        for name, table in learner.state()[0].items():
            np.testing.assert_allclose(table, arrays[name] + share * changes[name].sum(axis=0), atol=2e-5)


@pytest.mark.parametrize("model", ["cbow", "skipgram"])
@pytest.mark.parametrize("most_numbers", [1 << 25, 50])
def test_every_row_goes_as_far_as_its_own_curvature_lets_it(folder, corpus, monkeypatch, model, most_numbers):
    """Row by row in float64, with matrix functions in place of axes."""
    monkeypatch.setattr(averaging, "MOST_NUMBERS", most_numbers)
    learner = GpuLearner(corpus, thin(model=model), *[EmulatedDevice(folder) for _ in range(3)], blocks=1)
    rng = np.random.default_rng(1)
    arrays = {name: rng.normal(1, 1, table.shape) for name, table in learner.state()[0].items()}
    changes = {name: rng.normal(size=(3, *table.shape)) for name, table in arrays.items()}
    assert learner.remark == "added up here"
    learner.restore({name: table.astype(np.float32) for name, table in arrays.items()}, learner.state()[1])
    for number, worker in enumerate(learner.workers):
        for name, change in changes.items():
            worker.fill(name, (arrays[name] + change[number]).astype(np.float32))
    learner._meetings.meet(4.0)
    touches = count_touches(learner.workers[0].material, corpus.counts)
    found, _ = learner.state()
    # Window 2: nearness 1 and 2, twice; 5 negatives.
    heard = {"cbow": (6 * (1 + 4) / (3 * 2), 1.0), "skipgram": (3 * 6, 3.0)}[model]
    for (name, other), weight in zip(averaging.OTHER.items(), heard, strict=True):
        shares = touches[other].astype(float) / touches[other].sum()
        moment = (arrays[other] * shares[:, None]).T @ arrays[other]
        if other == "input" and model == "cbow":
            mean = shares @ arrays[other]
            moment = np.outer(mean, mean) + 5 / (2 * 9) * (moment - np.outer(mean, mean))
        for row, touched in enumerate(touches[name]):
            stiffness = averaging.STIFFNESS * 4.0 * weight * float(touched) * moment
            once, thrice = (np.eye(len(moment)) - exponential(-n * stiffness) for n in (1, 3))
            expected = arrays[name][row] + changes[name][:, row].sum(axis=0) @ np.linalg.solve(
                3 * once, thrice
            )
            np.testing.assert_allclose(found[name][row], expected, rtol=1e-3, atol=1e-4)


def exponential(matrix):
    """Of a matrix, by its series after halving it ten times."""
    power = term = np.eye(len(matrix))
    for n in range(1, 20):
        term = term @ matrix / 1024 / n
        power = power + term
    return np.linalg.matrix_power(power, 1024)


def test_a_meeting_is_what_quadratic_losses_would_do_one_after_the_other():
    """Gradient flow on h x² / 2, `workers` times from where the one before stopped, against as many at the same time."""
    for workers in (1, 2, 8):
        for stiffness in (1e-7, 0.1, 1.0, 30.0):
            alone, one_by_one = -np.expm1(-stiffness), -np.expm1(-stiffness * workers)
            taken = share_of_sum(np.float32(stiffness), workers) * workers * alone
            assert taken == pytest.approx(one_by_one, rel=2e-2 if stiffness < 1e-6 else 1e-4)


def test_touches_count_words_negatives_and_rows_of_n_grams(folder, corpus):
    settings = thin(subwords=(2, 3), buckets=100, negatives=3)
    learner = GpuLearner(corpus, settings, EmulatedDevice(folder))
    touches = count_touches(learner.workers[0].material, corpus.counts)
    keep = learner.workers[0].material.keep / 2.0**32
    kept = (corpus.counts * keep).sum() / len(corpus.token_ids)
    assert touches["output"].sum() == pytest.approx((1 + 3) * kept, rel=1e-5)
    made_of = np.diff(learner._subwords.starts)
    assert touches["input"].sum() == pytest.approx(
        (corpus.counts * keep * made_of).sum() / len(corpus.token_ids), rel=1e-5
    )
    assert touches["input"].shape == (learner._subwords.height,)


@needs_compiler
@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("early_copies", [True, False])
def test_workers_go_on_from_any_meeting_however_late_a_device_is(
    folder, corpus, monkeypatch, resident, early_copies
):
    monkeypatch.setattr(gpu_engine, "STEP_PIECES", 0)

    def make(kind, **more):
        devices = [kind(folder, **more) for _ in range(2)]
        return GpuLearner(corpus, thin(epochs=2), *devices, blocks=1, resident=resident)

    whole, parted, fresh = (
        make(EmulatedDevice),
        make(LazyDevice, early_copies=early_copies),
        make(EmulatedDevice),
    )
    steps = train(whole)
    assert len(steps) == 6
    parted.warm_up()
    assert [parted.advance() for _ in range(2)] == steps[:2]
    fresh.restore(*parted.state())
    assert train(fresh) == steps[2:]
    np.testing.assert_array_equal(fresh.vectors(), whole.vectors())


def test_more_gpus_than_there_are_is_a_mistake(monkeypatch):
    from trainer.engines import cupy_device

    monkeypatch.setattr(cupy_device, "count_devices", lambda: 2)
    cupy_device.require_devices(2)
    with pytest.raises(InputError, match="--gpus 3: there are 2 GPUs that CUDA can see"):
        cupy_device.require_devices(3)


@pytest.mark.gpu
@pytest.mark.parametrize("count", [2, 3])
def test_copies_give_every_worker_of_a_gpu_the_sum(gpu, monkeypatch, count):
    from trainer.engines import cupy_exchange
    from trainer.engines.cupy_device import CupyDevice

    devices = [CupyDevice() for _ in range(count)]
    monkeypatch.setattr(cupy_exchange, "PART", 1000)
    exchange = devices[0].connect(devices)
    assert isinstance(exchange, cupy_exchange.Copies)  # NCCL wants a device for each
    rng = np.random.default_rng(1)
    for rows in (1, 2, 1000):
        numbers = rng.integers(-9, 9, (count, rows, 100)).astype(np.float32)
        arrays = [device.zeros(numbers[0].shape, np.float32) for device in devices]
        for device, array, source in zip(devices, arrays, numbers, strict=True):
            device.write(source, array)
        exchange.add_up(arrays)
        for device, array in zip(devices, arrays, strict=True):
            np.testing.assert_array_equal(device.read(array), numbers.sum(axis=0))


@pytest.mark.gpu
def test_nccl_takes_the_table_of_one_gpu_as_it_is(gpu):
    from trainer.engines.cupy_device import CupyDevice
    from trainer.engines.cupy_exchange import Nccl, find_nccl

    nccl = find_nccl()
    if nccl is None:
        pytest.skip("CuPy finds no NCCL: pip install nvidia-nccl-cu12, or -cu13")
    device = CupyDevice()
    numbers = np.arange(3000, dtype=np.float32).reshape(-1, 100)
    array = device.zeros(numbers.shape, np.float32)
    device.write(numbers, array)
    Nccl([device], nccl).add_up([array])
    np.testing.assert_array_equal(device.read(array), numbers)


@pytest.mark.gpu
@pytest.mark.parametrize("subwords", [None, (2, 3)])
def test_workers_on_one_gpu_learn_together(gpu, corpus, subwords):
    from trainer.engines.cupy_device import CupyDevice

    options = WordVectorSettings(
        dim=12,
        window=3,
        epochs=4,
        subsample=2e-3,
        learning_rate=0.1,
        shared_negatives=8,
        subwords=subwords,
        buckets=500,
    )
    learner = GpuLearner(corpus, options, CupyDevice(), CupyDevice())
    steps, alone = train(learner), train(GpuLearner(corpus, options, CupyDevice()))
    for name in learner.workers[0].tables:
        first, second = (worker.download(name) for worker in learner.workers)
        np.testing.assert_allclose(first, second, atol=1e-4)
    losses = [
        sum(s.loss_sum for s in each[-3:]) / sum(s.examples for s in each[-3:]) for each in (steps, alone)
    ]
    assert losses[0] < 1.1 * losses[1]
    units = learner.vectors() / np.linalg.norm(learner.vectors(), axis=1, keepdims=True)
    cosines = units @ units.T
    assert cosines[:10, :10].mean() > cosines[:10, 10:].mean() + 0.2


class BrokenNccl:
    """CuPy's module, of a library that fails when ``fails`` is called."""

    NCCL_FLOAT32, NCCL_SUM = 7, 0

    class NcclError(RuntimeError):
        pass

    def __init__(self, fails, error=NcclError):
        self.fails, self.error, self.open = fails, error, 0
        self.NcclCommunicator = SimpleNamespace(initAll=self.make)

    def make(self, numbers):
        self.fail("initAll")
        return [SimpleNamespace(allReduce=lambda *_: self.fail("allReduce")) for _ in numbers]

    def fail(self, name):
        if name == self.fails:
            raise self.error(name)

    def groupStart(self):  # noqa: N802 - NCCL's name
        self.open += 1

    def groupEnd(self):  # noqa: N802
        self.open -= 1
        self.fail("groupEnd")


@pytest.mark.parametrize(
    ("fails", "error"),
    [
        ("initAll", BrokenNccl.NcclError),
        ("allReduce", BrokenNccl.NcclError),
        ("groupEnd", BrokenNccl.NcclError),
        ("initAll", KeyError),  # what CuPy makes of errors that are newer than it
        (None, None),
    ],
)
def test_devices_meet_by_copies_where_nccl_does_not_work(monkeypatch, fails, error):
    from trainer.engines import cupy_exchange

    @dataclass
    class Apart(EmulatedDevice):
        number: int = 0

        def zeros(self, shape, dtype):
            return SimpleNamespace(data=SimpleNamespace(ptr=0), size=1)

        def computing(self):
            return nullcontext(SimpleNamespace(ptr=0))

    nccl = BrokenNccl(fails, error)
    monkeypatch.setattr(cupy_exchange, "find_nccl", lambda: nccl)
    devices = [Apart(None, number=number) for number in range(2)]
    expected = cupy_exchange.Copies if fails else cupy_exchange.Nccl
    exchange = cupy_exchange.connect(devices)
    assert isinstance(exchange, expected)
    assert nccl.open == 0
    assert exchange.remark == (
        f"GPUs meet by copies: NCCL does not work here ({error(fails)})" if fails else ""
    )
    monkeypatch.setattr(cupy_exchange, "find_nccl", lambda: None)
    assert "CuPy finds no NCCL" in cupy_exchange.connect(devices).remark
