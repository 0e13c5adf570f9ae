"""Gradients of weights that are not multiplied out until those of all threads can be, each part of them on one thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.engines.language.panels import multiply_turned, panel_count

Table = NDArray[np.float32]


@dataclass(frozen=True)
class ProductGradient:
    """The gradient ``left.T · right`` [M, N] of a matrix, of ``left`` [R, M] and ``right`` [R, N] as ``pack`` left them.

    Both belong to a layer, which writes over them with its next block.
    """

    left: Table
    right: Table
    rows: int
    shape: tuple[int, int]

    @property
    def T(self) -> ProductGradient:  # noqa: N802 - as arrays call it
        return ProductGradient(self.right, self.left, self.rows, self.shape[::-1])

    def __mul__(self, other: Table) -> Table:
        product: Table = np.asarray(self) * other
        return product

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("a product that is not multiplied out yet cannot be had without a copy")
        out = np.empty(self.shape, np.float32)
        sum_products([self], out)
        return out.astype(dtype or np.float32, copy=False)


def count_parts(shape: tuple[int, ...]) -> int:
    """Into how many parts the sum of products can be cut: the panels of its longer side."""
    return int(panel_count(max(shape)))


def sum_products(
    gradients: Sequence[ProductGradient], out: Table, parts: slice | None = None, *, keep: bool = False
) -> None:
    """``out``, or the ``parts`` of it, becomes the sum of ``gradients``; with ``keep`` they are added to it."""
    parts = parts or slice(0, count_parts(out.shape))
    for number, gradient in enumerate(gradients):
        left, right, rows = gradient.left, gradient.right, gradient.rows
        multiply_turned(left, right, rows, out, parts.start, parts.stop, int(keep or number > 0))
