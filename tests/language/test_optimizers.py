import numpy as np
import pytest

from artifact.errors import InputError
from trainer.backend import numpy_backend
from trainer.engines.language.updates import FastUpdater
from trainer.language_optimizers import ASGD, Updater, make_language_optimizer
from trainer.layers.gradients import RowGradient

BACKEND = numpy_backend()
updaters = pytest.mark.parametrize("kind", [Updater, FastUpdater])
optimizers = pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "asgd"])


def make(name, kind=Updater, *, weight_decay=0.0, clip=0.0, seed=0, average_decay=0.0):
    generator = np.random.default_rng(seed)
    parameters = {
        "W": generator.standard_normal((7, 5)).astype(np.float32),
        "E": generator.standard_normal((9, 4)).astype(np.float32),
    }
    optimizer = make_language_optimizer(
        name, parameters, backend=BACKEND, weight_decay=weight_decay, average_decay=average_decay
    )
    return parameters, kind(optimizer, backend=BACKEND, clip=clip, weight_decay=weight_decay)


def gradients(seed):
    generator = np.random.default_rng(seed)
    rows = np.sort(generator.permutation(9)[:3])
    values = generator.standard_normal((3, 4)).astype(np.float32)
    return [
        ("W", generator.standard_normal((7, 5)).astype(np.float32)),
        ("E", RowGradient(rows=rows, values=values, height=9)),
    ]


@updaters
def test_clipping_bounds_the_step(kind):
    parameters, updater = make("sgd", kind, clip=0.5)
    before = {name: table.copy() for name, table in parameters.items()}
    norm = updater.update([gradients(1), gradients(2)], learning_rate=1.0)
    moved = np.sqrt(sum(((parameters[name] - before[name]) ** 2).sum() for name in parameters))
    assert norm > 2
    assert moved == pytest.approx(0.5, rel=1e-5)


@updaters
def test_the_parts_are_added_up(kind):
    first, together = make("sgd", kind)
    second, apart = make("sgd", kind)
    parts = [[("W", g), *rest] for (_, g), *rest in (gradients(1), gradients(2))]
    expected = first["W"] - 0.1 * (parts[0][0][1] + parts[1][0][1])
    norm = together.update(parts, learning_rate=0.1)
    np.testing.assert_allclose(first["W"], expected, rtol=1e-5, atol=1e-6)
    assert norm > 0
    apart.update([gradients(1)], learning_rate=0.1)
    apart.update([gradients(2)], learning_rate=0.1)
    np.testing.assert_allclose(first["E"], second["E"], rtol=1e-5, atol=1e-6)


@updaters
@optimizers
def test_what_is_not_a_number_changes_nothing(kind, name):
    parameters, updater = make(name, kind, weight_decay=0.0 if name == "adam" else 0.1, clip=1.0)
    before = {key: table.copy() for key, table in parameters.items()}
    bad = gradients(1)
    bad[0][1][2, 3] = np.nan
    assert not np.isfinite(updater.update([bad], learning_rate=0.1))
    for key, table in parameters.items():
        np.testing.assert_array_equal(table, before[key])
    assert updater.optimizer.steps == 0


@optimizers
def test_the_fast_update_is_the_plain_one(name):
    decay = 0.0 if name == "adam" else 0.1
    plain_parameters, plain = make(name, Updater, weight_decay=decay, clip=2.0)
    fast_parameters, fast = make(name, FastUpdater, weight_decay=decay, clip=2.0)
    for seed in range(5):
        if name == "asgd" and seed == 2:
            plain.optimizer.start_averaging()
            fast.optimizer.start_averaging()
        norms = [
            each.update([gradients(seed), gradients(seed + 50)], learning_rate=0.05) for each in (plain, fast)
        ]
        assert norms[0] == pytest.approx(norms[1], rel=1e-5)
    assert plain.optimizer.steps == fast.optimizer.steps == 5
    for key, table in plain_parameters.items():
        np.testing.assert_allclose(fast_parameters[key], table, rtol=1e-5, atol=1e-6)
    arrays, values = plain.optimizer.state()
    fast_arrays, fast_values = fast.optimizer.state()
    assert values == fast_values
    for key, table in arrays.items():
        np.testing.assert_allclose(fast_arrays[key], table, rtol=1e-5, atol=1e-6)


def test_adamw_decays_apart_from_the_gradient():
    parameters, updater = make("adamw", weight_decay=0.5)
    before = parameters["W"].copy()
    updater.update([[("W", np.zeros((7, 5), np.float32))]], learning_rate=0.1)
    np.testing.assert_allclose(parameters["W"], before * 0.95, rtol=1e-6)


def test_averages_are_the_mean_of_the_weights_after_each_step():
    parameters, updater = make("asgd")
    optimizer = updater.optimizer
    assert isinstance(optimizer, ASGD)
    updater.update([gradients(0)], learning_rate=0.1)
    assert optimizer.averages == {}
    optimizer.start_averaging()
    seen = []
    for seed in range(1, 5):
        updater.update([gradients(seed)], learning_rate=0.1)
        seen.append(parameters["W"].copy())
    np.testing.assert_allclose(optimizer.averages["W"], np.mean(seen, axis=0), rtol=1e-5, atol=1e-6)


@updaters
@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_averages_with_a_decay_forget(kind, name):
    """A mean at first, from the fourth step on three quarters of itself and a quarter of the weights."""
    parameters, updater = make(name, kind, average_decay=0.75)
    expected = 0.0
    for seed in range(6):
        updater.update([gradients(seed)], learning_rate=0.1)
        share = max(1 / (seed + 1), 0.25)
        expected = (1 - share) * expected + share * parameters["W"].astype(np.float64)
    np.testing.assert_allclose(updater.optimizer.averages["W"], expected, rtol=1e-5, atol=1e-6)
    arrays, values = updater.optimizer.state()
    _, other = make(name, kind, average_decay=0.75)
    other.optimizer.restore(arrays, values)
    assert other.optimizer.averaged == 6
    np.testing.assert_array_equal(other.optimizer.averages["E"], updater.optimizer.averages["E"])


@optimizers
def test_state_goes_on(name):
    parameters, updater = make(name)
    updater.update([gradients(0)], learning_rate=0.1)
    if name == "asgd":
        updater.optimizer.start_averaging()
    updater.update([gradients(1)], learning_rate=0.1)
    arrays, values = updater.optimizer.state()
    arrays = {key: table.copy() for key, table in arrays.items()}
    other_parameters, other = make(name)
    for key, table in parameters.items():
        other_parameters[key][...] = table
    other.optimizer.restore(arrays, values)
    for each in (updater, other):
        each.update([gradients(2)], learning_rate=0.1)
    for key, table in parameters.items():
        np.testing.assert_array_equal(other_parameters[key], table)
    for key, table in updater.optimizer.state()[0].items():
        np.testing.assert_array_equal(other.optimizer.state()[0][key], table)


def test_unknown_optimizers_are_refused():
    with pytest.raises(InputError, match="choose one of sgd, adam, adamw, asgd"):
        make("rmsprop")
    with pytest.raises(InputError, match="use --optimizer adamw"):
        make("adam", weight_decay=0.1)
