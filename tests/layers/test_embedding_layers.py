import numpy as np
from gradients import check_gradients

from trainer.backend import numpy_backend
from trainer.layers.embedding import Embedding, EmbeddingBag

CPU = numpy_backend()


def test_the_book_extracts_rows():
    W = np.arange(21).reshape(7, 3)
    rows = Embedding(W, backend=CPU).forward(np.array([1, 0, 3, 0]))
    assert rows.tolist() == [[3, 4, 5], [0, 1, 2], [9, 10, 11], [0, 1, 2]]


def test_a_row_is_what_the_product_with_a_one_hot_vector_gives(rng):
    W = rng.standard_normal((7, 3))
    one_hot = np.eye(7)[[2, 6, 2]]
    assert np.array_equal(one_hot @ W, Embedding(W, backend=CPU).forward(np.array([2, 6, 2])))


def test_the_book_adds_up_the_gradients_of_an_id_that_comes_twice():
    layer = Embedding(np.zeros((7, 3)), backend=CPU)
    layer.forward(np.array([0, 2, 0, 4]))
    d_out = np.array([[1.0, 2, 3], [4, 5, 6], [10, 20, 30], [7, 8, 9]])
    d_W = layer.backward(d_out)
    assert d_W.rows.tolist() == [0, 2, 4]
    assert d_W.values.tolist() == [[11, 22, 33], [4, 5, 6], [7, 8, 9]]
    assert d_W.height == 7


def test_embedding_gradient(rng):
    W, d_out = rng.standard_normal((6, 4)), rng.standard_normal((3, 2, 4))
    layer = Embedding(W, backend=CPU)
    token_ids = np.array([[1, 5], [1, 0], [1, 5]])
    out = layer.forward(token_ids)
    assert out.shape == (3, 2, 4)
    check_gradients(
        lambda: float(np.sum(layer.forward(token_ids) * d_out)),
        parameters={"W": W},
        gradients={"W": layer.backward(d_out)},
    )


def test_bag_is_a_weighted_sum_of_rows():
    W = np.arange(8.0).reshape(4, 2)
    out = EmbeddingBag(W, backend=CPU).forward(np.array([[1, 3], [2, 0]]), np.array([[1, 0.5], [2, 0]]))
    assert out.tolist() == [[2 + 3, 3 + 3.5], [8, 10]]


def test_bag_gradient(rng):
    W, d_out = rng.standard_normal((6, 4)), rng.standard_normal((3, 4))
    token_ids = np.array([[1, 1, 5], [2, 0, 1], [4, 4, 4]])
    weights = rng.random((3, 3))
    weights[1, 1] = 0
    layer = EmbeddingBag(W, backend=CPU)
    layer.forward(token_ids, weights)
    d_W = layer.backward(d_out)
    assert d_W.rows.tolist() == [1, 2, 4, 5]  # neither 3, which nobody names, nor 0, whose weight is 0
    check_gradients(
        lambda: float(np.sum(layer.forward(token_ids, weights) * d_out)),
        parameters={"W": W},
        gradients={"W": d_W},
    )


def test_bag_takes_other_weights_for_the_way_back(rng):
    layer = EmbeddingBag(rng.standard_normal((6, 4)), backend=CPU)
    token_ids, d_out = np.array([[1, 5]]), rng.standard_normal((1, 4))
    layer.forward(token_ids, np.array([[0.5, 0.5]]))
    d_W = layer.backward(d_out, weights=np.array([[1.0, 3.0]]))
    assert np.array_equal(d_W.values, np.stack([d_out[0], 3 * d_out[0]]))
