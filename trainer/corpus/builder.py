"""Text to a corpus on disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from artifact.errors import InputError
from artifact.phrases import Phrases
from artifact.tokenizer import Tokenizer
from trainer.corpus.folder import DESCRIPTION_FILE, Corpus, describe, open_corpus
from trainer.corpus.output import replace_corpus
from trainer.corpus.phrase_settings import PhraseSettings
from trainer.corpus.report import CorpusReport
from trainer.corpus.sources import Source, find_sources

Progress = Callable[[str, int, int | None], None]
"""Told a stage ("count", "encode" or "phrases"), the bytes (count) or words done, and of how many, where that is known."""

MAX_THREADS = 16
"""Beyond this, reading the text is what takes the time."""


def build_corpus(
    sources: Sequence[str],
    output: Path,
    *,
    tokenizer: Tokenizer,
    min_count: int = 5,
    phrases: PhraseSettings | Phrases | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Corpus:
    """Read ``sources`` (paths, folders, globs, "-" for standard input) into a new corpus at ``output``.

    The text is read once, in blocks; memory grows with the number of different words, not with the text, and twice
    4 bytes of disk are used for each word. The result does not depend on ``threads`` (default: as many as there are
    processors). A corpus that is already at ``output`` is replaced when the new one is complete. ``phrases`` says how
    to find phrases, or which to join.

    Raises ``InputError`` for a source that is missing, unreadable or not text, a text without words, fewer than two
    different words after ``min_count``, and an output that cannot be written.
    """
    if min_count < 1:
        raise InputError(f"min-count must be 1 or more, not {min_count}")
    if threads is None:
        threads = min(MAX_THREADS, _processors())
    elif threads < 1:
        raise InputError(f"threads must be 1 or more, not {threads}")
    if isinstance(phrases, PhraseSettings):
        phrases = phrases.spelled_by(tokenizer)
    found = find_sources(sources)
    with replace_corpus(Path(output)) as folder:
        progress = progress or (lambda *_: None)
        report = _build(found, folder, tokenizer, min_count, threads, progress)
        if phrases is not None:
            report = _join_phrases(folder, phrases, min_count, report, progress)
        (folder / DESCRIPTION_FILE).write_bytes(
            describe(folder, tokenizer=tokenizer, min_count=min_count, phrases=phrases, report=report)
        )
    return open_corpus(Path(output))


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _build(
    sources: Sequence[Source],
    folder: Path,
    tokenizer: Tokenizer,
    min_count: int,
    threads: int,
    progress: Progress,
) -> CorpusReport:
    # The compiler is loaded only where a corpus is really built.
    from trainer.corpus.counting import Counting
    from trainer.corpus.encoding import Vocabulary, encode

    sizes = [source.bytes_on_disk for source in sources]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    counting = Counting(sources, tokenizer=tokenizer, folder=folder, threads=threads)
    counting.run(lambda: progress("count", counting.bytes_taken, total))
    progress("count", counting.bytes_taken, total)
    scanners = [worker.scanner for worker in counting.workers]
    report = CorpusReport(
        files=counting.files,
        skipped_files=counting.skipped_files,
        bytes=counting.bytes,
        words=sum(words for _, words, _ in counting.blocks),
        lines=sum(lines for _, _, lines in counting.blocks),
        cut_lines=counting.cut_lines,
        invalid_utf8=sum(scanner.invalid_utf8 for scanner in scanners),
        nuls=sum(scanner.nuls for scanner in scanners),
        long_words=sum(scanner.long_words for scanner in scanners),
    )
    names = sources[0].name if len(sources) == 1 else f"{len(sources)} files"
    if not report.words:
        skipped = f", {report.skipped_files} of them skipped as not text" if report.skipped_files else ""
        raise InputError(f"{names}{skipped}: no words in {report.bytes:,} bytes of text")
    vocabulary = Vocabulary(counting, min_count)
    report = replace(
        report,
        types=vocabulary.types,
        kept_types=len(vocabulary.counts),
        kept_words=int(vocabulary.counts.sum()),
    )
    if report.kept_types < 2:
        raise InputError(
            f"{names}: {report.kept_types} of {report.types:,} different words (in {report.words:,} words) occur at "
            f"least {min_count} times, and 2 are needed: give more text or a smaller min-count"
        )
    vocabulary.write(folder)
    encode(counting, vocabulary, folder, lambda words: progress("encode", words, report.words))
    return report


def _join_phrases(
    folder: Path,
    phrases: PhraseSettings | Phrases,
    min_count: int,
    report: CorpusReport,
    progress: Progress,
) -> CorpusReport:
    from trainer.corpus.phrases import join_phrases

    # Each pass goes over the text to count pairs, where they are not known, and to join them.
    goes = phrases.joining.passes * (1 if isinstance(phrases, Phrases) else 2)
    total, done = goes * report.words, 0

    def tell(words: int) -> None:
        nonlocal done
        done += words
        progress("phrases", done, total)

    report = join_phrases(folder, phrases=phrases, min_count=min_count, report=report, tell=tell)
    if report.kept_types < 2:
        raise InputError(
            f"{report.kept_types} different words and phrases are left when phrases are joined, and 2 are needed"
        )
    # Joined, the text is shorter.
    progress("phrases", total, total)
    return report
