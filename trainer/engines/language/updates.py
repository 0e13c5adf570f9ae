"""The update of a language model's weights in two passes over memory, shared out among threads."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.backend import Backend
from trainer.engines.language.compiled import compiled
from trainer.engines.language.gradients import ProductGradient, count_parts, sum_products
from trainer.engines.language.workspace import Workspace
from trainer.language_optimizers import Averaging, DenseAdam, Updater
from trainer.layers.gradients import Gradient, RowGradient, global_norm, merge_gradients
from trainer.optimizers import Optimizer

Table = NDArray[np.float32]
_PIECE = 1 << 16
_SHARES = 8  # of a product, for each thread: one that is held up leaves some of its own to the others


@compiled
def add_and_square(total: Table, other: Table) -> Any:
    """``total += other``, and the sum of the squares of that; an empty ``other`` adds nothing."""
    squares: Any = 0.0
    for start in range(0, len(total), 4096):
        part = np.float32(0)
        for i in range(start, min(start + 4096, len(total))):
            if len(other):
                total[i] += other[i]
            part += total[i] * total[i]
        squares += part
    return squares


@compiled
def step_sgd(w: Table, g: Table, rate: float, keep: float) -> None:
    """``w = keep * w - rate * g``."""
    much, kept = np.float32(rate), np.float32(keep)
    for i in range(len(w)):
        w[i] = kept * w[i] - much * g[i]


@compiled
def step_adam(
    w: Table, g: Table, m: Table, v: Table, rate: float, keep: float, scale: float, settings: Table
) -> None:
    """One step of ``trainer.optimizers.Adam`` by ``scale * g``; ``rate`` has its correction, ``settings`` are β1, β2, ε."""
    much, kept, factor = np.float32(rate), np.float32(keep), np.float32(scale)
    fresh1, fresh2, epsilon = np.float32(1) - settings[0], np.float32(1) - settings[1], settings[2]
    for i in range(len(w)):
        d = factor * g[i]
        m[i] += fresh1 * (d - m[i])
        v[i] += fresh2 * (d * d - v[i])
        w[i] = kept * w[i] - much * m[i] / (np.sqrt(v[i]) + epsilon)


@compiled
def step_average(average: Table, w: Table, share: float) -> None:
    """``average += share * (w - average)``."""
    part = np.float32(share)
    for i in range(len(w)):
        average[i] += part * (w[i] - average[i])


class FastUpdater(Updater):
    """``Updater`` on several threads. The gradients that it is given are used up."""

    def __init__(
        self,
        optimizer: Optimizer,
        *,
        backend: Backend,
        clip: float = 0.0,
        weight_decay: float = 0.0,
        pool: ThreadPoolExecutor | None = None,
        threads: int = 1,
    ) -> None:
        super().__init__(optimizer, backend=backend, clip=clip, weight_decay=weight_decay)
        self._pool = pool
        self._threads = threads if pool is not None else 1
        self._room = Workspace()

    def update(self, parts: Sequence[Sequence[tuple[str, Gradient]]], *, learning_rate: float) -> float:
        dense: dict[str, list[Table]] = {}
        products: dict[str, list[ProductGradient]] = {}
        rows: list[tuple[str, RowGradient]] = []
        for name, gradient in (pair for part in parts for pair in part):
            if isinstance(gradient, RowGradient):
                rows.append((name, gradient))
            elif isinstance(gradient, ProductGradient):
                products.setdefault(name, []).append(gradient)
            else:
                # In the memory order of the weight, which the tied output layer's gradient has turned.
                dense.setdefault(name, []).append(np.ascontiguousarray(gradient))
        for name, table in self._multiply_out(products).items():
            dense.setdefault(name, []).append(table)
        for name, gradient in rows:
            if name in dense:
                dense[name][0][gradient.rows] += gradient.values
        sparse = merge_gradients((pair for pair in rows if pair[0] not in dense), self.backend)
        flat = {name: [table.reshape(-1) for table in tables] for name, tables in dense.items()}
        squares = sum(self._share_out(flat, self._add_up)) + global_norm(sparse, self.backend) ** 2
        norm = math.sqrt(squares) if squares >= 0 else math.nan
        if not math.isfinite(norm):
            return norm
        scale = self.clip / norm if self.clip and norm > self.clip else 1.0
        optimizer = self.optimizer
        optimizer.steps += 1
        averaging = isinstance(optimizer, Averaging) and bool(optimizer.averages)
        step = self._make_step(flat, learning_rate=learning_rate, scale=scale)
        self._share_out({name: flat.get(name, []) for name in optimizer.parameters}, step)
        self._step_rows(sparse, learning_rate=learning_rate, scale=scale)
        if isinstance(optimizer, Averaging) and averaging:
            self._share_out({name: [] for name in optimizer.parameters}, self._average)
            optimizer.averaged += 1
        return norm

    def _multiply_out(self, products: Mapping[str, Sequence[ProductGradient]]) -> dict[str, Table]:
        """The sums of the products of each name."""
        sums = {name: self._room.take(name, *found[0].shape) for name, found in products.items()}
        jobs = []
        for name, found in products.items():
            parts = count_parts(found[0].shape)
            step = max(1, parts // (_SHARES * self._threads))
            jobs += [
                partial(sum_products, found, sums[name], slice(start, min(start + step, parts)))
                for start in range(0, parts, step)
            ]
        self._run(jobs)
        return sums

    def _add_up(self, tables: list[Table], name: str, piece: slice) -> float:
        del name
        total = tables[0][piece]
        for other in tables[1:-1]:
            total += other[piece]
        return float(add_and_square(total, tables[-1][piece] if len(tables) > 1 else total[:0]))

    def _make_step(
        self, flat: dict[str, list[Table]], *, learning_rate: float, scale: float
    ) -> Callable[[list[Table], str, slice], float]:
        optimizer = self.optimizer
        keep = 1 - learning_rate * self.weight_decay
        weights = {name: table.reshape(-1) for name, table in optimizer.parameters.items()}
        if isinstance(optimizer, DenseAdam):
            adam = optimizer
            correction = (1 - adam.beta2**adam.steps) ** 0.5 / (1 - adam.beta1**adam.steps)
            settings = np.array([adam.beta1, adam.beta2, adam.epsilon], np.float32)
            moments = {name: [t.reshape(-1) for t in adam.moments(name)] for name in flat}

            def step_by_adam(tables: list[Table], name: str, piece: slice) -> float:
                if tables:
                    m, v = moments[name]
                    rate = learning_rate * correction
                    step_adam(
                        weights[name][piece],
                        tables[0][piece],
                        m[piece],
                        v[piece],
                        rate,
                        keep,
                        scale,
                        settings,
                    )
                elif keep != 1:
                    weights[name][piece] *= np.float32(keep)
                return 0.0

            return step_by_adam

        def step_by_sgd(tables: list[Table], name: str, piece: slice) -> float:
            if tables:
                step_sgd(weights[name][piece], tables[0][piece], learning_rate * scale, keep)
            elif keep != 1:
                weights[name][piece] *= np.float32(keep)
            return 0.0

        return step_by_sgd

    def _step_rows(self, sparse: dict[str, Gradient], *, learning_rate: float, scale: float) -> None:
        if sparse:
            self.optimizer.steps -= 1  # this is a part of the same step
            scaled = {
                name: RowGradient(rows=g.rows, values=g.values * np.float32(scale), height=g.height)
                for name, g in sparse.items()
                if isinstance(g, RowGradient)
            }
            Optimizer.step(self.optimizer, scaled, learning_rate=learning_rate)  # without the averaging

    def _average(self, tables: list[Table], name: str, piece: slice) -> float:
        del tables
        if isinstance(self.optimizer, Averaging):
            average = self.optimizer.averages[name].reshape(-1)[piece]
            weights = self.optimizer.parameters[name].reshape(-1)[piece]
            step_average(average, weights, self.optimizer.share())
        return 0.0

    def _share_out(
        self, tables: dict[str, list[Table]], work: Callable[[list[Table], str, slice], float]
    ) -> list[float]:
        """Do ``work`` on pieces of all parameters named in ``tables``; its results, one for each piece."""
        pieces: list[tuple[list[Table], str, slice]] = []
        for name, parts in tables.items():
            size = self.optimizer.parameters[name].size
            step = max(_PIECE, -(-size // self._threads))
            pieces += [(parts, name, slice(start, start + step)) for start in range(0, size, step)]
        return self._run([partial(work, *piece) for piece in pieces])

    def _run(self, jobs: Sequence[Callable[[], Any]]) -> list[Any]:
        """The results of ``jobs``, in their order; a thread that has done with one takes the next."""
        if self._pool is None:
            return [job() for job in jobs]
        results: list[Any] = [None] * len(jobs)
        waiting = iter(enumerate(jobs))

        def work_off() -> None:
            for number, job in waiting:  # one iterator for all: a step of it is one step of the interpreter
                results[number] = job()

        list(self._pool.map(lambda _: work_off(), range(self._threads)))
        return results
