"""The engines' training written with the plain models, in float64: same chunks, same negatives, one update after the other."""

from types import SimpleNamespace

import numpy as np

from trainer.backend import numpy_backend
from trainer.engines.sampling import PIECE, fill_chunk, keep_thresholds, mix, negative_table, piece_key
from trainer.engines.tables import BLOCK
from trainer.layers.hierarchical_softmax import HierarchicalSoftmaxLoss, HuffmanTree
from trainer.layers.negative_sampling import NegativeSamplingLoss
from trainer.models.cbow import CBOW
from trainer.models.skipgram import SkipGram
from trainer.recipes import WordVectorSettings

BACKEND = numpy_backend()


def make_corpus(lines, size):
    """A corpus in memory from lists of ids."""
    ids = np.array([i for line in lines for i in line], np.int32)
    counts = np.maximum(np.bincount(ids[ids >= 0], minlength=size), 1)
    return SimpleNamespace(
        token_ids=ids,
        line_starts=np.cumsum([0, *map(len, lines)], dtype=np.int64),
        counts=counts.astype(np.int64),
        tokens=[f"w{i}é" for i in range(size)],
    )


def make_two_topics():
    """Lines of words 0 to 9 or of words 10 to 19, never both: five pieces, the last one short."""
    rng = np.random.default_rng(7)
    lines = [(rng.integers(0, 10, 9) + 10 * rng.integers(0, 2)).tolist() for _ in range(4000)]
    return make_corpus(lines, 20)


def thin(**options):
    """Settings that keep few words, so that several pieces take little time."""
    return WordVectorSettings(dim=6, window=2, shared_negatives=4, subsample=1e-4, **options)


def train(learner):
    """Train to the end; the steps on the way."""
    learner.warm_up()
    steps = []
    while not learner.finished():
        steps.append(learner.advance())
    return steps


class Specification:
    """Takes the tables of a learner as they are and trains them on pieces: the CPU engine's order of updates.

    A chunk works on input rows as they were when it began, and changes them when it ends.
    """

    block = BLOCK

    def __init__(self, learner, corpus):
        arrays, _ = learner.state()
        self.inputs, self.outputs = arrays["input"].astype(float), arrays["output"].astype(float)
        self.learner, self.settings, self.corpus = learner, learner.settings, corpus
        self.keep = keep_thresholds(corpus.counts, self.settings.subsample)
        self.negatives = negative_table(corpus.counts, seed=self.settings.seed)
        self.shared = learner.settings.count_shared(on_gpu=hasattr(learner, "plan"))
        size = len(corpus.counts)
        made = getattr(learner, "_subwords", None)
        starts, rows = (made.starts, made.rows) if made else (np.arange(size + 1), np.arange(size))
        self.rows_of = np.zeros((size, len(self.inputs)))
        for i in range(size):
            np.add.at(self.rows_of[i], rows[starts[i] : starts[i + 1]], 1)
        if self.settings.loss == "hierarchical-softmax":
            tree = HuffmanTree(corpus.counts, backend=BACKEND)
            self.output = HierarchicalSoftmaxLoss(self.outputs, tree=tree, backend=BACKEND)
        else:
            weight = self.settings.negatives / self.shared
            self.output = NegativeSamplingLoss(self.outputs, backend=BACKEND, negative_weight=weight)
            self.true_pairs = NegativeSamplingLoss(self.outputs, backend=BACKEND, negative_weight=0.0)

    def train(self, piece):
        """Returns (examples, loss) of the blocks that the engine measures."""
        learner, corpus, shared = self.learner, self.corpus, self.shared
        key, words, ends = (
            np.uint64(piece_key(self.settings.seed, piece)),
            np.zeros(learner.chunk, np.int32),
            np.zeros(learner.chunk, np.int64),
        )
        room = max(len(self.negatives) - 2 * (shared + 16), 1)
        cursor, self.blocks, self.examples, self.loss = int(mix(key) % np.uint64(room)), 0, 0.0, 0.0
        position = start = learner._position(piece) % len(corpus.token_ids)
        stop = min(start + PIECE, len(corpus.token_ids))
        line = int(np.searchsorted(corpus.line_starts, start, side="right")) - 1
        before = learner._position(piece) - start
        while position < stop:
            low, high = learner._rate(before + start), learner._rate(before + stop)
            rate = low + (high - low) * (position - start) / (stop - start)
            count, lines, position, line = fill_chunk(
                corpus.token_ids, corpus.line_starts, self.keep, position, stop, line, key, words, ends
            )
            bounds = list(zip([0, *ends], ends[:lines], strict=False))
            negatives = []
            for _ in range(0, count, self.block):
                if cursor >= room:
                    cursor = 0
                negatives.append(self.negatives[cursor : cursor + shared])
                cursor += 0 if self.settings.loss == "hierarchical-softmax" else shared
            self._train_chunk(words[:count], bounds, negatives, rate)
        return self.examples, self.loss

    def _train_chunk(self, words, bounds, negatives, rate):
        vectors = self.rows_of @ self.inputs / self.rows_of.sum(axis=1, keepdims=True)
        changes = np.zeros_like(vectors)
        starts = range(0, len(words), self.block)
        if self.settings.model == "skipgram" and self.settings.loss == "negative-sampling":
            self._train_apart(vectors, changes, words, bounds, starts, negatives, rate)
        else:
            for number, first in enumerate(starts):
                self._train_block(vectors, changes, words, words, bounds, first, negatives[number], rate)
        self.inputs += self.rows_of.T @ changes

    def _train_block(self, vectors, changes, places, words, bounds, first, negatives, rate):
        rows = range(first, min(first + self.block, len(words)))
        for step in [rows] if self.settings.loss == "negative-sampling" else [[i] for i in rows]:
            result = self._step(vectors, places, words, bounds, step, negatives)
            self._change(changes, result, rate)
            self._measure(0, float(result.loss_sum), result.weight)
        self.blocks += 1

    def _train_apart(self, vectors, changes, words, bounds, starts, negatives, rate):
        """All true pairs of the chunk; then words that stand as far apart as may be against the negatives they share."""
        for number, first in enumerate(starts):
            near = range(first, min(first + self.block, len(words)))
            pairs = self._step(vectors, words, words, bounds, near, negatives[number], output=self.true_pairs)
            self._change(changes, pairs, rate)
            self._measure(number, float(pairs.loss_sum), pairs.weight)
        for number, some in enumerate(negatives):
            apart = range(number, len(words), len(negatives))
            with_negatives = self._step(vectors, words, words, bounds, apart, some)
            without = self._step(vectors, words, words, bounds, apart, some, output=self.true_pairs)
            self._change(changes, with_negatives, rate)
            self._change(changes, without, -rate)
            self._measure(number, float(with_negatives.loss_sum - without.loss_sum), 0.0)
        self.blocks += len(negatives)

    def _measure(self, ahead, loss, weight):
        if (self.blocks + ahead) % 16 == 0:
            self.loss += loss
            self.examples += weight

    def _change(self, changes, result, rate):
        self.outputs -= rate * result.gradients["output"].to_dense(BACKEND)
        changes -= rate * result.gradients["input"].to_dense(BACKEND)

    def _step(self, vectors, places, words, bounds, targets, negatives, *, output=None):
        """`places` [n]: the row of `vectors` that holds each word of the chunk."""
        window, cbow = self.settings.window, self.settings.model == "cbow"
        output = output or self.output
        offsets = np.array([*range(-window, 0), *range(1, window + 1)])
        around, weights = np.zeros((2, len(targets), len(offsets)))
        for b, target in enumerate(targets):
            low, high = next(bound for bound in bounds if bound[0] <= target < bound[1])
            at = target + offsets
            inside = (at >= low) & (at < high)
            around[b, inside] = at[inside]
            weights[b] = inside * (window + 1 - np.abs(offsets)) / window
        around, targets = around.astype(int), np.array(targets)
        weight = float(len(targets) if cbow else weights.sum())
        hierarchical = self.settings.loss == "hierarchical-softmax"
        contexts, targets, middle = places[around].astype(int), words[targets].astype(int), places[targets]
        if cbow:
            model = CBOW(
                vectors, output=output, backend=BACKEND, context_gradient=self.settings.context_gradient
            )
        else:
            model = SkipGram(vectors, output=output, backend=BACKEND)
            if not hierarchical:  # the word in the middle predicts each word around it
                b, c = np.nonzero(weights)
                contexts, weights, targets = middle[b][:, None], weights[b, c][:, None], words[around[b, c]]
        many = None if hierarchical else np.tile(negatives, (len(targets), 1))
        result = model.loss_and_gradients(contexts=contexts, weights=weights, targets=targets, negatives=many)
        return SimpleNamespace(loss_sum=result.loss_sum, gradients=result.gradients, weight=weight)


class DeviceSpecification(Specification):
    """The GPU engine's order: an input row is read when the first block of targets sees it, and changed when the last has."""

    def __init__(self, learner, corpus):
        super().__init__(learner, corpus)
        self.block = learner.plan.block

    def _train_chunk(self, words, bounds, negatives, rate):
        rows = np.zeros((len(words), self.inputs.shape[1]))
        changes, places, seen, left = np.zeros_like(rows), np.arange(len(words)), 0, 0
        reach = self.settings.window if self.settings.model == "cbow" else 0
        for number, first in enumerate(range(0, len(words), self.block)):
            last = first + self.block
            made_of = self.rows_of[words[seen : last + reach]]
            rows[seen : last + reach] = made_of @ self.inputs / made_of.sum(axis=1, keepdims=True)
            self._train_block(rows, changes, places, words, bounds, first, negatives[number], rate)
            done = len(words) if last >= len(words) else max(last - reach, 0)
            self.inputs += self.rows_of[words[left:done]].T @ changes[left:done]
            seen, left = last + reach, done
