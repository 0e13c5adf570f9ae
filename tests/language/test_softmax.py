import numpy as np
import pytest
from language.checking import assert_gradient

from trainer.backend import numpy_backend
from trainer.layers.softmax import SoftmaxOutput, TimeSoftmaxWithLoss
from trainer.layers.time import TimeAffine, TimeEmbedding

BACKEND = numpy_backend()
T, B, V, H = 4, 3, 11, 5


def make_scores(seed=0):
    generator = np.random.default_rng(seed)
    scores = generator.standard_normal((T, B, V)) * 3
    targets = generator.integers(0, V, (T, B))
    return scores, targets, generator


def test_loss_is_the_negative_log_probability():
    scores, targets, _ = make_scores()
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=2, keepdims=True)
    expected = -np.log(np.take_along_axis(probabilities, targets[..., None], axis=2)).sum()
    assert TimeSoftmaxWithLoss(backend=BACKEND).forward(scores, targets) == pytest.approx(expected, rel=1e-12)


def test_large_scores_do_not_overflow():
    scores = np.zeros((1, 1, 3))
    scores[0, 0] = [1e4, 0, -1e4]
    layer = TimeSoftmaxWithLoss(backend=BACKEND)
    assert layer.forward(scores, np.array([[0]])) == pytest.approx(0, abs=1e-12)
    assert layer.forward(scores, np.array([[2]])) == pytest.approx(2e4)
    assert np.isfinite(layer.backward()).all()


def test_gradient():
    scores, targets, generator = make_scores()
    layer = TimeSoftmaxWithLoss(backend=BACKEND)
    layer.forward(scores, targets)
    d_scores = layer.backward(0.5)
    assert_gradient(lambda: 0.5 * layer.forward(scores, targets), scores, d_scores, generator)


def test_ignored_places_have_no_loss_and_no_gradient():
    scores, targets, _ = make_scores()
    layer = TimeSoftmaxWithLoss(backend=BACKEND)
    targets[1, 2] = targets[3, 0] = -1
    loss = layer.forward(scores, targets)
    d_scores = layer.backward()
    assert not d_scores[1, 2].any()
    assert not d_scores[3, 0].any()
    kept = targets.ravel() >= 0
    alone = layer.forward(scores.reshape(-1, 1, V)[kept], targets.reshape(-1, 1)[kept])
    assert loss == pytest.approx(alone, rel=1e-12)
    np.testing.assert_allclose(layer.backward()[:, 0], d_scores.reshape(-1, V)[kept], rtol=1e-12)


def test_all_ignored_is_no_loss():
    scores, targets, _ = make_scores()
    layer = TimeSoftmaxWithLoss(backend=BACKEND)
    assert layer.forward(scores, np.full_like(targets, -1)) == 0
    assert not layer.backward().any()


def test_affine_gradients():
    generator = np.random.default_rng(1)
    xs, W, b = (generator.standard_normal(shape) for shape in ((T, B, H), (H, V), V))
    weights = generator.standard_normal((T, B, V))
    layer = TimeAffine(W, b, backend=BACKEND)

    def loss():
        return (layer.forward(xs) * weights).sum()

    loss()
    for array, gradient in zip((xs, W, b), layer.backward(weights), strict=True):
        assert_gradient(loss, array, gradient, generator)


def test_embedding_gradient_adds_up_repeated_words():
    generator = np.random.default_rng(2)
    W, weights = generator.standard_normal((V, H)), generator.standard_normal((T, B, H))
    token_ids = np.array([[0, 1, 1], [1, 4, 0], [9, 9, 9], [0, 1, 2]])
    layer = TimeEmbedding(W, backend=BACKEND)
    layer.forward(token_ids)
    gradient = layer.backward(weights)

    def loss():
        return (layer.forward(token_ids) * weights).sum()

    assert_gradient(loss, W, gradient, generator)


@pytest.mark.parametrize("tied", [False, True])
def test_output_gradients(tied):
    generator = np.random.default_rng(3)
    hs, b = generator.standard_normal((T, B, H)), generator.standard_normal(V)
    W = generator.standard_normal((V, H)).T if tied else generator.standard_normal((H, V))
    targets = generator.integers(-1, V, (T, B))
    output = SoftmaxOutput(W, b, backend=BACKEND)
    loss, *gradients = output.loss_and_gradients(hs, targets, d_loss=0.3)
    assert loss == pytest.approx(output.loss(hs, targets), rel=1e-12)
    for array, gradient in zip((hs, W, b), gradients, strict=True):
        assert_gradient(lambda: 0.3 * output.loss(hs, targets), array, gradient, generator)
