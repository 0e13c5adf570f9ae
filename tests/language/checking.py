"""Directional derivatives, and small models to take them of."""

import numpy as np

from trainer.layers.gradients import RowGradient


def slope(loss, array, direction, *, step=1e-5):
    """The derivative of ``loss()`` along ``direction`` of ``array``, by central differences."""
    before = array.copy()
    array[...] = before + step * direction
    up = float(loss())
    array[...] = before - step * direction
    down = float(loss())
    array[...] = before
    return (up - down) / (2 * step)


def assert_gradient(loss, array, gradient, generator, *, tolerance=1e-6):
    """``gradient`` agrees with finite differences of ``loss()`` along random directions of ``array`` (float64)."""
    if isinstance(gradient, RowGradient):
        dense = np.zeros((gradient.height, *gradient.values.shape[1:]))
        dense[gradient.rows] = gradient.values
        gradient = dense
    assert gradient.shape == array.shape
    assert array.dtype == np.float64
    for _ in range(3):
        direction = generator.standard_normal(array.shape)
        expected = slope(loss, array, direction)
        found = float((gradient * direction).sum())
        assert abs(found - expected) <= tolerance * max(1.0, abs(expected)), (found, expected)
