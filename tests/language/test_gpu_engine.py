"""A language model's training on a GPU against the plain one: on the CPU through cuda_on_cpu.h, and on a GPU where there is one."""

import dataclasses
import math

import numpy as np
import pytest
from engines.cpu_compiler import COMPILER
from engines.test_gpu_compiling import compile_with_nvrtc, find_nvrtc
from language.emulated_training import EmulatedLanguageDevice

from trainer.backend import Backend, numpy_backend
from trainer.engines.language.gpu_device import training_program
from trainer.engines.language.gpu_engine import GpuToolbox, gpu_engine, warm_up
from trainer.engines.language.gpu_layers import GpuOutput, WordRows, sum_columns
from trainer.engines.language.gpu_products import multiply_aligned
from trainer.engines.language.gpu_training import GraphTrainer
from trainer.language_optimizers import ASGD
from trainer.language_recipes import RnnlmSettings
from trainer.layers.gradients import RowGradient, sum_outer
from trainer.layers.softmax import SoftmaxOutput
from trainer.models.rnnlm_learner import LanguageEngine, RnnlmLearner

SIZE = 60
SETTINGS = RnnlmSettings(
    hidden=19,
    embedding=13,
    layers=2,
    tie_weights=True,
    batch_size=6,
    time_steps=7,
    epochs=2,
    learning_rate=1.0,
    patience=0,
    initial="uniform",
    threads=1,
)
OPTIMIZERS = {
    "sgd": {"optimizer": "sgd", "learning_rate": 2.0},
    "adam": {"optimizer": "adam", "learning_rate": 1e-3},
    "adamw": {"optimizer": "adamw", "learning_rate": 1e-3, "weight_decay": 0.01},
    "asgd": {"optimizer": "asgd", "average_after": 0, "weight_decay": 0.01},
    "averaged-adamw": {"optimizer": "adamw", "learning_rate": 1e-3, "average_decay": 0.8},
}
EVERYTHING = {
    "embedding_dropout": 0.1,
    "input_dropout": 0.3,
    "hidden_dropout": 0.25,
    "output_dropout": 0.4,
    "weight_drop": 0.5,
    "activation_penalty": 2.0,
    "change_penalty": 1.0,
    "vary_steps": True,
    "shift_lanes": True,
}
_STEP, _ALL = 0x9E3779B97F4A7C15, (1 << 64) - 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture(params=["emulated", pytest.param("gpu", marks=pytest.mark.gpu)])
def make_device(request, folder):
    """Makes a device, on which nothing else was done."""
    if request.param == "gpu":
        request.getfixturevalue("gpu")
        from trainer.engines.language.gpu_cupy import CupyLanguageDevice

        return CupyLanguageDevice
    if COMPILER is None:
        pytest.skip("no C++ compiler to run the kernels on the CPU with")
    return lambda **options: EmulatedLanguageDevice(folder, **options)


@pytest.fixture
def device(make_device):
    return make_device()


def hash_place(values):
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


class Draws:
    """The numbers that the kernels draw for a block, place by place in the order in which a model asks for them."""

    def __init__(self, key, places):
        self.key, self.places = key, iter(places)

    def random(self, shape, dtype):
        place = np.array([(self.key + (next(self.places) + 1) * _STEP) & _ALL], np.uint64)
        size = math.prod(shape)
        pairs = hash_place(hash_place(place) + np.arange(size // 2 + 1, dtype=np.uint64) * np.uint64(_STEP))
        drawn = np.stack([pairs >> np.uint64(32), pairs & np.uint64(2**32 - 1)], axis=1).reshape(-1)
        return (drawn[:size] / 2**32).reshape(shape)


@dataclasses.dataclass(frozen=True)
class DrawingBackend(Backend):
    places: tuple = ()

    def generator(self, seed):
        return Draws(seed, self.places)


def drawing_backend(settings):
    """NumPy, drawing what the device draws. Layers are numbered as they are made: dropouts, words, recurrent weights."""
    layers, dropouts = settings.layers, [settings.share("input")]
    dropouts += [settings.share("hidden")] * (layers - 1) + [settings.share("output")]
    asked = [(layers + 2, settings.embedding_dropout)]
    for i in range(layers):
        asked += [(layers + 3 + i, settings.weight_drop), (1 + i, dropouts[i])]
    asked.append((1 + layers, dropouts[-1]))
    places = tuple(place for place, share in asked if share)
    return DrawingBackend(xp=np, device="CPU", is_gpu=False, places=places)


def make_words(count=300, seed=0):
    generator = np.random.default_rng(seed)
    return np.minimum(generator.zipf(1.5, count) - 1, SIZE - 1).astype(np.int32)


def make_learner(device, *, text=None, **changes):
    """On ``device``; on NumPy with the plain layers for None."""
    settings = dataclasses.replace(SETTINGS, **changes)
    return RnnlmLearner(
        make_words() if text is None else text,
        settings,
        size=SIZE,
        end_of_line=0,
        valid_ids=make_words(90, seed=1),
        backend=drawing_backend(settings) if device is None else device.backend,
        engine=LanguageEngine() if device is None else dataclasses.replace(gpu_engine(device), warm_up=None),
    )


def train(learner):
    while not learner.finished():
        learner.advance()
    return learner


def compare(plain, other, *, tolerance=1e-4):
    """The same epochs and weights but for rounding."""
    for expected, found in zip(plain.epochs, other.epochs, strict=True):
        assert found.valid_perplexity == pytest.approx(expected.valid_perplexity, rel=tolerance)
        assert found.train_perplexity == pytest.approx(expected.train_perplexity, rel=tolerance)
        assert found.best == expected.best
    for name, table in plain.parameters.items():
        found = other.backend.to_numpy(other.parameters[name])
        expected = plain.backend.to_numpy(table)
        np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_training_ends_where_the_plain_one_does(device, cell, tied, optimizer):
    changes = {"cell": cell, "tie_weights": tied, **OPTIMIZERS[optimizer]}
    plain, other = train(make_learner(None, **changes)), train(make_learner(device, **changes))
    compare(plain, other)
    assert other.words_done == other.total_words == plain.words_done
    if optimizer == "asgd":
        assert other._optimizer.averaged == plain._optimizer.averaged
        for name, table in plain._optimizer.averages.items():
            found = device.backend.to_numpy(other._optimizer.averages[name])
            np.testing.assert_allclose(found, table, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("variational", [True, False])
@pytest.mark.parametrize("optimizer", ["asgd", "adamw"])
def test_all_that_regularises_is_what_the_plain_layers_do(device, optimizer, variational):
    """Dropout of all kinds by the same draws, penalties, blocks of varying length, another cut of the text each epoch."""
    changes = {**EVERYTHING, **OPTIMIZERS[optimizer], "variational": variational, "time_steps": 12}
    compare(train(make_learner(None, **changes)), train(make_learner(device, **changes)))


@pytest.mark.parametrize(
    "place", ["embedding_dropout", "input_dropout", "hidden_dropout", "output_dropout", "weight_drop"]
)
def test_a_repeated_step_drops_anew(device, place):
    """Blocks of one length, all but two of them repeated: each drops what the plain layers drop from that block's own seed."""
    changes = {place: 0.5, "variational": True, **OPTIMIZERS["adamw"], "learning_rate": 0.01}
    plain, other = train(make_learner(None, **changes)), train(make_learner(device, **changes))
    compare(plain, other)
    if isinstance(device, EmulatedLanguageDevice):
        assert device.replays > 12


def test_averaging_begins_in_the_middle_of_a_training(device, monkeypatch):
    changes = {**OPTIMIZERS["asgd"], "epochs": 4}
    learners = [make_learner(None, **changes), make_learner(device, **changes)]
    for learner in learners:
        learner.on_epoch = lambda epoch, learner=learner: (
            learner._optimizer.start_averaging() if epoch.number == 2 else None
        )
        train(learner)
        assert isinstance(learner._optimizer, ASGD)
        assert learner._optimizer.averaged > 0
    compare(*learners)


def test_the_order_of_threads_does_not_matter(make_device, request):
    if "gpu" in request.node.callspec.id:
        pytest.skip("a GPU has an order of its own")
    first, second = (
        train(make_learner(make_device(order=order), **EVERYTHING, epochs=1)) for order in (0, 5)
    )
    for name, table in first.parameters.items():
        np.testing.assert_array_equal(second.parameters[name], table, err_msg=name)


def test_a_recorded_step_does_what_the_written_one_does(make_device, monkeypatch):
    """Bit for bit: the order of all sums is fixed."""
    recorded = train(make_learner(make_device(), **EVERYTHING, **OPTIMIZERS["adamw"]))
    device = make_device()

    def do_at_once(work):
        def again():
            with device.at_work():
                work()

        return again

    monkeypatch.setattr(device, "record", do_at_once)
    written = train(make_learner(device, **EVERYTHING, **OPTIMIZERS["adamw"]))
    assert written.epochs == recorded.epochs
    for name, table in recorded.parameters.items():
        found = device.backend.to_numpy(written.parameters[name])
        np.testing.assert_array_equal(found, recorded.backend.to_numpy(table), err_msg=name)


def test_a_step_is_recorded_once_for_each_shape(folder):
    if COMPILER is None:
        pytest.skip("no C++ compiler to run the kernels on the CPU with")
    device = EmulatedLanguageDevice(folder)
    learner = make_learner(device, text=make_words(6 * 7 * 5 + 6 * 3))
    blocks = len(learner._blocks)
    while learner._block < blocks:
        learner.train_block()
    assert device.recordings == 1  # the short block at the end came once
    assert device.replays == blocks - 2


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "asgd"])
def test_resuming_is_exact(device, optimizer, monkeypatch):
    monkeypatch.setattr(GraphTrainer, "ahead", 3)
    changes = {**EVERYTHING, **OPTIMIZERS[optimizer]}
    whole = train(make_learner(device, **changes))
    learner = make_learner(device, **changes)
    for blocks in (3, 4, 1, 5):
        for _ in range(blocks):
            if learner._block < len(learner._blocks):
                learner.train_block()
            elif not learner.finished():
                learner.advance()
        arrays, values = learner.state()
        assert not learner._trainer.started
        learner = make_learner(device, **changes)
        learner.restore({name: np.array(table) for name, table in arrays.items()}, values)
    train(learner)
    # The losses of blocks that were trained one by one are not summed up.
    assert [each.valid_perplexity for each in learner.epochs] == [
        each.valid_perplexity for each in whole.epochs
    ]
    for name, table in whole.best_parameters().items():
        np.testing.assert_array_equal(learner.best_parameters()[name], table, err_msg=name)


def test_a_training_goes_from_the_device_to_the_cpu_and_on(device):
    learner = make_learner(device, **OPTIMIZERS["adam"])
    for _ in range(3):
        learner.train_block()
    plain = make_learner(None, **OPTIMIZERS["adam"])
    plain.restore(*learner.state())
    assert plain._block > 0
    compare(train(plain), train(learner))


def test_the_best_weights_come_back_as_numpy(device):
    learner = train(make_learner(device))
    for name, table in learner.best_parameters().items():
        assert type(table) is np.ndarray, name
    assert learner.vectors().shape == (SIZE, SETTINGS.embedding)
    best = learner.best_epoch()
    assert learner.perplexity(make_words(90, seed=1)) == pytest.approx(best.valid_perplexity, rel=1e-6)


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_what_is_not_a_number_changes_nothing(device, what, monkeypatch):
    """A loss that is not; or one that is, whose gradient is too large for one."""
    monkeypatch.setattr(GraphTrainer, "ahead", 2)
    learner = make_learner(device, optimizer="adam", learning_rate=0.01, tie_weights=False)
    for _ in range(4):
        learner.train_block()
    learner.state()
    block, steps = learner._block, learner._optimizer.steps
    assert block < len(learner._blocks)
    name, value = ("output_bias", np.nan) if what == "loss" else ("output", 1e30)
    table = learner.parameters[name]
    table[...] = device.backend.asarray(np.random.default_rng(0).standard_normal(table.shape) * value)
    before = {key: np.array(device.backend.to_numpy(table)) for key, table in learner.parameters.items()}
    assert math.isnan(learner.train_block())
    assert not learner._trainer.started
    assert (learner._block, learner._optimizer.steps) == (block, steps)
    for key, table in learner.parameters.items():
        np.testing.assert_array_equal(device.backend.to_numpy(table), before[key], err_msg=key)


def test_a_huge_learning_rate_spoils_no_weight(device):
    learner = make_learner(device, learning_rate=1e38, clip=0.0, epochs=6)
    losses = [0.0]
    while math.isfinite(losses[-1]) and not learner.finished():
        losses.append(learner.advance().loss_sum)
    assert not math.isfinite(losses[-1])
    for table in learner.parameters.values():
        assert np.isfinite(device.backend.to_numpy(table)).all()


def test_clipping_is_by_the_norm_of_all(device):
    changes = {"tie_weights": False, "clip": 0.01, "epochs": 1}
    compare(train(make_learner(None, **changes)), train(make_learner(device, **changes)))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("rows_at_once", [4, 100])
@pytest.mark.parametrize(("size", "hidden"), [(333, 30), (160, 16), (7, 3), (1, 1), (1300, 4)])
def test_output(device, tied, rows_at_once, size, hidden, monkeypatch):
    monkeypatch.setattr("trainer.engines.language.gpu_layers.SCORE_BYTES", 4 * size * rows_at_once)
    generator = np.random.default_rng(size)
    hs, b = 2 * generator.standard_normal((5, 3, hidden)), generator.standard_normal(size)
    W = generator.standard_normal((size, hidden)).T if tied else generator.standard_normal((hidden, size))
    targets = generator.integers(-1, size, (5, 3)).astype(np.int32)
    exact = SoftmaxOutput(W, b, backend=numpy_backend()).loss_and_gradients(hs, targets, d_loss=0.25)
    to_device = device.backend.asarray
    single = [np.ascontiguousarray(each, np.float32) for each in (hs, W.T if tied else W, b)]
    on_hs, on_W, on_b = (to_device(each) for each in single)
    gradients = {"W": device.zeros(on_W.shape), "b": device.zeros(b.shape)}
    output = GpuOutput(on_W.T if tied else on_W, on_b, tied=tied, device=device, gradients=gradients)
    labels = to_device(targets)
    with device.at_work():
        losses = output.loss(on_hs, labels)
        found = output.loss_and_gradients(on_hs, labels, d_loss=0.25)
    for each in (losses, found[0]):
        summed = device.backend.to_numpy(each).sum(dtype=np.float64)
        assert summed == pytest.approx(float(exact[0]), rel=1e-5, abs=1e-6)
    for gradient, expected in zip(found[1:], exact[1:], strict=True):
        assert gradient.shape == expected.shape
        np.testing.assert_allclose(device.backend.to_numpy(gradient), expected, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("turned", ["", "a", "b", "out", "a b out"])
@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize(("rows", "depth", "columns"), [(6, 7, 9), (8, 4, 12), (1, 5, 3)])
def test_products_of_what_is_not_aligned(device, monkeypatch, turned, add, rows, depth, columns):
    monkeypatch.setattr("trainer.engines.language.gpu_products.LEAST", 0)
    generator = np.random.default_rng(0)
    shapes = {"a": (rows, depth), "b": (depth, columns), "out": (rows, columns)}
    plain = {name: generator.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    on_device = {}
    for name, array in plain.items():
        if name in turned.split():
            on_device[name] = device.backend.asarray(np.ascontiguousarray(array.T)).T
        else:
            on_device[name] = device.backend.asarray(array.copy())
    seen = []

    def multiply(a, b, out, *, add=False):
        for each in (a, b, *(() if add else (out,))):
            assert max(each.strides) % 16 == 0
        seen.append(out.shape)
        device.multiply(a, b, out, add=add)

    expected = plain["a"].astype(np.float64) @ plain["b"] + (plain["out"] if add else 0)
    with device.at_work():
        multiply_aligned(device, multiply, **on_device, add=add)
    found = device.backend.to_numpy(on_device["out"])
    assert seen == [(rows, columns)]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize("rows", [1, 31, 700])
def test_sums_of_columns(device, rows, add):
    generator = np.random.default_rng(rows)
    matrix, out = (generator.standard_normal(shape).astype(np.float32) for shape in ((rows, 70), 70))
    on_device = [device.backend.asarray(each.copy()) for each in (matrix, out)]
    with device.at_work():
        sum_columns(device, *on_device, add=add)
    expected = matrix.sum(axis=0, dtype=np.float64) + (out if add else 0)
    np.testing.assert_allclose(device.backend.to_numpy(on_device[1]), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("count", [1, 33, 200])
def test_the_gradient_of_an_embedding_is_one_row_for_each_word(device, count):
    generator = np.random.default_rng(count)
    ids = np.minimum(generator.zipf(1.3, (count, 2)) - 1, 20).astype(np.int32)
    d_xs = generator.standard_normal((count, 2, 5)).astype(np.float32)
    parameters = {"embedding": device.backend.asarray(np.zeros((21, 5), np.float32))}
    layer = GpuToolbox(parameters, device=device).embedding(parameters["embedding"], backend=device.backend)
    with device.at_work():
        layer.forward(device.backend.asarray(ids))
        found = layer.backward(device.backend.asarray(d_xs))
    assert isinstance(found, WordRows)
    rows, values = device.backend.to_numpy(found.rows), device.backend.to_numpy(found.values)
    expected = sum_outer(
        rows=ids.reshape(-1, 1),
        coefficients=np.ones((2 * count, 1)),
        vectors=d_xs.reshape(-1, 5).astype(np.float64),
        height=21,
        backend=numpy_backend(),
    )
    assert isinstance(expected, RowGradient)
    places = np.flatnonzero(rows >= 0)
    order = places[np.argsort(rows[places])]
    np.testing.assert_array_equal(rows[order], expected.rows)
    np.testing.assert_allclose(values[order], expected.values, rtol=1e-5, atol=1e-5)


def test_a_share_is_dropped_and_the_rest_made_up_for(device):
    parameters = {"embedding": device.backend.asarray(np.zeros((1, 1), np.float32))}
    dropout = GpuToolbox(parameters, device=device).dropout(0.3, variational=False, backend=device.backend)
    numbers = device.zeros((16,), np.uint32)
    found = []
    for key in (1, 2):
        numbers[...] = device.backend.asarray(np.array([key, *[0] * 15], np.uint32))
        ones = device.backend.asarray(np.ones((50, 20, 10), np.float32))
        with device.at_work():
            out = dropout.forward(ones, numbers)
            back = dropout.backward(device.backend.asarray(np.ones((50, 20, 10), np.float32)))
        found.append(device.backend.to_numpy(out))
        np.testing.assert_array_equal(device.backend.to_numpy(back), found[-1])
        assert set(np.unique(found[-1])) == {np.float32(0), np.float32(1 / 0.7)}
        assert found[-1].mean() == pytest.approx(1, abs=0.04)
    assert 0.3 < (found[0] != found[1]).mean() < 0.55


def test_warming_up_changes_nothing(device):
    learner = make_learner(device, epochs=1)
    before = device.backend.to_numpy(learner.parameters["embedding"]).copy()
    warm_up(dataclasses.replace(learner.settings, time_steps=3, batch_size=2, layers=1), device=device)
    np.testing.assert_array_equal(device.backend.to_numpy(learner.parameters["embedding"]), before)
    assert isinstance(learner._trainer, GraphTrainer)
    compare(train(make_learner(None, epochs=1)), train(learner))


@pytest.mark.gpu
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_single_steps_do_what_the_whole_loops_do(gpu, cell):
    from trainer.engines.language.gpu_cupy import CupyLanguageDevice

    loops, steps = (CupyLanguageDevice(loops=each) for each in ("whole", "steps"))
    compare(train(make_learner(steps, cell=cell)), train(make_learner(loops, cell=cell)))


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_rounded_products_are_near(gpu, precision):
    from trainer.engines.language.gpu_cupy import CupyLanguageDevice

    plain, other = train(make_learner(None)), train(make_learner(CupyLanguageDevice(precision=precision)))
    assert other.epochs[-1].valid_perplexity == pytest.approx(plain.epochs[-1].valid_perplexity, rel=0.02)


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_the_kernels_compile_without_a_warning(architecture):
    library, program = find_nvrtc(), training_program()
    if library is None:
        pytest.skip("NVRTC is not found to compile the kernels with")
    options = [*program.options, f"--gpu-architecture={architecture}"]
    assert not compile_with_nvrtc(library, program.source, options)
