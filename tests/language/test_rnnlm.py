import dataclasses

import numpy as np
import pytest
from language.checking import assert_gradient

from trainer.backend import numpy_backend
from trainer.language_recipes import RnnlmSettings
from trainer.layers.gradients import merge_gradients
from trainer.models.rnnlm import Rnnlm, initial_parameters

BACKEND = numpy_backend()
T, B, V = 5, 3, 13
SETTINGS = RnnlmSettings(hidden=7, layers=2, initial="uniform", threads=1)
REGULARISED = {
    "dropout": 0.4,
    "variational": True,
    "embedding_dropout": 0.3,
    "weight_drop": 0.4,
    "activation_penalty": 0.7,
    "change_penalty": 0.9,
}


def make_model(**changes):
    settings = dataclasses.replace(SETTINGS, **changes)
    parameters = initial_parameters(settings, size=V, dtype=np.float64)
    generator = np.random.default_rng(0)
    for name in parameters:
        parameters[name] = generator.standard_normal(parameters[name].shape) / 2
    block = generator.integers(0, V, (T, B)), generator.integers(-1, V, (T, B))
    return Rnnlm(parameters, settings, backend=BACKEND), parameters, block, generator


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("tied", [False, True])
def test_gradients_of_all_weights(cell, tied):
    model, parameters, (inputs, targets), generator = make_model(cell=cell, tie_weights=tied, embedding=6)
    model.reset(B)
    loss, gradients = model.loss_and_gradients(inputs, targets, scale=0.1)
    merged = merge_gradients(gradients, BACKEND)
    assert set(merged) == set(parameters)

    def compute():
        model.reset(B)
        return 0.1 * model.loss(inputs, targets)

    assert compute() == pytest.approx(0.1 * float(loss), rel=1e-12)
    for name, array in parameters.items():
        assert_gradient(compute, array, merged[name], generator)


def test_gradients_with_every_regulariser():
    """The loss that is descended: cross-entropy with masks, and the two penalties as AWD-LSTM defines them."""
    model, parameters, (inputs, targets), generator = make_model(tie_weights=True, embedding=6, **REGULARISED)
    scale = 1 / targets.size

    def compute():
        model.reset(B)
        masks = np.random.default_rng(5)
        hs, raw = model._read(inputs, masks)
        change = raw[1:] - raw[:-1]
        return scale * model.output.loss(hs, targets) + 0.7 * (hs**2).mean() + 0.9 * (change**2).mean()

    model.reset(B)
    _, gradients = model.loss_and_gradients(inputs, targets, scale=scale, generator=np.random.default_rng(5))
    merged = merge_gradients(gradients, BACKEND)
    for name, array in parameters.items():
        assert_gradient(compute, array, merged[name], generator)


def test_blocks_go_on_where_the_last_one_ended():
    model, _, (inputs, targets), _ = make_model()
    model.reset(B)
    whole = float(model.loss(inputs, targets))
    model.reset(B)
    halves = float(model.loss(inputs[:2], targets[:2])) + float(model.loss(inputs[2:], targets[2:]))
    assert halves == pytest.approx(whole, rel=1e-12)
    state = model.state
    after = float(model.loss(inputs, targets))
    model.state = state
    assert float(model.loss(inputs, targets)) == after


def test_nothing_is_dropped_without_a_generator():
    model, _, (inputs, targets), _ = make_model(**REGULARISED)
    plain, _, _, _ = make_model()
    model.reset(B)
    plain.reset(B)
    assert float(model.loss(inputs, targets)) == float(plain.loss(inputs, targets))


def test_tied_layers_end_as_wide_as_the_embedding():
    parameters = initial_parameters(dataclasses.replace(SETTINGS, tie_weights=True, embedding=4), size=V)
    assert "output" not in parameters
    assert {name: table.shape for name, table in parameters.items()} == {
        "embedding": (V, 4),
        "layer0.w_x": (4, 28),
        "layer0.w_h": (7, 28),
        "layer0.b": (28,),
        "layer1.w_x": (7, 16),
        "layer1.w_h": (4, 16),
        "layer1.b": (16,),
        "output_bias": (V,),
    }


def test_the_seed_decides_the_start():
    first, again = (initial_parameters(SETTINGS, size=V) for _ in range(2))
    other = initial_parameters(dataclasses.replace(SETTINGS, seed=2), size=V)
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
    assert (first["embedding"] != other["embedding"]).any()
