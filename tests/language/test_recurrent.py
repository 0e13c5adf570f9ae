import numpy as np
import pytest
from language.checking import assert_gradient

from trainer.backend import numpy_backend
from trainer.layers.gru import GRU, TimeGRU
from trainer.layers.lstm import LSTM, TimeLSTM
from trainer.layers.recurrent import RNN, TimeRNN

BACKEND = numpy_backend()
T, B, INPUTS, H = 5, 3, 4, 6
CELLS = {"rnn": (RNN, TimeRNN), "lstm": (LSTM, TimeLSTM), "gru": (GRU, TimeGRU)}
cells = pytest.mark.parametrize("cell", CELLS)


def make_weights(cell, generator):
    gates = CELLS[cell][1].gates
    weights = {
        "w_x": generator.standard_normal((INPUTS, gates * H)) / 2,
        "w_h": generator.standard_normal((H, gates * H)) / 2,
        "b": generator.standard_normal(gates * H) / 2,
    }
    if cell == "gru":
        weights["b_h"] = generator.standard_normal(gates * H) / 2
    return weights


def make_layer(cell, seed=0):
    generator = np.random.default_rng(seed)
    layer = CELLS[cell][1](make_weights(cell, generator), backend=BACKEND)
    layer.state = tuple(generator.standard_normal((B, H)) for _ in range(layer.states))
    return layer, generator


def run_steps(cell, layer, xs):
    """The same as the block, one step after the other."""
    step = CELLS[cell][0](layer.weights, backend=BACKEND)
    state, hs = layer.state, []
    for x in xs:
        state = step.forward(x, *state)
        state = state if isinstance(state, tuple) else (state,)
        hs.append(state[0])
    return np.stack(hs), state


@cells
def test_a_block_is_its_steps(cell):
    layer, generator = make_layer(cell)
    xs = generator.standard_normal((T, B, INPUTS))
    hs, state = run_steps(cell, layer, xs)
    np.testing.assert_allclose(layer.forward(xs), hs, rtol=1e-12, atol=1e-14)
    for found, expected in zip(layer.state, state, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


@cells
def test_one_step_goes_back_as_a_block_of_one(cell):
    layer, generator = make_layer(cell)
    step = CELLS[cell][0](layer.weights, backend=BACKEND)
    x, d_h = generator.standard_normal((B, INPUTS)), generator.standard_normal((B, H))
    step.forward(x, *layer.state)
    # An LSTM's step also takes the gradient of c, which a block starts at zero.
    *d_before, d_weights = step.backward(d_h, *[np.zeros((B, H))] * (layer.states - 1))
    layer.forward(x[None])
    d_xs, d_block_weights = layer.backward(d_h[None])
    for found, expected in zip((d_xs[0], *layer.d_state), d_before, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-13)
    for name, expected in d_weights.items():
        np.testing.assert_allclose(d_block_weights[name], expected, rtol=1e-10, atol=1e-13)


@cells
def test_gradients_through_time(cell):
    layer, generator = make_layer(cell)
    xs = generator.standard_normal((T, B, INPUTS))
    start = tuple(part.copy() for part in layer.state)
    weights_of_loss = generator.standard_normal((T, B, H))

    def loss():
        layer.state = start
        return (layer.forward(xs) * weights_of_loss).sum()

    loss()
    d_xs, d_weights = layer.backward(weights_of_loss)
    d_state = layer.d_state
    assert_gradient(loss, xs, d_xs, generator)
    for name, array in layer.weights.items():
        assert_gradient(loss, array, d_weights[name], generator)
    for part, d_part in zip(start, d_state, strict=True):
        assert_gradient(loss, part, d_part, generator)


@cells
def test_gradient_of_substituted_recurrent_weights(cell):
    layer, generator = make_layer(cell)
    xs = generator.standard_normal((T, B, INPUTS))
    start = layer.state
    other = layer.weights["w_h"] * (generator.random(layer.weights["w_h"].shape) > 0.5)
    weights_of_loss = generator.standard_normal((T, B, H))

    def loss():
        layer.state = start
        return (layer.forward(xs, w_h=other) * weights_of_loss).sum()

    loss()
    assert_gradient(loss, other, layer.backward(weights_of_loss)[1]["w_h"], generator)


@cells
def test_two_blocks_with_the_state_carried_are_one_block(cell):
    layer, generator = make_layer(cell)
    start = layer.state
    xs = generator.standard_normal((2 * T, B, INPUTS))
    whole = layer.forward(xs)
    end = layer.state
    layer.state = start
    halves = [layer.forward(xs[:T]), layer.forward(xs[T:])]
    np.testing.assert_allclose(np.concatenate(halves), whole, rtol=1e-12, atol=1e-14)
    for found, expected in zip(layer.state, end, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


@cells
def test_the_gradient_stops_at_the_cut(cell):
    layer, generator = make_layer(cell)
    start = layer.state
    xs = generator.standard_normal((2 * T, B, INPUTS))
    weights_of_loss = generator.standard_normal((T, B, H))
    # The loss is of the second half alone: through the cut nothing may reach the first half.
    layer.forward(xs)
    d_whole, _ = layer.backward(np.concatenate([np.zeros((T, B, H)), weights_of_loss]))
    assert np.abs(d_whole[:T]).max() > 1e-6
    layer.state = start
    layer.forward(xs[:T])
    middle = layer.state
    layer.forward(xs[T:])
    d_cut, d_weights = layer.backward(weights_of_loss)
    np.testing.assert_allclose(d_cut, d_whole[T:], rtol=1e-10, atol=1e-13)

    def loss():  # the state at the cut is a constant
        layer.state = middle
        return (layer.forward(xs[T:]) * weights_of_loss).sum()

    for name, array in layer.weights.items():
        assert_gradient(loss, array, d_weights[name], generator)


def test_reset_forgets():
    layer, generator = make_layer("lstm")
    xs = generator.standard_normal((T, B, INPUTS))
    layer.forward(xs)
    layer.reset(B)
    first = layer.forward(xs)
    assert np.abs(layer.forward(xs) - first).max() > 1e-3
    layer.reset(B)
    np.testing.assert_array_equal(layer.forward(xs), first)


def test_golden_gru_is_that_of_cudnn():
    """r and z before, the reset gate outside the product: computed by hand for one unit."""
    weights = {
        "w_x": np.array([[0.5, -0.5, 1.0]]),
        "w_h": np.array([[0.25, 0.75, -1.0]]),
        "b": np.array([0.1, 0.2, 0.3]),
        "b_h": np.array([0.0, 0.1, 0.5]),
    }
    x, h = 2.0, 0.5
    r = 1 / (1 + np.exp(-(0.5 * x + 0.1 + 0.25 * h + 0.0)))
    z = 1 / (1 + np.exp(-(-0.5 * x + 0.2 + 0.75 * h + 0.1)))
    n = np.tanh(1.0 * x + 0.3 + r * (-1.0 * h + 0.5))
    found = GRU(weights, backend=BACKEND).forward(np.array([[x]]), np.array([[h]]))
    np.testing.assert_allclose(found, [[(1 - z) * n + z * h]], rtol=1e-12)
