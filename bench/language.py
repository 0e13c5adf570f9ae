"""Training a language model: words a second beside PyTorch on the same models, and beside the roof of the softmax.

    python -m bench.language                    in an environment that has torch==2.13.0 as well as wordkin[train]
    python -m bench.language --device gpu       with a CUDA build of torch, and wordkin[train,cuda]

Both train RNN-100, LSTM-100 and LSTM-2x650 on PTB's shapes: batches of 20 lanes and 35 steps over 10,000 words, full
softmax, SGD, gradients clipped by their global norm, float32, the same number of threads. PyTorch gets its own best
form: fused nn.LSTM, cross_entropy, the state detached, gradients set to None. A round trains every model for some
blocks with each, in turns, so that a disturbance falls on both; reported is the best block of each, or the median
with --median. The words are random numbers after Zipf: what is computed does not depend on them.

On a GPU both are measured with products in float32 and with TF32, and PyTorch's nn.LSTM is cuDNN's; blocks are timed by the 50.
Both hosts run ahead of the device: PyTorch's is waited for after the 50, ours reads the loss of each block when it is done. AWD-3x1150 is there too: AWD-LSTM's layers on blocks of 70 steps, tied, none of the
dropout, since cuDNN's layers cannot drop recurrent weights.

The roof is what the softmax costs as three plain products (scores, d_h, d_W) by NumPy or cuBLAS, nothing else done at all.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np

from trainer.backend import numpy_backend
from trainer.language_recipes import RnnlmSettings
from trainer.models.rnnlm_learner import RnnlmLearner

VOCABULARY, LANES = 10_000, 20
BLOCKS = 1000  # of words, which come round
AT_ONCE = 50  # blocks on a GPU that are timed together
FEWEST = 4  # times that something is timed
PLAIN = RnnlmSettings(initial="uniform", learning_rate=1.0)
MODELS = {
    "RNN-100": replace(PLAIN, cell="rnn", hidden=100),
    "LSTM-100": replace(PLAIN, cell="lstm", hidden=100),
    "LSTM-2x650": replace(PLAIN, cell="lstm", hidden=650, layers=2),
}
LARGE_MODELS = {
    "AWD-3x1150": replace(PLAIN, hidden=1150, layers=3, embedding=400, tie_weights=True, time_steps=70),
}


def make_words(settings, blocks):
    ids = np.random.default_rng(0).zipf(1.3, LANES * settings.time_steps * blocks) - 1
    return (ids % VOCABULARY).astype(np.int32)


def open_engine(threads, precision=None):
    """The backend and the fast engine: of the CPU, or of a GPU where a precision is named."""
    if precision is None:
        from trainer.engines.language.engine import fast_engine

        return numpy_backend(), fast_engine(threads)
    from trainer.engines.language.gpu_cupy import CupyLanguageDevice
    from trainer.engines.language.gpu_engine import gpu_engine

    device = CupyLanguageDevice(precision=precision)
    return device.backend, gpu_engine(device)


class Ours:
    """The fast engine, on the CPU or on a GPU in some precision."""

    def __init__(self, settings, threads, precision=None):
        backend, engine = open_engine(threads, precision)
        self.learner = RnnlmLearner(
            make_words(settings, BLOCKS),
            settings,
            size=VOCABULARY,
            end_of_line=0,
            valid_ids=make_words(settings, 1),
            backend=backend,
            engine=engine,
        )

    def step(self):
        if self.learner._block == len(self.learner._blocks):  # noqa: SLF001 - the text once more
            self.learner._block = 0  # noqa: SLF001
        self.learner.train_block()

    def wait(self):
        """A block that was asked for is done; those that were begun with ahead of it belong to the next ones."""

    def rest(self):
        self.learner.state()


class Torchs:
    """PyTorch, on the CPU or on a GPU in some precision."""

    def __init__(self, settings, threads, precision=None):
        import torch

        torch.manual_seed(0)
        torch.set_num_threads(threads)
        self.torch, self.precision, self.steps = torch, precision, settings.time_steps
        device = "cpu" if precision is None else "cuda"
        kind = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM}[settings.cell]
        widths = settings.widths
        self.embedding = torch.nn.Embedding(VOCABULARY, widths[0])
        if len(set(widths)) == 1:  # as one module, whose layers cuDNN may compute beside each other
            self.recurrent = torch.nn.ModuleList([kind(widths[0], widths[0], settings.layers)])
        else:
            self.recurrent = torch.nn.ModuleList([kind(*pair) for pair in pairwise(widths)])
        self.output = torch.nn.Linear(widths[-1], VOCABULARY)
        if settings.tie_weights:
            self.output.weight = self.embedding.weight
        modules = torch.nn.ModuleList([self.embedding, self.recurrent, self.output]).to(device)
        self.parameters = list(modules.parameters())
        self.optimizer = torch.optim.SGD(self.parameters, lr=settings.learning_rate)
        self.clip = settings.clip
        words = torch.from_numpy(make_words(settings, BLOCKS).astype(np.int64)).view(LANES, -1).T.contiguous()
        words = words.to(device)
        self.inputs, self.targets = words[:-1], words[1:]
        self.at, self.states = 0, [None] * len(self.recurrent)

    def prepare(self):
        if self.precision is not None:
            self.torch.backends.cuda.matmul.allow_tf32 = self.precision == "tf32"
            self.torch.backends.cudnn.allow_tf32 = self.precision == "tf32"

    def step(self):
        torch = self.torch
        if self.at + self.steps > len(self.inputs):
            self.at = 0
        block = slice(self.at, self.at + self.steps)
        self.at += self.steps
        self.optimizer.zero_grad(set_to_none=True)
        hs = self.embedding(self.inputs[block])
        for i, layer in enumerate(self.recurrent):
            hs, state = layer(hs, self.states[i])
            tuples = isinstance(state, tuple)
            self.states[i] = tuple(part.detach() for part in state) if tuples else state.detach()
        scores = self.output(hs).view(-1, VOCABULARY)
        loss = torch.nn.functional.cross_entropy(scores, self.targets[block].reshape(-1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, self.clip)
        self.optimizer.step()

    def wait(self):
        if self.precision is not None:
            self.torch.cuda.synchronize()

    rest = wait


class Roof:
    """The three products of the softmax, by NumPy's BLAS on all cores or by cuBLAS."""

    def __init__(self, settings, threads, precision=None):
        del threads
        xp, self.stream, self.multiply = np, None, lambda a, b, out: np.matmul(a, b, out=out)
        if precision is not None:
            import cupy as xp

            from trainer.engines.language.cublas import Cublas

            self.stream = xp.cuda.Stream()
            self.multiply = Cublas(xp, self.stream, precision=precision).multiply
        generator = np.random.default_rng(0)
        size, rows = settings.widths[-1], LANES * settings.time_steps
        self.h = xp.asarray(generator.standard_normal((rows, size), dtype=np.float32))
        self.W = xp.asarray(generator.standard_normal((size, VOCABULARY), dtype=np.float32))
        self.scores = xp.empty((rows, VOCABULARY), np.float32)
        self.d_h, self.d_W = xp.empty_like(self.h), xp.empty_like(self.W)

    def step(self):
        self.multiply(self.h, self.W, self.scores)
        self.multiply(self.scores, self.W.T, self.d_h)
        self.multiply(self.h.T, self.scores, self.d_W)

    def wait(self):
        if self.stream is not None:
            self.stream.synchronize()

    rest = wait


def measure(runner, seconds, at_once):
    """The seconds of single blocks, one after the other, over about that long; each is the mean of ``at_once``."""
    if isinstance(runner, Torchs):
        runner.prepare()
    found, until = [], time.perf_counter() + seconds
    while len(found) < FEWEST or time.perf_counter() < until:
        started = time.perf_counter()
        for _ in range(at_once):
            runner.step()
        if at_once > 1:
            runner.wait()
        found.append((time.perf_counter() - started) / at_once)
    runner.rest()
    return found[1:]  # the first began with nothing under way


def list_kinds(device, *, torch):
    """How to make each runner: from settings and threads."""
    makers = {"ours": Ours, "PyTorch": Torchs, "roof": Roof}
    if not torch:
        del makers["PyTorch"]
    if device == "cpu":
        return makers
    return {
        f"{kind} {precision}": lambda settings, threads, make=make, precision=precision: make(
            settings, threads, precision
        )
        for precision in ("float32", "tf32")
        for kind, make in makers.items()
    }


def report(name, speeds, *, as_json):
    """One line, or one for each precision."""
    ratios = {
        kind.removeprefix("ours").strip(): speed / speeds[kind.replace("ours", "PyTorch")]
        for kind, speed in speeds.items()
        if kind.startswith("ours") and kind.replace("ours", "PyTorch") in speeds
    }
    if as_json:
        print(json.dumps({"model": name, "words_per_second": speeds, "ratios": ratios}), flush=True)
        return
    for precision in dict.fromkeys(kind.partition(" ")[2] for kind in speeds):
        here = {
            kind.partition(" ")[0]: v for kind, v in speeds.items() if kind.partition(" ")[2] == precision
        }
        line = ", ".join(f"{kind} {speed:,.0f}" for kind, speed in here.items())
        beside = f"{ratios[precision]:.2f} times PyTorch, " if precision in ratios else ""
        share = 100 * here["ours"] / here["roof"]
        title = f"{name} {precision}".strip()
        print(f"{title}: words/s {line}; {beside}{share:.0f} % of the roof", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--models", nargs="+", choices=MODELS | LARGE_MODELS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each kind in each round")
    parser.add_argument("--median", action="store_true", help="report the median block, not the best")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--without-torch", action="store_true")
    arguments = parser.parse_args()
    kinds = list_kinds(arguments.device, torch=not arguments.without_torch)
    models = MODELS if arguments.device == "cpu" else MODELS | LARGE_MODELS
    at_once = 1 if arguments.device == "cpu" else AT_ONCE
    for name in arguments.models or models:
        settings = (MODELS | LARGE_MODELS)[name]
        runners = {kind: make(settings, arguments.threads) for kind, make in kinds.items()}
        times = {kind: [] for kind in kinds}
        for runner in runners.values():
            measure(runner, min(0.5, arguments.seconds), at_once)
        for _ in range(arguments.rounds):
            for kind, runner in runners.items():
                times[kind] += measure(runner, arguments.seconds, at_once)
        pick = statistics.median if arguments.median else min
        words = LANES * settings.time_steps
        report(name, {kind: words / pick(found) for kind, found in times.items()}, as_json=arguments.json)


if __name__ == "__main__":
    main()
