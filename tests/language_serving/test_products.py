import numpy as np
import pytest

from artifact.products import Tiled, multiply, multiply_transposed

ROWS = [1, 2, 3, 4, 7, 16, 24, 25]


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("shape", [(3, 5), (130, 520), (130, 512), (700, 1000), (700, 63)])
def test_a_product_of_any_number_of_rows_is_the_product(rows, shape):
    random = np.random.default_rng(rows)
    x = random.normal(size=(rows, shape[0])).astype(np.float32)
    w = random.normal(size=shape).astype(np.float32)
    expected = x.astype(np.float64) @ w.astype(np.float64)
    for got in (multiply(x, w), Tiled(w).multiply(x)):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, expected, rtol=0, atol=2e-6 * shape[0])
    wide = np.full((rows, shape[1] + 9), np.nan, dtype=np.float32)
    for multiply_into in (
        lambda out: multiply(x, w, out=out),
        lambda out: multiply_transposed(x, np.ascontiguousarray(w.T), out=out),
    ):
        wide[:] = np.nan
        multiply_into(wide[:, 4:-5])
        np.testing.assert_allclose(wide[:, 4:-5], expected, rtol=0, atol=2e-6 * shape[0])
        assert np.isnan(wide[:, :4]).all()
        assert np.isnan(wide[:, -5:]).all()


@pytest.mark.parametrize("rows", ROWS)
def test_a_product_is_in_an_array_of_its_own_and_takes_views(rows):
    random = np.random.default_rng(rows)
    states = random.normal(size=(2, 30, 300)).astype(np.float32)
    w = random.normal(size=(300, 700)).astype(np.float32)
    w.flags.writeable = False
    before = states.copy()
    got = multiply(states[:, :rows][0], w)
    got += 1
    np.testing.assert_allclose(got, states[0, :rows] @ w + 1, atol=1e-3)
    np.testing.assert_array_equal(states, before)
