"""Training a language model: words a second beside PyTorch on the same models, and beside the roof of the softmax.

    python -m bench.language                    in an environment that has torch==2.13.0 as well as wordkin[train]

Both train RNN-100, LSTM-100 and LSTM-2x650 on PTB's shapes: batches of 20 lanes and 35 steps over 10,000 words, full
softmax, SGD, gradients clipped by their global norm, float32, the same number of threads. PyTorch gets its own best
form: fused nn.LSTM, cross_entropy, the state detached, gradients set to None. A round trains every model for some
blocks with each, in turns, so that a disturbance falls on both; reported is the best block of each, or the median
with --median. The words are random numbers after Zipf: what is computed does not depend on them.

The roof is what the softmax costs as three plain products of NumPy (scores, d_h, d_W), nothing else done at all.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import numpy as np

from trainer.backend import numpy_backend
from trainer.engines.language.engine import fast_engine
from trainer.language_recipes import RnnlmSettings
from trainer.models.rnnlm_learner import RnnlmLearner

VOCABULARY, LANES, STEPS = 10_000, 20, 35
BLOCK = LANES * STEPS
MODELS = {
    "RNN-100": RnnlmSettings(cell="rnn", hidden=100, initial="uniform", learning_rate=1.0),
    "LSTM-100": RnnlmSettings(cell="lstm", hidden=100, initial="uniform", learning_rate=1.0),
    "LSTM-2x650": RnnlmSettings(cell="lstm", hidden=650, layers=2, initial="uniform", learning_rate=1.0),
}


def make_words(blocks):
    ids = np.random.default_rng(0).zipf(1.3, LANES * STEPS * blocks) - 1
    return (ids % VOCABULARY).astype(np.int32)


class Ours:
    def __init__(self, settings, threads):
        self.learner = RnnlmLearner(
            make_words(4000),
            settings,
            size=VOCABULARY,
            end_of_line=0,
            valid_ids=make_words(1),
            backend=numpy_backend(),
            engine=fast_engine(threads),
        )

    def step(self):
        self.learner.train_block()


class Torchs:
    def __init__(self, settings, threads):
        import torch

        torch.manual_seed(0)
        torch.set_num_threads(threads)
        self.torch = torch
        kind = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM}[settings.cell]
        self.embedding = torch.nn.Embedding(VOCABULARY, settings.hidden)
        self.recurrent = kind(settings.hidden, settings.hidden, settings.layers)
        self.output = torch.nn.Linear(settings.hidden, VOCABULARY)
        modules = torch.nn.ModuleList([self.embedding, self.recurrent, self.output])
        self.parameters = list(modules.parameters())
        self.optimizer = torch.optim.SGD(self.parameters, lr=settings.learning_rate)
        self.clip = settings.clip
        words = torch.from_numpy(make_words(4000).astype(np.int64)).view(LANES, -1).T.contiguous()
        self.inputs, self.targets = words[:-1], words[1:]
        self.at, self.state = 0, None

    def step(self):
        torch = self.torch
        if self.at + STEPS > len(self.inputs):
            self.at = 0
        block = slice(self.at, self.at + STEPS)
        self.at += STEPS
        self.optimizer.zero_grad(set_to_none=True)
        hs, state = self.recurrent(self.embedding(self.inputs[block]), self.state)
        self.state = tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()
        scores = self.output(hs).view(-1, VOCABULARY)
        loss = torch.nn.functional.cross_entropy(scores, self.targets[block].reshape(-1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, self.clip)
        self.optimizer.step()


class Roof:
    """The three products of the softmax, by NumPy's BLAS on all cores."""

    def __init__(self, settings, threads):
        del threads
        generator = np.random.default_rng(0)
        size = settings.hidden
        self.h = generator.standard_normal((BLOCK, size), dtype=np.float32)
        self.W = generator.standard_normal((size, VOCABULARY), dtype=np.float32)
        self.scores = np.empty((BLOCK, VOCABULARY), np.float32)
        self.d_h, self.d_W = np.empty_like(self.h), np.empty_like(self.W)

    def step(self):
        np.matmul(self.h, self.W, out=self.scores)
        np.matmul(self.scores, self.W.T, out=self.d_h)
        np.matmul(self.h.T, self.scores, out=self.d_W)


def measure(runner, seconds):
    """The seconds of single blocks, one after the other, over about that long."""
    found, until = [], time.perf_counter() + seconds
    while not found or time.perf_counter() < until:
        started = time.perf_counter()
        runner.step()
        found.append(time.perf_counter() - started)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each kind in each round")
    parser.add_argument("--median", action="store_true", help="report the median block, not the best")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--without-torch", action="store_true")
    arguments = parser.parse_args()
    kinds = {"ours": Ours, "PyTorch": Torchs, "roof": Roof}
    if arguments.without_torch:
        del kinds["PyTorch"]
    for name in arguments.models:
        runners = {kind: make(MODELS[name], arguments.threads) for kind, make in kinds.items()}
        times = {kind: [] for kind in kinds}
        for runner in runners.values():
            measure(runner, 0.5)
        for _ in range(arguments.rounds):
            for kind, runner in runners.items():
                times[kind] += measure(runner, arguments.seconds)
        pick = statistics.median if arguments.median else min
        speeds = {kind: BLOCK / pick(found) for kind, found in times.items()}
        ratio = speeds["ours"] / speeds["PyTorch"] if "PyTorch" in speeds else None
        if arguments.json:
            print(json.dumps({"model": name, "words_per_second": speeds, "ratio": ratio}), flush=True)
            continue
        line = ", ".join(f"{kind} {speed:,.0f}" for kind, speed in speeds.items())
        beside = "" if ratio is None else f"{ratio:.2f} times PyTorch, "
        share = 100 * speeds["ours"] / speeds["roof"]
        print(f"{name}: words/s {line}; {beside}{share:.0f} % of the roof", flush=True)


if __name__ == "__main__":
    main()
