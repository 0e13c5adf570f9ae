import numpy as np
from gradients import check_gradients

from trainer.backend import numpy_backend
from trainer.layers.embedding_dot import EmbeddingDot

CPU = numpy_backend()


def test_scores_are_inner_products_with_the_chosen_rows():
    W = np.arange(21.0).reshape(7, 3)
    h = np.arange(9.0).reshape(3, 3)
    scores = EmbeddingDot(W, backend=CPU).forward(h, np.array([[0], [3], [1]]))
    assert scores.tolist() == [[5], [122], [86]]  # the book, figure 4-14


def test_gradient(rng):
    W, h, d_scores = rng.standard_normal((6, 4)), rng.standard_normal((3, 4)), rng.standard_normal((3, 2))
    rows = np.array([[1, 1], [5, 1], [0, 2]])
    layer = EmbeddingDot(W, backend=CPU)
    layer.forward(h, rows)
    d_h, d_W = layer.backward(d_scores)
    check_gradients(
        lambda: float(np.sum(layer.forward(h, rows) * d_scores)),
        parameters={"W": W, "h": h},
        gradients={"W": d_W, "h": d_h},
    )
