"""The book's LSTM language model beside ours, in one run on one text: words a second in turns, and what 4 epochs would take.

    python -m bench.book_language --text ptb.train.txt

The peer is written from the algorithm that chapter 6 of Deep Learning from Scratch 2 prints: a layer object for each
step and each of embedding and LSTM, whole tables as gradients of each of them, softmax over all words at once, batches put
together word by word, SGD with clipped gradients; NumPy in float32, its BLAS on as many threads as ours. Ours is the fast
engine with ``--recipe book-rnnlm``. Both: 20 lanes, 35 steps, 100 wide.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np

from trainer.backend import numpy_backend
from trainer.engines.language.engine import fast_engine
from trainer.language_recipes import RECIPES
from trainer.models.rnnlm_learner import RnnlmLearner

LANES, STEPS, WIDTH, RATE, MOST_NORM = 20, 35, 100, 20.0, 0.25


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Embedding:
    def __init__(self, W):
        self.W, self.grad = W, np.zeros_like(W)

    def forward(self, idx):
        self.idx = idx
        return self.W[idx]

    def backward(self, dout):
        self.grad[...] = 0
        np.add.at(self.grad, self.idx, dout)


class LSTM:
    def __init__(self, Wx, Wh, b):
        self.params = Wx, Wh, b
        self.grads = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)]

    def forward(self, x, h_prev, c_prev):
        Wx, Wh, b = self.params
        H = h_prev.shape[1]
        A = np.dot(x, Wx) + np.dot(h_prev, Wh) + b
        f, g, i, o = (
            sigmoid(A[:, :H]),
            np.tanh(A[:, H : 2 * H]),
            sigmoid(A[:, 2 * H : 3 * H]),
            sigmoid(A[:, 3 * H :]),
        )
        c = f * c_prev + g * i
        h = o * np.tanh(c)
        self.cache = x, h_prev, c_prev, i, f, g, o, c
        return h, c

    def backward(self, dh, dc):
        Wx, Wh, _ = self.params
        x, h_prev, c_prev, i, f, g, o, c = self.cache
        tanh_c = np.tanh(c)
        ds = dc + (dh * o) * (1 - tanh_c**2)
        dA = np.hstack(
            (
                ds * c_prev * f * (1 - f),
                ds * i * (1 - g**2),
                ds * g * i * (1 - i),
                dh * tanh_c * o * (1 - o),
            )
        )
        for grad, found in zip(
            self.grads, (np.dot(x.T, dA), np.dot(h_prev.T, dA), dA.sum(axis=0)), strict=True
        ):
            grad[...] = found
        return np.dot(dA, Wx.T), np.dot(dA, Wh.T), ds * f


class BooksRnnlm:
    """Embedding, LSTM, affine and softmax over blocks of steps; the state goes on from block to block."""

    def __init__(self, ids, size):
        generator = np.random.default_rng(0)

        def draw(*shape, scale):
            return (generator.standard_normal(shape) * scale).astype("f")

        root = WIDTH**-0.5
        self.params = [
            draw(size, WIDTH, scale=0.01),
            draw(WIDTH, 4 * WIDTH, scale=root),
            draw(WIDTH, 4 * WIDTH, scale=root),
            np.zeros(4 * WIDTH, "f"),
            draw(WIDTH, size, scale=root),
            np.zeros(size, "f"),
        ]
        self.xs, self.ts = ids[:-1], ids[1:]
        self.time, self.h, self.c = 0, np.zeros((LANES, WIDTH), "f"), np.zeros((LANES, WIDTH), "f")

    def batch(self):
        jump = len(self.xs) // LANES
        xs, ts = np.empty((LANES, STEPS), "i"), np.empty((LANES, STEPS), "i")
        for t in range(STEPS):
            for lane in range(LANES):
                at = (lane * jump + self.time) % len(self.xs)
                xs[lane, t], ts[lane, t] = self.xs[at], self.ts[at]
            self.time += 1
        return xs, ts

    def train_block(self):
        W_embed, Wx, Wh, b, W, b_out = self.params
        xs, ts = self.batch()
        embeddings, layers = [], []
        embedded, hs = np.empty((LANES, STEPS, WIDTH), "f"), np.empty((LANES, STEPS, WIDTH), "f")
        for t in range(STEPS):
            embeddings.append(Embedding(W_embed))
            embedded[:, t] = embeddings[-1].forward(xs[:, t])
        for t in range(STEPS):
            layers.append(LSTM(Wx, Wh, b))
            self.h, self.c = layers[-1].forward(embedded[:, t], self.h, self.c)
            hs[:, t] = self.h
        rows = hs.reshape(LANES * STEPS, WIDTH)
        scores = np.dot(rows, W) + b_out
        ys = np.exp(scores - scores.max(axis=1, keepdims=True))
        ys /= ys.sum(axis=1, keepdims=True)
        labels, every = ts.reshape(-1), np.arange(LANES * STEPS)
        loss = -np.log(ys[every, labels]).sum()
        dx = ys
        dx[every, labels] -= 1
        dx /= LANES * STEPS
        d_hs = np.dot(dx, W.T).reshape(hs.shape)
        sums = [np.zeros_like(table) for table in (Wx, Wh, b)]
        dh, dc, d_embedded = 0, 0, np.empty_like(embedded)
        for t in reversed(range(STEPS)):
            d_embedded[:, t], dh, dc = layers[t].backward(d_hs[:, t] + dh, dc)
            for total, part in zip(sums, layers[t].grads, strict=True):
                np.add(total, part, out=total)
        d_embed = 0
        for t in range(STEPS):
            embeddings[t].backward(d_embedded[:, t])
            d_embed = d_embed + embeddings[t].grad
        grads = [d_embed, *sums, np.dot(rows.T, dx), dx.sum(axis=0)]
        share = MOST_NORM / (np.sqrt(sum((grad**2).sum() for grad in grads)) + 1e-6)
        for param, grad in zip(self.params, grads, strict=True):
            np.subtract(param, RATE * min(share, 1) * grad, out=param)
        return loss


def measure(runner, seconds):
    """Words a second."""
    blocks, started = 0, time.perf_counter()
    while time.perf_counter() < started + seconds:
        runner.train_block()
        blocks += 1
    return blocks * LANES * STEPS / (time.perf_counter() - started)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    options = parser.parse_args()
    words = options.text.read_text(encoding="utf-8").replace("\n", "<eos>").split()
    tokens, ids = np.unique(words, return_inverse=True)
    ids = ids.astype(np.int32)
    ours = RnnlmLearner(
        ids,
        RECIPES["book-rnnlm"](),
        size=len(tokens),
        end_of_line=int(np.flatnonzero(tokens == "<eos>")[0]),
        valid_ids=ids[:1000],
        backend=numpy_backend(),
        engine=fast_engine(options.threads),
    )
    ours.warm_up()
    runners = {"the book's": BooksRnnlm(ids, len(tokens)), "ours": ours}
    speeds = {name: [] for name in runners}
    for runner in runners.values():
        measure(runner, 1)
    for number in range(options.rounds):
        for name, runner in runners.items():
            speeds[name].append(measure(runner, options.seconds))
        print(
            f"round {number + 1}: "
            + ", ".join(f"{name} {found[-1]:,.0f} words/s" for name, found in speeds.items())
        )
    middle = {name: statistics.median(found) for name, found in speeds.items()}
    for name, found in middle.items():
        print(
            f"{name}: {found:,.0f} words/s, 4 epochs of {len(ids):,} words in {4 * len(ids) / found:,.0f} s"
        )
    peer, own = middle.values()
    print(f"ours takes {peer / own:.2f} of the book's time")


if __name__ == "__main__":
    main()
