"""CpuLearner: word vectors on all cores, many times faster than the plain models and to the same specification."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.errors import InputError
from artifact.subwords import Ngrams
from trainer.corpus import Corpus
from trainer.engines.emission import LANES
from trainer.engines.hierarchy import tree_paths
from trainer.engines.kept import compiled_piece
from trainer.engines.rates import choose_rate, fall
from trainer.engines.sampling import PIECE, choose_chunk, keep_thresholds, negative_table
from trainer.engines.skipgram import near_lanes
from trainer.engines.tables import CHUNK, Workspace, aligned_zeros, first_inputs
from trainer.loop import Step
from trainer.mapped_files import let_go
from trainer.ngram_rows import NgramRows
from trainer.recipes import WordVectorSettings

USUAL_CHUNKS = {"cbow": CHUNK, "skipgram": CHUNK // 2}  # skip-gram goes over its chunk twice
STEP_WORDS = 1_000_000  # raw words a thread is given between two reports, at 100 dimensions


class CpuLearner:
    """CBOW or skip-gram with threads that share the tables without locks (Hogwild, Niu et al. 2011, arXiv 1106.5730).

    The text is cut into pieces of some thousand words, handed out in order; all that is random in a piece follows
    from the seed and its number. One thread is therefore reproducible bit for bit, and can stop and go on anywhere.
    """

    remark = ""

    def __init__(self, corpus: Corpus, settings: WordVectorSettings) -> None:
        """Raises InputError for fewer than two words."""
        size = len(corpus.counts)
        if size < 2:
            raise InputError(
                f"a vocabulary of {size} words cannot be trained: 2 are the least; lower --min-count"
            )
        if settings.output_share and settings.loss == "hierarchical-softmax":
            raise InputError(
                "hierarchical softmax has no output vectors of words to publish: set output_weight to 0"
            )
        if settings.output_share and settings.subwords is not None:
            raise InputError("words made of subwords are published as they are: set output_weight to 0")
        self.settings = settings
        self.learning_rate = choose_rate(settings)
        self._token_ids, self._line_starts = _frozen(corpus.token_ids), _frozen(corpus.line_starts)
        self._pieces = -(-len(self._token_ids) // PIECE)
        self.total_words = len(self._token_ids) * settings.epochs
        self.words_done = 0
        self._pieces_done = 0
        self._examples = 0
        self._tokens = corpus.tokens
        self._keep = _frozen(keep_thresholds(corpus.counts, settings.subsample))
        self._negatives, self._paths = np.zeros(0, np.int32), None
        self._subwords: NgramRows | None = None
        rows = size
        if settings.loss == "hierarchical-softmax":
            self._paths = tree_paths(corpus.counts)
        else:
            self._negatives = negative_table(corpus.counts, seed=settings.seed)
        if settings.subwords is not None:
            self._subwords = NgramRows.of_words(corpus.tokens, Ngrams(*settings.subwords, settings.buckets))
            rows = self._subwords.height
        starts, ngrams = (self._subwords.starts, self._subwords.rows) if self._subwords else (None, None)
        self.chunk = choose_chunk(
            corpus.counts,
            self._keep,
            window=settings.window,
            dim=settings.dim,
            usual=USUAL_CHUNKS[settings.model],
            starts=starts,
            rows=ngrams,
        )
        self._inputs = first_inputs(rows, settings.dim, settings.seed)
        self._outputs = aligned_zeros(size - 1 if self._paths else size, settings.dim)
        self._workspaces = [self._new_workspace() for _ in range(settings.threads)]
        self._train: Callable[..., Any] = compiled_piece()
        self._pool = ThreadPoolExecutor(settings.threads) if settings.threads > 1 else None

    def warm_up(self) -> None:
        """Compile for this processor, or read what an earlier run compiled: trains on nothing."""
        try:
            self._train_piece(self._workspaces[0], 0, 0)
        except OSError:  # the compiled code could not be written
            self._train = compiled_piece(kept=False)
            self._train_piece(self._workspaces[0], 0, 0)

    def finished(self) -> bool:
        return self._pieces_done >= self._pieces * self.settings.epochs

    def advance(self) -> Step:
        """Trains on the next million words or so of every thread.

        The loss is measured on a sixteenth of the text: per target for CBOW, per pair for skip-gram, weighted by nearness.
        Raises InputError after an epoch in which no word had a neighbour.
        """
        share = max(1, STEP_WORDS * 100 // (PIECE * self.settings.dim))
        last = min(self._pieces_done + share * self.settings.threads, self._pieces * self.settings.epochs)
        queue = itertools.count(self._pieces_done)

        def work_off(workspace: Workspace) -> tuple[float, float]:
            examples, loss = 0.0, 0.0
            while (piece := next(queue)) < last:
                more = self._train_piece(workspace, piece, PIECE)
                examples, loss = examples + more[0], loss + more[1]
            return examples, loss

        if self._pool is None:
            parts = [work_off(self._workspaces[0])]
        else:
            parts = list(self._pool.map(work_off, self._workspaces))
        before, words = self.words_done, len(self._token_ids)
        self._pieces_done = last
        self.words_done = self._position(last)
        start = before % max(words, 1)
        stop = start + self.words_done - before
        # Only now that no thread reads: a fault maps the pages around it as well.
        let_go(self._token_ids, start, min(stop, words))
        let_go(self._token_ids, 0, min(stop - words, words))  # of the next epoch
        examples = round(sum(part[0] for part in parts))
        self._examples += examples
        if self._examples == 0 and self._pieces_done >= self._pieces:
            raise InputError("nothing to learn from: no word of the vocabulary has a neighbour in its line")
        return Step(
            words=self.words_done - before,
            examples=examples,
            loss_sum=sum(part[1] for part in parts),
            learning_rate=self._rate(self.words_done),
        )

    def vectors(self) -> NDArray[np.float32]:
        """[V, D]: the input vectors, plus ``output_weight`` times the output vectors."""
        table = self._inputs[:, : self.settings.dim]
        vectors = table.copy() if self._subwords is None else self._subwords.mean_vectors(table)
        if self.settings.output_share:
            vectors += np.float32(self.settings.output_share) * self._outputs[:, : self.settings.dim]
        return vectors

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Both tables, and the position in the text, from which all that is random follows."""
        arrays = {name: table[:, : self.settings.dim].copy() for name, table in self._tables().items()}
        values = {"words_done": self.words_done, "pieces_done": self._pieces_done, "examples": self._examples}
        return arrays, values

    def restore(self, arrays: dict[str, NDArray[Any]], values: dict[str, Any]) -> None:
        """Takes the state of a learner that was made with the same corpus and settings. Raises InputError for other shapes."""
        for name, table in self._tables().items():
            here = table[:, : self.settings.dim]
            if arrays[name].shape != here.shape:
                raise InputError(
                    f"the checkpoint's {name} table is {arrays[name].shape}, this training's {here.shape}: "
                    "the corpus or the settings differ"
                )
            here[...] = arrays[name]
        self.words_done = int(values["words_done"])
        self._pieces_done = int(values["pieces_done"])
        self._examples = int(values["examples"])

    def _tables(self) -> dict[str, NDArray[np.float32]]:
        return {"input": self._inputs, "output": self._outputs}

    def _new_workspace(self) -> Workspace:
        settings, shared = self.settings, self.settings.count_shared(on_gpu=False)
        near = near_lanes(settings.window)
        constants = {
            "inputs": self._inputs.ctypes.data,
            "outputs": self._outputs.ctypes.data,
            "negative_ids": self._negatives.ctypes.data,
            "negative_room": len(self._negatives) - 2 * (shared + LANES),
            "skipgram": int(settings.model == "skipgram"),
        }
        subwords = None if self._subwords is None else (self._subwords.starts, self._subwords.rows)
        for kind, lists in (("path", self._paths), ("subword", subwords)):
            starts, rows = (0, 0) if lists is None else (lists[0].ctypes.data, lists[1].ctypes.data)
            constants |= {f"{kind}_starts": starts, f"{kind}_rows": rows}
        if self._paths is not None:
            near = int(np.diff(self._paths[0]).max())
        rates = {"negative_weight": settings.negatives / shared, "context_rate": settings.context_gradient}
        return Workspace(
            dim=settings.dim,
            negatives=shared,
            window=settings.window,
            near=near,
            chunk=self.chunk,
            constants=constants,
            rates=rates,
        )

    def _position(self, piece: int) -> int:
        """Raw words before `piece`, counted over all epochs."""
        epoch, number = divmod(piece, max(self._pieces, 1))
        return epoch * len(self._token_ids) + min(number * PIECE, len(self._token_ids))

    def _rate(self, words: int) -> float:
        return fall(self.settings, words, self.total_words)

    def _train_piece(self, workspace: Workspace, piece: int, size: int) -> tuple[float, float]:
        start = self._position(piece) % max(len(self._token_ids), 1)
        stop = min(start + size, len(self._token_ids))
        first_rate, last_rate = (
            self._rate(self._position(piece)),
            self._rate(self._position(piece) + stop - start),
        )
        return self._train(  # type: ignore[no-any-return]
            workspace.record,
            workspace.words,
            workspace.ends,
            self._token_ids,
            self._line_starts,
            self._keep,
            self.settings.seed,
            piece,
            start,
            stop,
            first_rate,
            last_rate,
        )


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    """A read-only view: the compiled code knows one kind of array, mapped or not."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view
