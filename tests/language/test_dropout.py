import numpy as np
import pytest

from trainer.backend import numpy_backend
from trainer.layers.dropout import DropConnect, TimeDropout, WordDropout, draw_mask

BACKEND = numpy_backend()
SHAPE = (6, 4, 50)


def generator(seed=0):
    return np.random.default_rng(seed)


def test_mask_keeps_the_mean():
    mask = draw_mask((400, 500), 0.3, dtype=np.float64, generator=generator(), backend=BACKEND)
    assert set(np.unique(mask)) == {0.0, 1 / 0.7}
    assert mask.mean() == pytest.approx(1, abs=0.01)


def test_without_a_generator_nothing_changes():
    xs = generator(1).standard_normal(SHAPE)
    for layer in (TimeDropout(0.5, backend=BACKEND), TimeDropout(0.0, backend=BACKEND)):
        assert layer.forward(xs) is xs
        assert layer.backward(xs) is xs
    assert TimeDropout(0.0, backend=BACKEND).forward(xs, generator()) is xs
    W = xs[0]
    connect = DropConnect(0.5, backend=BACKEND)
    assert connect.forward(W) is W
    assert connect.backward(W) is W


@pytest.mark.parametrize("variational", [False, True])
def test_gradient_passes_where_the_value_did(variational):
    xs = np.ones(SHAPE)
    layer = TimeDropout(0.4, backend=BACKEND, variational=variational)
    out = layer.forward(xs, generator(2))
    np.testing.assert_array_equal(layer.backward(np.ones(SHAPE)), out)
    assert 0.5 < np.count_nonzero(out) / out.size < 0.7


def test_variational_mask_is_one_for_all_steps():
    xs = np.ones(SHAPE)
    out = TimeDropout(0.4, backend=BACKEND, variational=True).forward(xs, generator(3))
    np.testing.assert_array_equal(out, np.broadcast_to(out[0], SHAPE))
    assert (out[0, 0] != out[0, 1]).any()  # but each lane has its own
    plain = TimeDropout(0.4, backend=BACKEND).forward(xs, generator(3))
    assert (plain[0] != plain[1]).any()


def test_word_dropout_drops_all_occurrences():
    token_ids = generator(4).integers(0, 10, (20, 3))
    xs = np.ones((20, 3, 5))
    layer = WordDropout(0.5, backend=BACKEND)
    out = layer.forward(xs, token_ids=token_ids, height=10, generator=generator(5))
    for word in range(10):
        values = np.unique(out[token_ids == word])
        assert len(values) == 1
    assert set(np.unique(out)) == {0.0, 2.0}
    np.testing.assert_array_equal(layer.backward(np.ones_like(xs)), out)


def test_drop_connect_drops_weights():
    W = np.ones((30, 40))
    layer = DropConnect(0.5, backend=BACKEND)
    dropped = layer.forward(W, generator(6))
    assert W.all()
    assert set(np.unique(dropped)) == {0.0, 2.0}
    np.testing.assert_array_equal(layer.backward(np.ones_like(W)), dropped)
