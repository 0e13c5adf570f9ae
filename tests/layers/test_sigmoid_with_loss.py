import numpy as np
import pytest
from gradients import check_gradients

from trainer.backend import numpy_backend
from trainer.layers.sigmoid_with_loss import SigmoidWithLoss, sigmoid

CPU = numpy_backend()


def test_loss_is_the_cross_entropy_of_the_sigmoid(rng):
    x = rng.standard_normal((4, 3))
    labels = rng.integers(0, 2, (4, 3))
    y = 1 / (1 + np.exp(-x))
    expected = -(labels * np.log(y) + (1 - labels) * np.log(1 - y))
    np.testing.assert_allclose(SigmoidWithLoss(backend=CPU).forward(x, labels), expected, rtol=1e-12)
    np.testing.assert_allclose(sigmoid(x, CPU), y, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_scores_neither_overflow_nor_become_log_of_zero(dtype):
    x = np.array([1e4, -1e4, 1e4, -1e4], dtype)
    layer = SigmoidWithLoss(backend=CPU)
    losses = layer.forward(x, np.array([1, 0, 0, 1], dtype))
    assert losses.dtype == dtype
    assert losses.tolist() == [0, 0, 1e4, 1e4]
    assert layer.backward().tolist() == [0, 0, 1, -1]
    assert sigmoid(np.array([-50], dtype), CPU)[0] == pytest.approx(np.exp(-50), rel=1e-4)


def test_gradient_with_weights(rng):
    x, d_losses = rng.standard_normal((4, 3)), rng.standard_normal((4, 3))
    labels, weights = rng.integers(0, 2, (4, 3)), rng.random((4, 3))
    layer = SigmoidWithLoss(backend=CPU)
    layer.forward(x, labels, weights=weights)
    check_gradients(
        lambda: float(np.sum(layer.forward(x, labels, weights=weights) * d_losses)),
        parameters={"x": x},
        gradients={"x": layer.backward(d_losses)},
    )


def test_gradient_without_weights(rng):
    x, labels = rng.standard_normal((4, 3)), rng.integers(0, 2, (4, 3))
    layer = SigmoidWithLoss(backend=CPU)
    layer.forward(x, labels)
    check_gradients(
        lambda: float(layer.forward(x, labels).sum()), parameters={"x": x}, gradients={"x": layer.backward()}
    )
