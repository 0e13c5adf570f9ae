"""exp, sigmoid and tanh in float32, written so that LLVM computes a vector of them at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainer.engines.language.compiled import compiled

_ONE, _HALF = np.float32(1), np.float32(0.5)
_LOG2_E = np.float32(1.4426950408889634)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_LEAST = np.float32(-87.0)
_E = [
    np.float32(c)
    for c in (
        1.9875691500e-4,
        1.3981999507e-3,
        8.3334519073e-3,
        4.1665795894e-2,
        1.6666665459e-1,
        5.0000001201e-1,
    )
]
_E0, _E1, _E2, _E3, _E4, _E5 = _E
_REACH = np.float32(16.0)
_P0, _P1, _P2, _P3, _P4 = (
    np.float32(c)
    for c in (
        0.2499999850988388,
        0.008398872800171375,
        5.569004497374408e-05,
        8.505216442245e-08,
        1.4708942397412272e-11,
    )
)
_Q1, _Q2, _Q3, _Q4 = (
    np.float32(c)
    for c in (0.11692879348993301, 0.0016335025429725647, 5.311234872351633e-06, 3.3022353740363997e-09)
)


@compiled
def exp_negative(x: np.float32) -> Any:
    """``exp(x)`` for ``x`` up to 0, relative error below 4e-7; anything below -87 counts as -87. NaN stays NaN.

    Cephes' expf: ``2^n * exp(r)`` with ``|r| <= ln(2) / 2``.
    """
    x = max(x, _LEAST)
    n = np.floor(x * _LOG2_E + _HALF)
    r = x - n * _LN2_HIGH
    r = r - n * _LN2_LOW
    p = ((((_E0 * r + _E1) * r + _E2) * r + _E3) * r + _E4) * r + _E5
    p = p * r * r + r + _ONE
    return p * np.int32((np.int32(n) + 127) << 23).view(np.float32)


@compiled
def sigmoid(x: np.float32) -> Any:
    """``1 / (1 + exp(-x))``, absolute error below 2e-7: ``1/2 + x P(x²) / Q(x²)``, a minimax fit on ``|x| <= 16``."""
    x = max(x, -_REACH)
    x = min(x, _REACH)
    y = x * x
    top = (((_P4 * y + _P3) * y + _P2) * y + _P1) * y + _P0
    bottom = (((_Q4 * y + _Q3) * y + _Q2) * y + _Q1) * y + _ONE
    return _HALF + x * top / bottom


@compiled
def tanh(x: np.float32) -> Any:
    """``2 sigmoid(2 x) - 1``, absolute error below 4e-7."""
    x = x + x
    x = max(x, -_REACH)
    x = min(x, _REACH)
    y = x * x
    top = (((_P4 * y + _P3) * y + _P2) * y + _P1) * y + _P0
    bottom = (((_Q4 * y + _Q3) * y + _Q2) * y + _Q1) * y + _ONE
    return (x + x) * top / bottom
