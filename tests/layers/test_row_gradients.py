import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.backend import numpy_backend
from trainer.layers.gradients import RowGradient, clip_gradients, global_norm, merge_gradients, sum_outer

CPU = numpy_backend()


@given(st.integers(0, 60), st.integers(1, 4), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_sums_are_those_of_a_loop(B, M, height, seed):
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, height, (B, M)).astype(np.int32)
    coefficients = rng.standard_normal((B, M)) * (rng.random((B, M)) < 0.8)
    vectors = rng.standard_normal((B, 3))
    expected = np.zeros((height, 3))
    for b in range(B):
        for m in range(M):
            expected[rows[b, m]] += coefficients[b, m] * vectors[b]
    found = sum_outer(rows=rows, coefficients=coefficients, vectors=vectors, height=height, backend=CPU)
    assert found.rows.tolist() == sorted(set(rows[coefficients != 0].tolist()))
    np.testing.assert_allclose(found.to_dense(CPU), expected, atol=1e-12)


def test_thousands_of_one_row_lose_no_precision():
    rows = np.zeros((100_000, 1), np.int32)
    found = sum_outer(
        rows=rows,
        coefficients=np.full(rows.shape, 0.1, np.float32),
        vectors=np.ones((100_000, 1), np.float32),
        height=1,
        backend=CPU,
    )
    assert found.values[0, 0] == pytest.approx(10_000, rel=1e-6)


def row_gradient(rows, values):
    return RowGradient(rows=np.array(rows), values=np.array(values, float)[:, None], height=5)


def test_gradients_of_a_shared_weight_are_added_up():
    merged = merge_gradients(
        [("W", row_gradient([0, 3], [1, 2])), ("b", np.ones(2)), ("W", row_gradient([3, 4], [10, 20]))], CPU
    )
    assert list(merged) == ["W", "b"]
    assert isinstance(merged["W"], RowGradient)
    assert merged["W"].to_dense(CPU)[:, 0].tolist() == [1, 0, 0, 12, 20]


@pytest.mark.parametrize("rows_first", [True, False])
def test_rows_and_a_whole_table_make_a_whole_table(rows_first):
    dense, rows = np.ones((5, 1)), row_gradient([1], [7])
    pair = [("W", rows), ("W", dense)] if rows_first else [("W", dense), ("W", rows)]
    assert merge_gradients(pair, CPU)["W"][:, 0].tolist() == [1, 8, 1, 1, 1]
    assert dense.sum() == 5  # what was given is left as it was


def test_clipping_scales_all_together_to_the_global_norm():
    gradients = {"W": row_gradient([0, 3], [3, 0]), "b": np.array([4.0])}
    assert global_norm(gradients, CPU) == 5
    clipped = clip_gradients(gradients, max_norm=1.0, backend=CPU)
    assert global_norm(clipped, CPU) == pytest.approx(1)
    assert clipped["W"].values[:, 0] == pytest.approx([0.6, 0])
    assert clipped["b"] == pytest.approx([0.8])
    assert gradients["b"].tolist() == [4.0]


def test_small_gradients_are_not_clipped():
    gradients = {"b": np.array([4.0])}
    assert clip_gradients(gradients, max_norm=5.0, backend=CPU)["b"].tolist() == [4.0]
