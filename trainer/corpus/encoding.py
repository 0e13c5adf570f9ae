"""From the numbers that threads gave to words, to ids by falling count: the corpus's files."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.corpus.counting import Counting, write_all
from trainer.corpus.folder import COUNTS_FILE, IDS_FILE, LINES_FILE, VOCABULARY_FILE


class Vocabulary:
    """All threads' words together, ranked."""

    def __init__(self, counting: Counting, min_count: int) -> None:
        first, *others = (worker.scanner.table for worker in counting.workers)
        own: NDArray[np.int32] = np.arange(len(first), dtype=np.int32)
        numbers: list[NDArray[np.int32]] = [own, *(first.absorb(other) for other in others)]
        counts = first.counts[: len(first)]
        kept = first.rank(min_count)
        token_ids = np.full(len(first), -1, "<i4")
        token_ids[kept] = np.arange(len(kept), dtype="<i4")
        self.types = int(np.count_nonzero(counts))
        self.counts: NDArray[np.int64] = counts[kept].astype("<i8")
        self.token_ids: list[NDArray[np.int32]] = [token_ids[of_worker] for of_worker in numbers]
        """For each worker, [its words] the id of each of its numbers; -1 below min_count."""
        self._words = first.words(kept)

    def write(self, folder: Path) -> None:
        """Write vocabulary.txt and counts.i64."""
        (folder / VOCABULARY_FILE).write_bytes(b"".join(word + b"\n" for word in self._words))
        (folder / COUNTS_FILE).write_bytes(self.counts.tobytes())


def encode(counting: Counting, vocabulary: Vocabulary, folder: Path, progress: Callable[[int], None]) -> int:
    """Write ids.i32 and lines.i64, taking the threads' blocks in the order of the text. Gives the number of lines.

    ``progress`` is told how many words are done.
    """
    words = lines = 0
    with ExitStack() as stack:
        ids_file = stack.enter_context((folder / IDS_FILE).open("wb", buffering=0))
        lines_file = stack.enter_context((folder / LINES_FILE).open("wb", buffering=0))
        numbers = [
            stack.enter_context(worker.ids_path.open("rb", buffering=0)) for worker in counting.workers
        ]
        line_ends = [
            stack.enter_context(worker.lines_path.open("rb", buffering=0)) for worker in counting.workers
        ]
        write_all(lines_file, np.zeros(1, "<i8"))
        for worker, block_words, block_lines in counting.blocks:
            found = np.fromfile(numbers[worker], np.int32, block_words)
            write_all(ids_file, vocabulary.token_ids[worker].take(found))
            ends = np.fromfile(line_ends[worker], np.int32, block_lines).astype("<i8")
            ends += words
            write_all(lines_file, ends)
            words += block_words
            lines += block_lines
            progress(words)
    return lines
