"""A recurrent network over words: embedding, layers of cells, and the distribution of the next word, in NumPy alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.cells import CELLS, Cell, Floats, check_shape, take, widen
from artifact.errors import Corrupt, Unsupported
from artifact.pieces import ALONE, Crew, Piece
from artifact.products import multiply, multiply_transposed
from artifact.word_projections import WordProjections

MAX_LAYERS = 64
_LOGITS_AT_ONCE = 4 << 20
_ROWS_AT_ONCE = 2048
_STEPS_AT_ONCE = 10
_PIECES_A_HAND = 2

Memory = tuple[Floats, ...]
"""What the network remembers of one text: [S, H] for each layer."""


@dataclass(slots=True)
class _Stretch:
    """Some steps of one layer: first ``take_in``, then ``step``."""

    layer: Cell
    project: Callable[[], Floats]
    states: Floats
    counts: Sequence[int]
    hs: Floats
    sums: Floats = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32))

    def take_in(self) -> None:
        """Project the inputs, which needs no earlier h."""
        self.sums = self.project()

    def step(self) -> None:
        """Move the states on."""
        sums, self.sums = self.sums, self.sums[:0]
        self.layer.run(sums, self.states, self.counts, self.hs)


class Network:
    """``embedding`` [V, E], ``layer{i}.*``, ``output`` [H, V] (tied: the embedding), ``output_bias`` [V].

    float32 weights are used where they lie, so they may be memory maps, but for copies of w_x in tiles once few rows at a
    time were multiplied by it; float16 ones are widened once, but for the embedding where it is not tied. Raises Corrupt
    where names or shapes do not fit and Unsupported for a cell that this release does not know.
    """

    def __init__(self, weights: Mapping[str, NDArray[Any]], *, cell: str) -> None:
        if cell not in CELLS:
            raise Unsupported(f"this release does not know the cell {cell!a:.40}")
        self._weights = dict(weights)
        self._embedding = take(weights, "embedding")
        if self._embedding.ndim != 2:
            raise Corrupt(f"embedding is {self._embedding.shape}, where [V, E] is needed")
        self.vocab_size, inputs = self._embedding.shape
        check_shape(self._embedding, "embedding", (self.vocab_size, inputs))
        self._layers: list[Cell] = []
        while f"layer{len(self._layers)}.w_h" in weights and len(self._layers) < MAX_LAYERS:
            layer = CELLS[cell](
                weights,
                layer=len(self._layers),
                inputs=self._layers[-1].hidden if self._layers else inputs,
            )
            self._layers.append(layer)
        if not self._layers:
            raise Corrupt("the weights lack layer0.w_h")
        self.hidden = self._layers[-1].hidden
        self._bias = widen(check_shape(take(weights, "output_bias"), "output_bias", (self.vocab_size,)))
        if "output" in weights:
            self._output = widen(check_shape(weights["output"], "output", (self.hidden, self.vocab_size)))
        else:
            if inputs != self.hidden:
                raise Corrupt(
                    f"the weights are tied, but an embedding is {inputs} wide and h is {self.hidden}"
                )
            self._embedding = widen(self._embedding)
            self._output = self._embedding.T
        self._is_tied = "output" not in weights
        self._words = WordProjections(self._embedding, self._layers[0])
        known = {"embedding", "output", "output_bias", "counts"}
        known |= {
            f"layer{number}.{part}" for number in range(len(self._layers)) for part in CELLS[cell].parts
        }
        if strange := sorted(set(weights) - known):
            raise Corrupt(f"the weights have {strange[0][:40]!a}, which this network has no use for")

    def check(self) -> None:
        """Corrupt unless every weight is finite."""
        for name, array in self._weights.items():
            if not np.isfinite(array).all():
                raise Corrupt(f"{name} has a weight that is not finite")

    def prepare(self) -> None:
        """Compute beforehand what many texts need, in memory of this process: see ``WordProjections.fill``."""
        self._words.fill()

    def start(self) -> Memory:
        """The memory before anything was read: zeros."""
        return tuple(np.zeros((layer.states, layer.hidden), dtype=np.float32) for layer in self._layers)

    def run(
        self, memories: Sequence[Memory], texts: Sequence[NDArray[np.int32]], *, crew: Crew = ALONE
    ) -> tuple[list[Memory], list[Floats]]:
        """Read B ``texts`` (ids, lengths may differ) together, each going on from its memory; both are left as they are.

        With a ``crew`` of several, a layer reads the beginning while the one below it goes on. Gives each one's memory
        afterwards and its h [T, H] after each word. Raises IndexError for an id outside.
        """
        if not texts:
            return [], []
        order = sorted(range(len(texts)), key=lambda lane: -len(texts[lane]))
        lengths = np.array([len(texts[lane]) for lane in order], dtype=np.int64)
        longest = int(lengths[0])
        # Step by step, the lanes that are that long: as packed sequences in cuDNN and PyTorch.
        counts = np.searchsorted(-lengths, -np.arange(longest), side="left").tolist()
        padded = np.zeros((longest, len(order)), dtype=np.int64)
        taking_part = np.arange(longest)[:, np.newaxis] < lengths
        for place, lane in enumerate(order):
            padded[: lengths[place], place] = texts[lane]
        token_ids = padded[taking_part]
        if len(token_ids) and not 0 <= int(token_ids.min()) <= int(token_ids.max()) < self.vocab_size:
            raise IndexError(f"a token id is outside 0 … {self.vocab_size - 1}")
        moved = [
            np.stack([memories[lane][number] for lane in order], axis=1)
            for number in range(len(self._layers))
        ]
        hs = self._advance(token_ids, moved, counts, crew)
        lane_of = np.broadcast_to(np.arange(len(order)), taking_part.shape)[taking_part]
        result_memories: list[Memory] = [()] * len(order)
        result_hs: list[Floats] = [hs] * len(order)
        for place, lane in enumerate(order):
            result_memories[lane] = tuple(states[:, place].copy() for states in moved)
            result_hs[lane] = hs if len(order) == 1 else hs[lane_of == place]
        return result_memories, result_hs

    def _advance(
        self, token_ids: NDArray[np.int64], moved: Sequence[Floats], counts: Sequence[int], crew: Crew
    ) -> Floats:
        """h [ΣT, H] of the last layer after each of ``token_ids`` [ΣT]; the layers' states ``moved`` [S, B, H] move along."""
        rows = [0, *accumulate(counts)]
        cuts = _cut(counts, _STEPS_AT_ONCE * counts[0] if crew.hands > 1 and counts else _ROWS_AT_ONCE)
        pieces: list[Piece] = []
        below: list[Piece] = []
        hs = np.empty((0, 0), dtype=np.float32)
        for number, layer in enumerate(self._layers):
            under, hs = hs, np.empty((len(token_ids), layer.hidden), dtype=np.float32)
            steps: list[Piece] = []
            for place, (start, stop) in enumerate(pairwise(cuts)):
                span = slice(rows[start], rows[stop])
                stretch = _Stretch(
                    layer=layer,
                    project=partial(self._project, number, token_ids, under, span),
                    states=moved[number],
                    counts=counts[start:stop],
                    hs=hs[span],
                )
                # Never more than two stretches ahead of the steps, which bounds the memory of what was taken in.
                taken_in = Piece(stretch.take_in, after=(*below[place : place + 1], *steps[-2:-1]))
                steps.append(Piece(stretch.step, after=(taken_in, *steps[-1:])))
                pieces += [taken_in, steps[-1]]
            below = steps
        (crew if len(cuts) > 2 else ALONE).perform(pieces)
        return hs

    def _project(self, number: int, token_ids: NDArray[np.int64], below: Floats, rows: slice) -> Floats:
        """The projected inputs of layer ``number``: the words, or what the layer ``below`` made of them."""
        if number == 0:
            return self._words.project(token_ids[rows])
        return self._layers[number].project(below[rows])

    def logits(self, hs: Floats, *, crew: Crew = ALONE) -> Floats:
        """The scores [N, V] of the next word after each h of ``hs`` [N, H]."""
        scores = np.empty((len(hs), self.vocab_size), dtype=np.float32)

        def score(words: slice) -> None:
            if self._is_tied:
                multiply_transposed(hs, self._embedding[words], out=scores[:, words])
            else:
                multiply(hs, self._output[:, words], out=scores[:, words])

        # More pieces than hands, since some may come late.
        pieces = 1 if crew.hands == 1 else _PIECES_A_HAND * crew.hands
        ends = [self.vocab_size * piece // pieces for piece in range(pieces + 1)]
        crew.perform([Piece(partial(score, slice(*part))) for part in pairwise(ends)])
        scores += self._bias
        return scores

    def probabilities(self, hs: Floats, *, crew: Crew = ALONE) -> Floats:
        """p(next word) [N, V] after each h of ``hs`` [N, H]: the softmax of the scores."""
        scores = self.logits(hs, crew=crew)
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
        return scores

    def score(self, hs: Floats, targets: NDArray[np.int32]) -> NDArray[np.float64]:
        """p of each of ``targets`` [N] after the h of the same row of ``hs`` [N, H]; [N], a block of rows at a time."""
        result = np.empty(len(targets), dtype=np.float64)
        step = max(1, _LOGITS_AT_ONCE // self.vocab_size)
        for start in range(0, len(targets), step):
            scores = self.logits(hs[start : start + step])
            wanted = targets[start : start + step, np.newaxis]
            highest = scores.max(axis=1, keepdims=True)
            chosen = np.take_along_axis(scores, wanted, axis=1) - highest
            scores -= highest
            np.exp(scores, out=scores)
            total = scores.sum(axis=1, dtype=np.float64)
            result[start : start + step] = np.exp(chosen[:, 0].astype(np.float64)) / total
        return result


def _cut(counts: Sequence[int], most_rows: int) -> list[int]:
    """The steps at which to cut, from 0 to the last, so that a part has at least ``most_rows`` rows and few more."""
    cuts, rows = [0], 0
    for step, count in enumerate(counts, 1):
        rows += count
        if rows >= most_rows or step == len(counts):
            cuts.append(step)
            rows = 0
    return cuts
