import numpy as np
import pytest
from gradients import check_gradients

from trainer.backend import numpy_backend
from trainer.layers.negative_sampling import NegativeSamplingLoss

CPU = numpy_backend()


def log_sigmoid(x):
    return -np.log1p(np.exp(-x))


@pytest.fixture
def case(rng):
    W, h = rng.standard_normal((8, 4)), rng.standard_normal((3, 4))
    targets, negatives = (
        np.array([2, 5, 2]),
        np.array([[1, 1, 7], [0, 5, 3], [4, 6, 2]]),
    )  # 5 and 2 hit the target
    return W, h, targets, negatives


def test_loss_is_the_formula_and_leaves_out_the_target_among_its_negatives(case):
    W, h, targets, negatives = case
    layer = NegativeSamplingLoss(W, backend=CPU, negative_weight=0.25)
    losses = layer.forward(h, targets=targets, negatives=negatives, example_weights=np.array([1, 0, 3.0]))
    expected = np.zeros(3)
    for b, target in enumerate(targets):
        expected[b] = -log_sigmoid(h[b] @ W[target])
        expected[b] -= 0.25 * sum(log_sigmoid(-h[b] @ W[k]) for k in negatives[b] if k != target)
    np.testing.assert_allclose(losses, expected * [1, 0, 3], rtol=1e-12)


@pytest.mark.parametrize("negative_weight", [1.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True])
def test_gradient(case, rng, negative_weight, weighted):
    W, h, targets, negatives = case
    inputs = {
        "targets": targets,
        "negatives": negatives,
        "example_weights": rng.random(3) if weighted else None,
    }
    layer = NegativeSamplingLoss(W, backend=CPU, negative_weight=negative_weight)
    layer.forward(h, **inputs)
    d_h, d_W = layer.backward()
    check_gradients(
        lambda: float(layer.forward(h, **inputs).sum()),
        parameters={"W": W, "h": h},
        gradients={"W": d_W, "h": d_h},
    )


def test_shared_negatives_cost_as_much_as_own_ones_on_average(case):
    """Every word once, weighted K / V: the mean over all draws of K negatives."""
    W, h, targets, _ = case
    K, V = 2, len(W)
    shared = NegativeSamplingLoss(W, backend=CPU, negative_weight=K / V)
    found = shared.forward(h, targets=targets, negatives=np.tile(np.arange(V), (3, 1)))
    own = NegativeSamplingLoss(W, backend=CPU)
    draws = [
        own.forward(h, targets=targets, negatives=np.tile([a, b], (3, 1))) for a in range(V) for b in range(V)
    ]
    np.testing.assert_allclose(found, np.mean(draws, axis=0), rtol=1e-12)


def test_float32_stays_float32(case):
    W, h, targets, negatives = case
    layer = NegativeSamplingLoss(W.astype(np.float32), backend=CPU)
    losses = layer.forward(h.astype(np.float32), targets=targets, negatives=negatives)
    d_h, d_W = layer.backward()
    assert losses.dtype == d_h.dtype == d_W.values.dtype == np.float32
