import json

import numpy as np
import pytest

from artifact.errors import InputError
from trainer.backend import numpy_backend
from trainer.layers.gradients import RowGradient
from trainer.optimizers import SGD, Adam, make_optimizer

CPU = numpy_backend()


def literal_adam(gradients, *, learning_rate, beta1=0.9, beta2=0.999):
    """The paper's algorithm for one number: bias-corrected moments, epsilon left out."""
    x = m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        x -= learning_rate * (m / (1 - beta1**t)) / (v / (1 - beta2**t)) ** 0.5
    return x


def test_adam_is_the_papers_algorithm():
    gradients = [3.0, -1.0, 0.5, 2.0]
    table = np.zeros((1, 1))
    optimizer = Adam({"W": table}, backend=CPU, epsilon=0.0)
    for g in gradients:
        optimizer.step({"W": np.array([[g]])}, learning_rate=0.1)
    assert table[0, 0] == pytest.approx(literal_adam(gradients, learning_rate=0.1), rel=1e-12)


def test_the_first_step_of_adam_is_the_learning_rate_whatever_the_gradient():
    table = np.zeros((1, 3))
    Adam({"W": table}, backend=CPU).step({"W": np.array([[1e-3, -5.0, 1e3]])}, learning_rate=0.1)
    assert table[0] == pytest.approx([-0.1, 0.1, -0.1], rel=1e-2)


@pytest.mark.parametrize("kind", [SGD, Adam])
def test_rows_that_are_all_there_are_a_whole_table(kind, rng):
    tables = [np.ones((5, 3)), np.ones((5, 3))]
    dense, rows = (kind({"W": table}, backend=CPU) for table in tables)
    for _ in range(4):
        gradient = rng.standard_normal((5, 3))
        dense.step({"W": gradient}, learning_rate=0.1)
        rows.step({"W": RowGradient(rows=np.arange(5), values=gradient, height=5)}, learning_rate=0.1)
    assert np.array_equal(*tables)
    assert not np.array_equal(tables[0], np.ones((5, 3)))


@pytest.mark.parametrize("kind", [SGD, Adam])
def test_rows_without_a_gradient_stay(kind):
    table = np.ones((4, 2))
    optimizer = kind({"W": table}, backend=CPU)
    gradient = RowGradient(rows=np.array([1, 3]), values=np.ones((2, 2)), height=4)
    for _ in range(3):
        optimizer.step({"W": gradient}, learning_rate=0.1)
    assert table[[0, 2]].tolist() == [[1, 1], [1, 1]]
    assert np.all(table[[1, 3]] < 1)
    for name, array in optimizer.state()[0].items():
        assert not array[[0, 2]].any(), name


def test_sgd_subtracts_the_gradient():
    table = np.ones((2, 2))
    SGD({"W": table}, backend=CPU).step({"W": np.array([[1.0, 2], [3, 4]])}, learning_rate=0.5)
    assert table.tolist() == [[0.5, 0], [-0.5, -1]]


@pytest.mark.parametrize("kind", ["adam", "sgd"])
def test_a_restored_optimizer_goes_on_as_if_nothing_had_happened(kind, rng):
    gradients = rng.standard_normal((6, 3, 2)).astype(np.float32)
    table = np.ones((3, 2), np.float32)
    optimizer = make_optimizer(kind, {"W": table}, backend=CPU)
    for number, gradient in enumerate(gradients):
        if number == 3:
            arrays, values = optimizer.state()
            arrays = {name: array.copy() for name, array in arrays.items()}
            values = json.loads(json.dumps(values))
            resumed_table = table.copy()
        optimizer.step({"W": gradient}, learning_rate=0.1)
    resumed = make_optimizer(kind, {"W": resumed_table}, backend=CPU)
    resumed.restore(arrays, values)
    for gradient in gradients[3:]:
        resumed.step({"W": gradient}, learning_rate=0.1)
    assert np.array_equal(table, resumed_table)


def test_unknown_optimizer():
    with pytest.raises(InputError, match="unknown optimizer 'adagrad': choose one of adam, sgd"):
        make_optimizer("adagrad", {}, backend=CPU)
