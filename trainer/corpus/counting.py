"""The one pass over the text: threads take blocks in turn, number their words, and put the numbers on disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from artifact.tokenizer import Tokenizer
from trainer.corpus.blocks import LINE_BYTES, PIECE_BYTES, Block, cut_blocks
from trainer.corpus.reading import NotText, read_pieces
from trainer.corpus.scanning import Scanner
from trainer.corpus.sources import Source


class Worker:
    """A thread's scanner, and the files with what it found: its blocks' words and line ends, one block after another."""

    def __init__(self, tokenizer: Tokenizer, folder: Path, number: int) -> None:
        self.scanner = Scanner(tokenizer)
        self.ids_path = folder / f"words-{number}.i32"
        self.lines_path = folder / f"lines-{number}.i32"


class Counting:
    """Counts the words of sources and keeps their numbers in order."""

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        tokenizer: Tokenizer,
        folder: Path,
        threads: int,
        piece_bytes: int = PIECE_BYTES,
        line_bytes: int = LINE_BYTES,
    ) -> None:
        self.workers = [Worker(tokenizer, folder, number) for number in range(threads)]
        self.blocks: list[tuple[int, int, int]] = []
        """Which worker read each block of the text, and how many words and lines it found there."""
        self.files = 0
        self.skipped_files = 0
        self.bytes = 0
        self.cut_lines = 0
        self.bytes_taken = 0
        """What was read of the sources, as they lie on disk."""
        self._sizes = piece_bytes, line_bytes
        self._unread = self._read(sources)
        self._taking = threading.Lock()
        self._failures: list[BaseException] = []

    def run(self, progress: Callable[[], None]) -> None:
        """Read everything. ``progress`` is called on the caller's thread, after each block that it read itself."""
        others = [
            threading.Thread(target=self._work_beside, args=(number,))
            for number in range(1, len(self.workers))
        ]
        try:
            for thread in others:
                thread.start()
            self._work(0, progress)
        except BaseException as failure:
            self._failures.append(failure)
            raise
        finally:
            for thread in others:
                if thread.ident:
                    thread.join()
        if self._failures:
            raise self._failures[0]

    def _work_beside(self, number: int) -> None:
        try:
            self._work(number, lambda: None)
        except BaseException as failure:
            self._failures.append(failure)

    def _work(self, number: int, progress: Callable[[], None]) -> None:
        worker = self.workers[number]
        with (
            worker.ids_path.open("wb", buffering=0) as ids_file,
            worker.lines_path.open("wb", buffering=0) as lines_file,
        ):
            while taken := self._take():
                index, block = taken
                ids, line_ends = worker.scanner.scan(block)
                write_all(ids_file, ids)
                write_all(lines_file, line_ends)
                self.blocks[index] = number, len(ids), len(line_ends)
                progress()

    def _take(self) -> tuple[int, Block] | None:
        with self._taking:
            block = None if self._failures else next(self._unread, None)
            if block is None:
                return None
            self.blocks.append((0, 0, 0))
            return len(self.blocks) - 1, block

    def _read(self, sources: Sequence[Source]) -> Iterator[Block]:
        piece_bytes, line_bytes = self._sizes
        for source in sources:
            before = self.bytes_taken
            try:
                for block in cut_blocks(self._pieces(source, piece_bytes), line_bytes):
                    self.bytes += block.stop - block.start
                    self.cut_lines += block.cut
                    yield block
            except NotText:
                if not source.optional:
                    raise
                self.skipped_files += 1
            else:
                self.files += 1
            if source.bytes_on_disk is not None:
                self.bytes_taken = before + source.bytes_on_disk

    def _pieces(self, source: Source, piece_bytes: int) -> Iterator[bytes]:
        before = self.bytes_taken
        for piece, taken in read_pieces(source, piece_bytes):
            self.bytes_taken = before + taken
            yield piece


def write_all(file: IO[bytes], numbers: NDArray[Any]) -> None:
    """Write an array to an unbuffered file, which may take it in several goes."""
    rest = numbers.view(np.uint8).data
    while rest:
        rest = rest[file.write(rest) :]
