"""What cuBLAS is told: by a stand-in that multiplies the column-major matrices that it is pointed at."""

import ctypes

import numpy as np
import pytest

from trainer.engines.language.cublas import COMPUTE_TYPES, Cublas


class Library:
    """``cublasGemmEx`` in NumPy, and nothing else."""

    def __init__(self):
        self.calls = []

    def cublasGemmEx(self, handle, *given):  # noqa: N802 - cuBLAS's name
        turned_a, turned_b, m, n, k = (each.value for each in given[:5])
        alpha, (a, a_type, lda), (b, b_type, ldb) = given[5]._obj.value, given[6:9], given[9:12]
        beta, (c, c_type, ldc), (compute, algorithm) = given[12]._obj.value, given[13:16], given[16:]
        assert (a_type.value, b_type.value, c_type.value, algorithm.value) == (0, 0, 0, -1)
        left = view(a, lda, *((k, m) if turned_a else (m, k)))
        right = view(b, ldb, *((n, k) if turned_b else (k, n)))
        out = view(c, ldc, m, n)
        product = alpha * (left.T if turned_a else left) @ (right.T if turned_b else right)
        out[...] = product + (beta * out if beta else 0)  # 0 means that it is not read
        self.calls.append(compute.value)
        return 0


def view(pointer, leading, rows, columns):
    """A column-major matrix in memory, without what lies between its columns."""
    assert leading.value >= rows
    size = leading.value * (columns - 1) + rows
    flat = np.ctypeslib.as_array(ctypes.cast(pointer, ctypes.POINTER(ctypes.c_float)), (size,))
    return np.lib.stride_tricks.as_strided(flat, (rows, columns), (4, 4 * leading.value))


class OnDevice(np.ndarray):
    """An array that says where it lies as CuPy's do."""

    @property
    def data(self):
        class Memory:
            ptr = self.ctypes.data

        return Memory


def make_blas(precision="float32"):
    blas = Cublas.__new__(Cublas)
    blas._library, blas._handle = Library(), None
    blas._compute = ctypes.c_int(COMPUTE_TYPES[precision])
    return blas


def lay_out(values, kind):
    """``values`` as they may lie: in rows, turned, in rows of a wider matrix, or that turned."""
    if "turned" in kind:
        return lay_out(values.T, kind.replace("turned", "")).T
    gap = 3 if "apart" in kind else 0
    whole = np.full((len(values), values.shape[1] + gap), np.nan, np.float32)
    whole[:, : values.shape[1]] = values
    return whole[:, : values.shape[1]].view(OnDevice)


KINDS = ["", "turned", "apart", "turned apart"]


@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize("out_kind", KINDS)
@pytest.mark.parametrize("b_kind", KINDS)
@pytest.mark.parametrize("a_kind", KINDS)
def test_products_of_all_layouts(a_kind, b_kind, out_kind, add):
    generator = np.random.default_rng(0)
    for rows, depth, columns in ((3, 4, 5), (1, 4, 5), (3, 1, 5), (3, 4, 1), (1, 1, 1), (2, 2, 2)):
        shapes = ((rows, depth), (depth, columns), (rows, columns))
        values = [generator.standard_normal(shape).astype(np.float32) for shape in shapes]
        a, b, out = (lay_out(v, kind) for v, kind in zip(values, (a_kind, b_kind, out_kind), strict=True))
        if not add:
            out[...] = np.nan
        make_blas().multiply(a, b, out, add=add)
        expected = values[0].astype(np.float64) @ values[1] + (values[2] if add else 0)
        np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)
        wider = out.base
        if out_kind.endswith("apart") and isinstance(wider, np.ndarray) and wider.size > out.size:
            assert np.isnan(wider).sum() == wider.size - out.size


def test_the_precision_is_asked_for():
    a, b, out = (lay_out(np.ones((2, 2), np.float32), "") for _ in range(3))
    for precision, code in COMPUTE_TYPES.items():
        blas = make_blas(precision)
        blas.multiply(a, b, out)
        assert blas._library.calls == [code]


def test_shapes_must_fit():
    a, b, out = (lay_out(np.ones(shape, np.float32), "") for shape in ((2, 3), (2, 3), (2, 3)))
    with pytest.raises(ValueError, match="does not fit"):
        make_blas().multiply(a, b, out)
