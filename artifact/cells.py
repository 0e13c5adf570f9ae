"""The recurrent cells, forward only, in NumPy alone: plain RNN, LSTM and GRU over lanes of unequal length in one pass.

The trainer has the same cells with their backward passes; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from artifact.errors import Corrupt
from artifact.products import Tiled, multiply

Floats = NDArray[np.float32]


class Cell:
    """One layer. What it remembers of a lane is ``states`` [S, H]: h, and for the LSTM c.

    ``w_x`` [I, G·H], ``w_h`` [H, G·H], ``b`` [G·H] with G gates side by side, float32 or float16 (widened once).
    Raises Corrupt where shapes or types do not fit.
    """

    gates: ClassVar[int]
    states: ClassVar[int]
    parts: ClassVar[tuple[str, ...]] = ("w_x", "w_h", "b")
    """Its weights, each called ``layer{i}.`` and then this."""

    def __init__(self, weights: Mapping[str, NDArray[Any]], *, layer: int, inputs: int) -> None:
        self.inputs = inputs
        w_h = take(weights, f"layer{layer}.w_h")
        self.hidden = len(w_h)
        wide = self.gates * self.hidden
        self._w_h = widen(check_shape(w_h, f"layer{layer}.w_h", (self.hidden, wide)))
        w_x = take(weights, f"layer{layer}.w_x")
        self._w_x = Tiled(widen(check_shape(w_x, f"layer{layer}.w_x", (inputs, wide))))
        b = take(weights, f"layer{layer}.b")
        self._b = widen(check_shape(b, f"layer{layer}.b", (wide,)))

    def project(self, xs: Floats) -> Floats:
        """x · w_x + b [N, G·H] for ``xs`` [N, I]."""
        sums = self._w_x.multiply(xs)
        sums += self._b
        return sums

    def run(self, sums: Floats, states: Floats, counts: Sequence[int], hs: Floats) -> None:
        """Write h after each input of B lanes to ``hs`` [ΣT, H], packed step by step; ``states`` [S, B, H] move along.

        ``sums`` [ΣT, G·H]: the projected inputs (see ``project``), which are overwritten. ``counts`` [T]: how many lanes take
        part in each step. The lanes stand by falling length, so those of one step are always the first.
        """
        row = 0
        for count in counts:
            self._step(sums[row : row + count], states[:, :count])
            hs[row : row + count] = states[0, :count]
            row += count

    def _step(self, sums: Floats, states: Floats) -> None:
        """Move ``states`` [S, B, H] one step on; ``sums`` [B, G·H] is x · w_x + b and may be overwritten."""
        raise NotImplementedError


class RnnCell(Cell):
    """``h = tanh(x · w_x + h · w_h + b)`` (Elman 1990)."""

    gates = 1
    states = 1

    def _step(self, sums: Floats, states: Floats) -> None:
        sums += multiply(states[0], self._w_h)
        np.tanh(sums, out=states[0])


class LstmCell(Cell):
    """``f, g, i, o``: ``c = f * c + g * i``, ``h = o * tanh(c)`` (Hochreiter and Schmidhuber 1997, Gers et al. 2000)."""

    gates = 4
    states = 2

    def __init__(self, weights: Mapping[str, NDArray[Any]], *, layer: int, inputs: int) -> None:
        super().__init__(weights, layer=layer, inputs=inputs)
        # σ(x) = (1 + tanh(x / 2)) / 2, so that one tanh serves all four gates and nothing overflows.
        self._scale = np.full(4 * self.hidden, 0.5, dtype=np.float32)
        self._scale[self.hidden : 2 * self.hidden] = 1.0
        self._shift = 1.0 - self._scale

    def _step(self, sums: Floats, states: Floats) -> None:
        H = self.hidden
        h, c = states
        sums += multiply(h, self._w_h)
        sums *= self._scale
        np.tanh(sums, out=sums)
        sums *= self._scale
        sums += self._shift
        c *= sums[:, :H]
        c += sums[:, H : 2 * H] * sums[:, 2 * H : 3 * H]
        np.multiply(sums[:, 3 * H :], np.tanh(c), out=h)


class GruCell(Cell):
    """``r, z, n``: ``n = tanh(x·w + b + r * (h·w + b_h))``, ``h = (1 - z) * n + z * h`` (Cho et al. 2014, as in cuDNN)."""

    gates = 3
    states = 1
    parts = ("w_x", "w_h", "b", "b_h")

    def __init__(self, weights: Mapping[str, NDArray[Any]], *, layer: int, inputs: int) -> None:
        super().__init__(weights, layer=layer, inputs=inputs)
        b_h = take(weights, f"layer{layer}.b_h")
        self._b_h = widen(check_shape(b_h, f"layer{layer}.b_h", (3 * self.hidden,)))

    def _step(self, sums: Floats, states: Floats) -> None:
        H = self.hidden
        h = states[0]
        from_h = multiply(h, self._w_h)
        from_h += self._b_h
        gates = sums[:, : 2 * H]
        gates += from_h[:, : 2 * H]
        gates *= 0.5
        np.tanh(gates, out=gates)
        gates *= 0.5
        gates += 0.5
        n = from_h[:, 2 * H :]
        n *= gates[:, :H]
        n += sums[:, 2 * H :]
        np.tanh(n, out=n)
        h -= n
        h *= gates[:, H:]
        h += n


CELLS: Mapping[str, type[Cell]] = {"rnn": RnnCell, "lstm": LstmCell, "gru": GruCell}


def take(weights: Mapping[str, NDArray[Any]], name: str) -> NDArray[Any]:
    """The tensor called ``name``; Corrupt where it is missing."""
    if name not in weights:
        raise Corrupt(f"the weights lack {name}")
    return weights[name]


def check_shape(array: NDArray[Any], name: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """``array`` itself; Corrupt where its shape is not ``shape`` or it is neither float32 nor float16."""
    if array.shape != shape or array.dtype not in (np.float32, np.float16) or 0 in shape:
        raise Corrupt(f"{name} is {array.dtype} {array.shape}, where float32 or float16 {shape} is needed")
    return array


def widen(array: NDArray[Any]) -> Floats:
    """``array`` itself where it is float32, and so may stay mapped; else a copy in memory."""
    return array.astype(np.float32, copy=False)
