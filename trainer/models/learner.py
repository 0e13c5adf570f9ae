"""PlainLearner: trains word vectors with the plain models, a bounded piece of text at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from artifact.errors import InputError
from artifact.subwords import Ngrams
from trainer.backend import Backend
from trainer.batches import Text, WindowReader, Windows
from trainer.layers.hierarchical_softmax import HierarchicalSoftmaxLoss, HuffmanTree
from trainer.layers.negative_sampling import NegativeSamplingLoss
from trainer.layers.unigram_sampler import UnigramSampler
from trainer.loop import Step
from trainer.models.cbow import CBOW
from trainer.models.result import LossAndGradients, OutputLayer
from trainer.models.skipgram import SkipGram
from trainer.models.subwords import SubwordRows
from trainer.ngram_rows import NgramRows
from trainer.optimizers import make_optimizer
from trainer.recipes import WordVectorSettings

LEARNING_RATES = {"adam": 0.005, "sgd": 0.05}
PIECE_WORDS = {"cbow": 16 * 1024, "skipgram": 4 * 1024}


class Corpus(Text, Protocol):
    """What is needed of a corpus."""

    @property
    def tokens(self) -> Sequence[str]: ...  # [V], looked at for subwords alone

    @property
    def counts(self) -> NDArray[np.int64]: ...  # [V]


class PlainLearner:
    """CBOW or skip-gram by mini-batches, with a learning rate that falls in a straight line to zero.

    The pairs of a skip-gram target share its K negatives. Everything random depends on the seed and the
    position in the text, so a restored training ends bit for bit as an uninterrupted one.
    """

    remark = ""

    def __init__(self, corpus: Corpus, settings: WordVectorSettings, backend: Backend) -> None:
        """Raises InputError for settings that the plain models do not know and for fewer than two words."""
        shrink = not settings.whole_windows
        size = len(corpus.counts)
        if size < 2:
            raise InputError(
                f"a vocabulary of {size} words cannot be trained: 2 are the least; lower --min-count"
            )
        if settings.output_share and settings.loss == "hierarchical-softmax":
            raise InputError(
                "hierarchical softmax has no output vectors of words to publish: set output_weight to 0"
            )
        self.settings = settings
        self.backend = backend
        # A word in the middle is one example for CBOW, for skip-gram about as many pairs as its window has words.
        pairs = 1 if settings.model == "cbow" else settings.window + 1 if shrink else 2 * settings.window
        self._batch_windows = max(1, round(settings.batch_size / pairs))
        self.learning_rate = settings.learning_rate or LEARNING_RATES[settings.optimizer]
        self._reader = WindowReader(
            corpus,
            counts=corpus.counts,
            window=settings.window,
            subsample=settings.subsample,
            seed=settings.seed,
            piece_words=PIECE_WORDS[settings.model],
            shrink=shrink,
        )
        self.total_words = len(corpus.token_ids) * settings.epochs
        self.words_done = 0
        self._pieces_done = 0
        self._examples = 0
        self._ngram_rows: NgramRows | None = None
        subwords: SubwordRows | None = None
        height = size
        if settings.subwords is not None:
            ngrams = Ngrams(*settings.subwords, settings.buckets)
            self._ngram_rows = NgramRows.of_words(corpus.tokens, ngrams)
            height = self._ngram_rows.height
            starts, rows = backend.asarray(self._ngram_rows.starts), backend.asarray(self._ngram_rows.rows)
            subwords = SubwordRows(starts, rows)
        self._tables = {
            "input": backend.asarray(_initial(height, settings.dim, settings.seed)),
            "output": backend.xp.zeros((size, settings.dim), np.float32),
        }
        self._sampler: UnigramSampler | None = None
        output: OutputLayer
        if settings.loss == "negative-sampling":
            self._sampler = UnigramSampler(corpus.counts, backend=backend)
            output = NegativeSamplingLoss(self._tables["output"], backend=backend)
        else:
            self._tables["output"] = self._tables["output"][: size - 1]
            tree = HuffmanTree(corpus.counts, backend=backend)
            output = HierarchicalSoftmaxLoss(self._tables["output"], tree=tree, backend=backend)
        models: dict[str, type[CBOW | SkipGram]] = {"cbow": CBOW, "skipgram": SkipGram}
        self._model: CBOW | SkipGram = models[settings.model](
            self._tables["input"], output=output, backend=backend, subwords=subwords
        )
        self._optimizer = make_optimizer(settings.optimizer, self._tables, backend=backend)

    def warm_up(self) -> None:
        """Nothing to do: plain arrays are not compiled."""

    def finished(self) -> bool:
        return self._pieces_done >= self._reader.pieces * self.settings.epochs

    def advance(self) -> Step:
        """Trains the next piece of some ten thousand words. The loss is per target for CBOW, per pair for skip-gram.

        Raises InputError after an epoch in which no word had a neighbour.
        """
        epoch, piece = divmod(self._pieces_done, self._reader.pieces)
        generator = self._reader.generator(epoch, piece)
        words, windows = self._reader.read(epoch, piece, generator)
        draws = self.backend.generator(int(generator.integers(2**63)))
        loss_sum, examples, rate = self.backend.xp.zeros((), np.float64), 0, 0.0
        batch_size = self._batch_windows
        with np.errstate(over="ignore", invalid="ignore"):  # a diverging loss is reported, not warned of
            for number, batch in enumerate(windows.batches(batch_size)):
                done = self.words_done + words * number * batch_size / len(windows)
                rate = self.learning_rate * max(1 - done / self.total_words, 1e-4)
                result = self._train(batch, draws, rate)
                loss_sum += result.loss_sum
                examples += int(result.examples)
        self.words_done += words
        self._pieces_done += 1
        self._examples += examples
        if self._examples == 0 and self._pieces_done == self._reader.pieces:
            raise InputError("nothing to learn from: no word of the vocabulary has a neighbour in its line")
        return Step(words=words, examples=examples, loss_sum=float(loss_sum), learning_rate=rate)

    def _train(self, batch: Windows, draws: Any, learning_rate: float) -> LossAndGradients:
        asarray = self.backend.asarray
        targets = asarray(batch.targets)
        result = self._model.loss_and_gradients(
            contexts=asarray(batch.contexts),
            weights=asarray(batch.weights),
            targets=targets,
            negatives=self._sampler and self._sampler.draw(targets, self.settings.negatives, draws),
        )
        self._optimizer.step(result.gradients, learning_rate=learning_rate)
        return result

    def vectors(self) -> NDArray[np.float32]:
        """[V, D]: the input vectors (with subwords, means of rows), plus ``output_weight`` times the output vectors."""
        table: NDArray[np.float32] = self.backend.to_numpy(self._tables["input"])
        vectors = table.copy() if self._ngram_rows is None else self._ngram_rows.mean_vectors(table)
        if self.settings.output_share:
            output = self.backend.to_numpy(self._tables["output"])
            vectors += np.float32(self.settings.output_share) * output
        return vectors

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Both tables and the optimizer's arrays; the position in the text, from which all that is random follows.

        On the CPU the arrays are the learner's own: write them out before it advances.
        """
        arrays, optimizer = self._optimizer.state()
        arrays |= {name: self.backend.to_numpy(table) for name, table in self._tables.items()}
        return arrays, {
            "words_done": self.words_done,
            "pieces_done": self._pieces_done,
            "examples": self._examples,
            "optimizer": optimizer,
        }

    def restore(self, arrays: dict[str, NDArray[Any]], values: dict[str, Any]) -> None:
        """Takes the state of a learner that was made with the same corpus and settings.

        Raises InputError for tables of another shape.
        """
        for name, table in self._tables.items():
            if arrays[name].shape != table.shape:
                raise InputError(
                    f"the checkpoint's {name} table is {arrays[name].shape}, this training's {table.shape}: "
                    "the corpus or the settings differ"
                )
            table[...] = self.backend.asarray(arrays[name])
        self._optimizer.restore(arrays, values["optimizer"])
        self.words_done = int(values["words_done"])
        self._pieces_done = int(values["pieces_done"])
        self._examples = int(values["examples"])


def _initial(size: int, dim: int, seed: int) -> NDArray[np.float32]:
    """Uniform within ±1 / 2D, as in word2vec.c."""
    vectors = np.random.default_rng([seed]).random((size, dim), np.float32)
    vectors -= np.float32(0.5)
    vectors /= np.float32(dim)
    return vectors
