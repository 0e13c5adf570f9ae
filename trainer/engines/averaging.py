"""Tables of several devices put together: what each has learned since the last meeting, added up and damped where it is stiff.

The mean of the tables loses most of what N workers have learned: it is what one of them learned, a little less noisy. The sum of
their changes is right where each has gone a small part of its way, but diverges where each has arrived by itself. Between the
two lies what the changes would add up to if they came one after the other, each seeing those before it. A row that was changed c
times at the rate r goes 1 - exp(-r c h) of its way along an axis in which its loss has the curvature h. The loss of a row is
logistic in its products with rows of the other table, so its curvature is their second moment times p (1 - p), p being the
probability that is missing to the truth: the axes are those of the moment, the same for all rows of a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.engines.device import Exchange
from trainer.engines.gpu_plan import Plan
from trainer.engines.gpu_worker import Material, Worker
from trainer.recipes import WordVectorSettings

STIFFNESS = 0.4  # of an example, in place of p (1 - p): bench/averaging.py
MOST_NUMBERS = 1 << 25  # of a table that are put together at once
MEETING_COPIES = 8  # of those numbers, in float32, that a meeting works with on each device
OTHER = {"input": "output", "output": "input"}


def count_touches(material: Material, counts: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
    """How often each row of each table is changed for each raw word of the text; negatives count as often as they weigh."""
    settings = material.settings
    kept = counts * (material.keep / 2.0**32) / max(len(material.token_ids), 1)
    noise = counts.astype(np.float64) ** 0.75
    inputs: NDArray[Any] = kept
    output = kept + settings.negatives * kept.sum() * noise / noise.sum()
    if material.subwords is not None:
        each = np.repeat(kept, np.diff(material.subwords.starts))
        inputs = np.bincount(material.subwords.rows, weights=each, minlength=material.subwords.height)
    return {"input": inputs.astype(np.float32), "output": output.astype(np.float32)}


def weigh_touches(settings: WordVectorSettings) -> dict[str, float]:
    """How many examples of weight 1 stand behind a change of a row of each table, as its curvature counts them."""
    weights, examples = np.arange(1, settings.window + 1), 1 + settings.negatives
    pairs = 2 * weights.sum() / settings.window
    if settings.model == "skipgram":
        return {"input": pairs * examples, "output": pairs}
    # Each window passes on its whole error by nearness, but hears of the row by its share of the mean.
    heard = (weights**2).sum() / (weights.sum() * settings.window)
    return {"input": settings.context_gradient * examples * heard, "output": 1.0}


def meeting_bytes(material: Material, plan: Plan) -> int:
    """What meetings need on each device: what it parted from, what it takes of the others' changes, and room to work in."""
    kept = sum(material.heights.values()) * (4 * plan.columns * plan.dtype.itemsize + 4)
    at_once = min(MOST_NUMBERS, max(material.heights.values()) * 4 * plan.columns)
    return kept + 4 * MEETING_COPIES * at_once


def share_of_sum(stiffness: Any, workers: int) -> Any:
    """What is taken of the sum of `workers` changes, each of which has gone 1 - exp(-stiffness) of its way.

    1 where that is next to nothing, 1 / workers (the mean) where it is all.
    """
    stiffness = np.maximum(stiffness, np.float32(1e-6))
    return np.expm1(-workers * stiffness) / (workers * np.expm1(-stiffness))


class Meetings:
    """Of workers that train the same tables, each on its share of the text. Between two of them they go their own ways."""

    def __init__(
        self, workers: Sequence[Worker], exchange: Exchange, touches: Mapping[str, NDArray[np.float32]]
    ) -> None:
        """`touches`: as ``count_touches`` has them."""
        self._workers, self._exchange = workers, exchange
        self._settings = workers[0].material.settings
        self._bases = [
            {name: worker.device.zeros(table.shape, table.dtype) for name, table in worker.tables.items()}
            for worker in workers
        ]
        self._weights = {name: float(touches[name].sum()) for name in OTHER}
        self._touches = [{name: worker.upload(touches[name]) for name in OTHER} for worker in workers]
        self._moments: dict[str, NDArray[np.float64]] = {}
        self._rows = max(1, MOST_NUMBERS // self._bases[0]["input"].shape[1])

    def begin(self) -> None:
        """Take the tables, which are the same everywhere, as what the workers part from."""
        for worker, bases in zip(self._workers, self._bases, strict=True):
            with worker.device.computing():
                for name, base in bases.items():
                    base[...] = worker.tables[name]
        self._measure()

    def meet(self, steps: float) -> None:
        """All tables become the same, once what was launched is done. `steps`: learning rate times words, of each worker."""
        weights = weigh_touches(self._settings)
        for name, other in OTHER.items():
            curvatures, directions = np.linalg.eigh(self._moments[other])
            stiffness = STIFFNESS * steps * weights[name] * np.maximum(curvatures, 0.0)
            packed = np.vstack([stiffness, directions, directions.T]).astype(np.float32)
            axes = [worker.upload(packed) for worker in self._workers]
            for start in range(0, len(self._bases[0][name]), self._rows):
                self._join(name, slice(start, start + self._rows), axes)
        self._measure()

    def _join(self, name: str, rows: slice, axes: Sequence[Any]) -> None:
        """Put some rows of a table together; `axes`, on each device: stiffness for one touch, the ways to the axes and back."""
        changes = []
        for worker, bases in zip(self._workers, self._bases, strict=True):
            with worker.device.computing():
                changes.append(worker.tables[name][rows].astype(np.float32) - bases[name][rows])
        self._exchange.add_up(changes)
        width = changes[0].shape[1]
        for number, worker in enumerate(self._workers):
            base, touches = self._bases[number][name], self._touches[number][name]
            with worker.device.computing():
                along, there, back = axes[number][0], axes[number][1 : width + 1], axes[number][width + 1 :]
                share = share_of_sum(touches[rows, None] * along, len(self._workers))
                base[rows] = base[rows] + ((changes[number] @ there) * share) @ back
                worker.tables[name][rows] = base[rows]

    def _measure(self) -> None:
        """The second moments [W, W] of what the rows of the other table are multiplied with, here where all begin."""
        worker, bases, touches = self._workers[0], self._bases[0], self._touches[0]
        for name, base in bases.items():
            width = base.shape[1]
            moment, mean = np.zeros((width, width)), np.zeros(width)
            for start in range(0, len(base), self._rows):
                with worker.device.computing():
                    rows = base[start : start + self._rows].astype(np.float32)
                    weighted = rows * touches[name][start : start + self._rows, None]
                    products, total = weighted.T @ rows, weighted.sum(axis=0)
                moment += worker.device.read(products) / self._weights[name]
                mean += worker.device.read(total) / self._weights[name]
            if (
                name == "input" and self._settings.model == "cbow"
            ):  # hidden vectors are means of several words
                nearness = np.arange(1, self._settings.window + 1)
                spread = (nearness**2).sum() / (2 * nearness.sum() ** 2)
                moment = np.outer(mean, mean) + spread * (moment - np.outer(mean, mean))
            self._moments[name] = moment
