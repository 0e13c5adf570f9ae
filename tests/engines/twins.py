"""The row kernels in NumPy."""

import numpy as np


def multiply_tile(keep, out, a, items):
    return keep * out + a @ items


def sum_windows(keep, out, source, scale, window):
    """source is [window + rows + window + 2, W]."""
    offsets = np.arange(-window, window + 1)
    weights = (window + 1 - np.abs(offsets)) * (offsets != 0)
    rows = len(out)
    sums = sum(w * source[window + d : window + d + rows] for w, d in zip(weights, offsets, strict=True))
    return keep * out + scale[:, None] * sums


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype(float)))
