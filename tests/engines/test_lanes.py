import numpy as np
import pytest
from engines import twins
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from trainer.engines import lanes, rows
from trainer.engines.tables import aligned_zeros, row_addresses


@njit
def scale_row(keep, vectors, factor, source, out):
    if keep:
        lanes.scale_row(1, vectors, factor, source, out)
    else:
        lanes.scale_row(0, vectors, factor, source, out)


@njit
def dot_row(vectors, left, right, out):
    lanes.dot_row(vectors, left, right, out)


@njit
def sigmoid_row(masked, factor, ids, excluded, row):
    if masked:
        lanes.sigmoid_row(1, factor, ids, excluded, row)
    else:
        lanes.sigmoid_row(0, factor, ids, excluded, row)


@njit
def match_lanes(ids, words, low, high):
    return lanes.match_lanes(ids, words, low, high)


@njit
def band_row(factor, center, window, low, high, first, row):
    lanes.band_row(factor, center, window, low, high, first, row)


@njit
def prefetch_row(vectors, row):
    lanes.prefetch_row(vectors, row)


def table(rng, count, vectors):
    made = aligned_zeros(count, 16 * vectors)
    made[:] = rng.normal(size=made.shape)
    return made


SHAPES = {"height": st.integers(1, 21), "count": st.integers(0, 9), "vectors": st.integers(1, 10)}


@given(**SHAPES, turned=st.booleans())
def test_multiply_rows_is_a_matrix_product_added_to_rows(height, count, vectors, turned):
    rng = np.random.default_rng(height)
    out, items, a = table(rng, height, vectors), table(rng, max(count, 1), vectors), table(rng, 32, 2)
    factors = a.T[0:height, :count] if turned else a[0:height, :count]
    expected = twins.multiply_tile(True, out, factors, items[:count])
    strides = [4, a.strides[0]] if turned else [a.strides[0], 4]
    to, of = row_addresses(out), row_addresses(items)
    rows.multiply_rows(a.ctypes.data, *strides, to.ctypes.data, height, of.ctypes.data, count, vectors)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)


def test_multiply_rows_adds_twice_to_a_row_that_is_listed_twice():
    rng = np.random.default_rng(0)
    out, items, a = aligned_zeros(1, 16), table(rng, 1, 1), np.ones((4, 16), np.float32)
    to, of = np.repeat(row_addresses(out), 4), row_addresses(items)
    rows.multiply_rows(a.ctypes.data, 64, 4, to.ctypes.data, 4, of.ctypes.data, 1, 1)
    np.testing.assert_allclose(out[0], 4 * items[0], rtol=1e-6)


@given(rows_of=st.integers(1, 40), dim=st.integers(1, 60))
def test_multiply_lanes_sets_rows_to_a_product(rows_of, dim):
    rng = np.random.default_rng(dim)
    out, items, a = table(rng, rows_of, 1), table(rng, dim, 1), table(rng, rows_of, 4)
    expected = twins.multiply_tile(False, out, a[:, :dim], items)
    to, of = row_addresses(out), row_addresses(items)
    rows.multiply_lanes(a.ctypes.data, a.strides[0], to.ctypes.data, rows_of, of.ctypes.data, dim)
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-4)


@given(count=st.integers(1, 40), vectors=st.integers(1, 9))
def test_dot_with_rows_is_a_product_with_every_row(count, vectors):
    rng = np.random.default_rng(count)
    left, others, out = table(rng, 1, vectors), table(rng, count, vectors), np.ones(count + 16, np.float32)
    of = np.append(row_addresses(others), np.full(12, left.ctypes.data))
    rows.dot_with_rows(left.ctypes.data, of.ctypes.data, count, out.ctypes.data, vectors)
    np.testing.assert_allclose(out[:count], others @ left[0], rtol=1e-4, atol=1e-4)
    assert out[-1] == 1, "more than fifteen lanes beyond the last were written"


@pytest.mark.parametrize("count", range(1, 17))
def test_sums_across_rows_leave_a_lane_for_each_row_and_zeros(count):
    @njit
    def dot_rows(vectors, left, others, out):
        lanes.dot_rows(count, vectors, left, others, out)

    rng = np.random.default_rng(count)
    left, others, out = table(rng, 1, 3), table(rng, count, 3), np.ones(16, np.float32)
    of = row_addresses(others)
    dot_rows(3, left.ctypes.data, of.ctypes.data, out.ctypes.data)
    np.testing.assert_allclose(out[:count], others @ left[0], rtol=1e-4, atol=1e-4)
    assert not out[count:].any()


@njit
def clear_row(vectors, row):
    lanes.clear_row(vectors, row)


def test_clear_row_clears_one_row():
    rows_of = table(np.random.default_rng(0), 3, 2)
    clear_row(2, rows_of[1].ctypes.data)
    assert rows_of.any(axis=1).tolist() == [True, False, True]


@given(count=st.integers(1, 300), window=st.integers(1, 12), vectors=st.integers(1, 9), keep=st.booleans())
def test_window_sums_cost_the_same_and_say_the_same_as_summing_each_window(count, window, vectors, keep):
    rng = np.random.default_rng(count)
    out, source = table(rng, count, vectors), table(rng, count + 2 * window + 2, vectors)
    scale = rng.normal(size=count).astype(np.float32)
    expected = twins.sum_windows(keep, out, source.astype(float), scale, window)
    to, of = row_addresses(out), row_addresses(source)
    rows.sum_windows(
        keep, window, of.ctypes.data + 8 * window, to.ctypes.data, scale.ctypes.data, count, vectors
    )
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-4 * window)


@pytest.mark.parametrize("vectors", [1, 3])
def test_transpose_rows(vectors):
    rng = np.random.default_rng(1)
    source, out = table(rng, 16, vectors), aligned_zeros(16 * vectors, 16)
    rows.transpose_rows(row_addresses(source).ctypes.data, out.ctypes.data, vectors)
    np.testing.assert_array_equal(out, source.T)


@pytest.mark.parametrize("vectors", [1, 7])
def test_scale_and_dot(vectors):
    rng = np.random.default_rng(2)
    source, out = table(rng, 1, vectors), table(rng, 1, vectors)
    before, product = out.copy(), np.zeros(1, np.float32)
    dot_row(vectors, source.ctypes.data, out.ctypes.data, product.ctypes.data)
    assert product[0] == pytest.approx(np.sum(source * out), rel=1e-4, abs=1e-4)
    scale_row(True, vectors, np.float32(0.3), source.ctypes.data, out.ctypes.data)
    np.testing.assert_allclose(out, before + np.float32(0.3) * source, rtol=1e-6, atol=1e-6)
    scale_row(False, vectors, np.float32(-2), source.ctypes.data, out.ctypes.data)
    np.testing.assert_array_equal(out, np.float32(-2) * source)
    prefetch_row(vectors, source.ctypes.data)


def test_sigmoid_is_exact_to_float32_everywhere():
    xs = np.concatenate([np.linspace(-40, 40, 64000), [0, 1e-30, -1e30, 1e30]]).astype(np.float32)
    for start in range(0, len(xs) - 15, 16):
        row = aligned_zeros(1, 16)
        row[0] = xs[start : start + 16]
        sigmoid_row(False, np.float32(1), 0, 0, row.ctypes.data)
        with np.errstate(over="ignore"):
            np.testing.assert_allclose(row[0], twins.sigmoid(xs[start : start + 16]), rtol=0, atol=2e-7)
        assert (row >= 0).all()
        assert (row <= 1).all()


def test_masked_sigmoid_and_matching_lanes():
    ids = np.array([3, 1, 3, *range(10, 23)], np.int32)
    row = aligned_zeros(1, 16)
    sigmoid_row(True, np.float32(2), ids.ctypes.data, 3, row.ctypes.data)
    np.testing.assert_allclose(row[0], np.where(ids == 3, 0, 1), atol=1e-6)
    words = np.array([99, 3, 22, 3, 98], np.int32)
    for low, high, expected in (
        (1, 2, 0b101),
        (2, 3, 1 << 15),
        (0, 5, 0b101 | 1 << 15),
        (4, 5, 0),
        (2, 2, 0),
    ):
        assert match_lanes(ids.ctypes.data, words.ctypes.data, low, high) == expected


@given(
    center=st.integers(0, 60),
    window=st.integers(1, 30),
    low=st.integers(0, 60),
    high=st.integers(0, 60),
    first=st.sampled_from([0, 16, 32]),
)
def test_band_row_weighs_the_words_around(center, window, low, high, first):
    low, high = max(low, center - window), min(high, center + window + 1)
    row = table(np.random.default_rng(center), 1, 1)
    lane = first + np.arange(16)
    inside = (lane >= low) & (lane < high) & (lane != center)
    expected = 0.5 * (window + 1 - np.abs(lane - center)) * (1 - twins.sigmoid(row[0])) * inside
    band_row(np.float32(0.5), center, window, low, high, first, row.ctypes.data)
    np.testing.assert_allclose(row[0], expected, rtol=1e-5, atol=1e-5)
