"""A float64 check of gradients against finite differences, along random directions through all parameters at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from trainer.backend import numpy_backend
from trainer.layers.gradients import Gradient, RowGradient


def check_gradients(
    loss: Callable[[], float],
    *,
    parameters: Mapping[str, NDArray[np.float64]],
    gradients: Mapping[str, Gradient],
    directions: int = 5,
    step: float = 1e-6,
    tolerance: float = 1e-7,
) -> None:
    """Assert that ``gradients`` are those of ``loss()``, which reads ``parameters`` (changed in place, then put back)."""
    assert set(parameters) == set(gradients)
    dense = {
        name: each.to_dense(numpy_backend()) if isinstance(each, RowGradient) else each
        for name, each in gradients.items()
    }
    for name, values in parameters.items():
        assert values.dtype == np.float64, name
        assert dense[name].shape == values.shape, name
    saved = {name: values.copy() for name, values in parameters.items()}
    generator = np.random.default_rng(5)
    for _ in range(directions):
        direction = {name: generator.standard_normal(values.shape) for name, values in parameters.items()}
        found = []
        for sign in (1, -1):
            for name, values in parameters.items():
                values[...] = saved[name] + sign * step * direction[name]
            found.append(loss())
            for name, values in parameters.items():
                values[...] = saved[name]
        numeric = (found[0] - found[1]) / (2 * step)
        analytic = sum(float(np.sum(dense[name] * direction[name])) for name in parameters)
        size = sum(float(np.sum(np.abs(dense[name] * direction[name]))) for name in parameters)
        assert size > 1e-3, "a gradient of nothing shows nothing"
        assert abs(numeric - analytic) <= tolerance * max(size, 1.0), (numeric, analytic)
