"""The book's CBOW beside ours, in one run on one text: words a second, and how many times as many.

    python -m bench.book --text ptb.train.txt

The peer is written from the algorithm that chapters 1 and 4 of Deep Learning from Scratch 2 print: an Embedding
layer for each place in the window, a loop over the batch that draws negatives with ``np.random.choice`` from
all V words, gradients as whole tables, Adam over whole tables, batches of 100. Ours is ``PlainLearner``, once
with the book's settings (every word trained, Adam, batches of 100) and once with the settings of ``--recipe``.

A word is a token of the text that was passed, trained on or not. Reading and counting are not timed.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from artifact.tokenizer import Tokenizer
from trainer.backend import numpy_backend
from trainer.corpus import build_corpus
from trainer.models.learner import PlainLearner
from trainer.recipes import RECIPES, WordVectorSettings


class Embedding:
    """Rows of W; the gradient is a whole table."""

    def __init__(self, W):
        self.params, self.grads = [W], [np.zeros_like(W)]

    def forward(self, idx):
        self.idx = idx
        return self.params[0][idx]

    def backward(self, dout):
        (dW,) = self.grads
        dW[...] = 0
        np.add.at(dW, self.idx, dout)


class EmbeddingDot:
    def __init__(self, W):
        self.embed = Embedding(W)
        self.params, self.grads = self.embed.params, self.embed.grads

    def forward(self, h, idx):
        self.h, self.target_W = h, self.embed.forward(idx)
        return np.sum(self.target_W * h, axis=1)

    def backward(self, dout):
        dout = dout.reshape(-1, 1)
        self.embed.backward(dout * self.h)
        return dout * self.target_W


class SigmoidWithLoss:
    def forward(self, x, t):
        self.t, self.y = t, 1 / (1 + np.exp(-x))
        return -np.mean(np.log(np.where(t == 1, self.y, 1 - self.y) + 1e-7))

    def backward(self):
        return (self.y - self.t) / len(self.t)


class UnigramSampler:
    """For each target in turn: the distribution is copied, the target's share set to 0, the rest divided anew."""

    def __init__(self, counts, power=0.75):
        self.word_p = np.power(counts.astype(float), power)
        self.word_p /= self.word_p.sum()

    def get_negative_sample(self, target, sample_size):
        negative_sample = np.zeros((len(target), sample_size), dtype=np.int32)
        for i, word in enumerate(target):
            p = self.word_p.copy()
            p[word] = 0
            p /= p.sum()
            negative_sample[i] = np.random.choice(len(p), size=sample_size, replace=False, p=p)  # noqa: NPY002 the book's
        return negative_sample


class CBOW:
    def __init__(self, counts, *, hidden_size=100, window_size=5, sample_size=5):
        rng = np.random.default_rng(1)
        W_in, W_out = ((0.01 * rng.standard_normal((len(counts), hidden_size))).astype("f") for _ in range(2))
        self.in_layers = [Embedding(W_in) for _ in range(2 * window_size)]
        self.dot_layers = [EmbeddingDot(W_out) for _ in range(sample_size + 1)]
        self.loss_layers = [SigmoidWithLoss() for _ in range(sample_size + 1)]
        self.sampler, self.sample_size = UnigramSampler(counts), sample_size
        layers = [*self.in_layers, *self.dot_layers]
        self.params = [param for layer in layers for param in layer.params]
        self.grads = [grad for layer in layers for grad in layer.grads]

    def forward(self, contexts, target):
        negatives = self.sampler.get_negative_sample(target, self.sample_size)
        h = 0
        for i, layer in enumerate(self.in_layers):
            h += layer.forward(contexts[:, i])
        h *= 1 / len(self.in_layers)
        loss = 0
        for k, (dot, loss_layer) in enumerate(zip(self.dot_layers, self.loss_layers, strict=True)):
            words, label = (target, 1) if k == 0 else (negatives[:, k - 1], 0)
            loss += loss_layer.forward(dot.forward(h, words), np.full(len(target), label, np.int32))
        return loss

    def backward(self):
        dh = 0
        for dot, loss_layer in zip(self.dot_layers, self.loss_layers, strict=True):
            dh += dot.backward(loss_layer.backward().astype("f"))
        dh *= 1 / len(self.in_layers)
        for layer in self.in_layers:
            layer.backward(dh)


class Adam:
    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999):
        self.lr, self.beta1, self.beta2, self.iter = lr, beta1, beta2, 0
        self.m = self.v = None

    def update(self, params, grads):
        if self.m is None:
            self.m, self.v = [np.zeros_like(p) for p in params], [np.zeros_like(p) for p in params]
        self.iter += 1
        lr_t = self.lr * (1.0 - self.beta2**self.iter) ** 0.5 / (1.0 - self.beta1**self.iter)
        for param, grad, m, v in zip(params, grads, self.m, self.v, strict=True):
            m[...] += (1 - self.beta1) * (grad - m)
            v[...] += (1 - self.beta2) * (grad**2 - v)
            param[...] -= lr_t * m / (np.sqrt(v) + 1e-7)


def remove_duplicate(params, grads):
    """The gradients of a weight that several layers share, added up."""
    params, grads = params[:], grads[:]
    while pair := next(
        ((i, j) for i, j in itertools.combinations(range(len(params)), 2) if params[i] is params[j]), None
    ):
        grads[pair[0]] += grads[pair[1]]
        del params[pair[1]], grads[pair[1]]
    return params, grads


def time_book(words, *, window_size, hidden_size, sample_size, seconds, batch_size=100):
    """Words a second of the book's loop over ``words`` (a list of tokens), for about ``seconds``."""
    ids = {word: number for number, word in enumerate(dict.fromkeys(words))}
    corpus = np.array([ids[word] for word in words])
    counts = np.array(list(collections.Counter(words).values()))
    target = corpus[window_size:-window_size]
    offsets = [t for t in range(-window_size, window_size + 1) if t != 0]
    contexts = np.stack([corpus[window_size + t : len(corpus) - window_size + t] for t in offsets], axis=1)
    order = np.random.default_rng(1).permutation(len(target))
    model = CBOW(counts, hidden_size=hidden_size, window_size=window_size, sample_size=sample_size)
    optimizer = Adam()
    batches = itertools.cycle(range(0, len(target) - batch_size + 1, batch_size))
    started, trained = None, 0
    for number, start in enumerate(batches):
        if number == 2:  # the first batches touch memory for the first time
            started, trained = time.perf_counter(), 0
        batch = order[start : start + batch_size]
        model.forward(contexts[batch], target[batch])
        model.backward()
        optimizer.update(*remove_duplicate(model.params, model.grads))
        trained += batch_size
        if started is not None and time.perf_counter() - started >= seconds:
            return trained / (time.perf_counter() - started)
    raise AssertionError


def time_ours(corpus, settings, *, seconds):
    """Words a second of ``PlainLearner``, for about ``seconds``."""
    learner = PlainLearner(corpus, replace(settings, epochs=1000), numpy_backend())
    learner.advance()
    started, before = time.perf_counter(), learner.words_done
    while time.perf_counter() - started < seconds:
        learner.advance()
    return (learner.words_done - before) / (time.perf_counter() - started)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--text", type=Path, required=True, help="a text, one sentence a line, words between spaces"
    )
    parser.add_argument("--words", type=int, default=None, help="read no more than about so many words")
    parser.add_argument(
        "--recipe", choices=sorted(RECIPES), default=None, help="our settings (else the defaults)"
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="time for each measurement")
    parser.add_argument(
        "--repeats", type=int, default=3, help="measurements of each, in turn; the median counts"
    )
    chosen = parser.parse_args(arguments)
    lines, count = [], 0
    with chosen.text.open(encoding="utf-8", errors="replace") as text:
        for line in text:
            lines.append(line.split())
            count += len(lines[-1])
            if chosen.words is not None and count >= chosen.words:
                break
    with_ends = [word for line in lines for word in (*line, "<eos>")]  # the book's reading of PTB
    common = {"model": "cbow", "dim": 100, "window": 5, "negatives": 5}
    recipe = RECIPES[chosen.recipe] if chosen.recipe else WordVectorSettings
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "text.txt"
        source.write_text("\n".join(" ".join(line) for line in lines), encoding="utf-8")
        corpus = build_corpus(
            [str(source)], Path(folder) / "corpus", tokenizer=Tokenizer("whitespace"), min_count=1
        )
        named = f"ours, recipe {chosen.recipe}" if chosen.recipe else "ours, the defaults"
        as_the_book = WordVectorSettings(**common, subsample=0.0, optimizer="adam", batch_size=100)
        runs = {
            "the book's CBOW": lambda: time_book(
                with_ends, window_size=5, hidden_size=100, sample_size=5, seconds=chosen.seconds
            ),
            "ours, the book's settings": lambda: time_ours(corpus, as_the_book, seconds=chosen.seconds),
            named: lambda: time_ours(corpus, recipe(**common), seconds=chosen.seconds),
        }
        speeds = {name: [] for name in runs}
        for _ in range(chosen.repeats):
            for name, run in runs.items():
                speeds[name].append(run())
    medians = {name: statistics.median(each) for name, each in speeds.items()}
    book = medians["the book's CBOW"]
    print(
        f"{count:,} words, {len(corpus.counts):,} types; D=100, window 5, 5 negatives; NumPy {np.__version__}"
    )
    for name, speed in medians.items():
        print(f"{name:28s} {speed:12,.0f} words/s {speed / book:8.1f} times the book's")


if __name__ == "__main__":
    sys.exit(main())
