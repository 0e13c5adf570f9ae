"""Text given to a command: encoded on the spot, or a corpus folder that was made before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from artifact.errors import InputError
from artifact.tokenizer import Tokenizer
from trainer.console import Console, format_bytes
from trainer.corpus import Corpus, build_corpus, is_corpus, open_corpus
from trainer.options import Arguments
from trainer.progress import show_progress


def read_corpus(
    sources: Sequence[str],
    *,
    arguments: Arguments,
    tokenizer: str,
    min_count: int,
    output: Path,
    console: Console,
) -> Corpus:
    """The corpus that ``sources`` name, or one made of their text at ``output``.

    Raises InputError where an option contradicts what a corpus folder was made with.
    """
    folders = [source for source in sources if source != "-" and is_corpus(Path(source))]
    if not folders:
        return make_corpus(
            sources,
            output,
            tokenizer=tokenizer,
            min_count=min_count,
            threads=arguments["threads"],
            console=console,
        )
    if len(sources) > 1:
        raise InputError(f"{folders[0]} is a corpus folder and stands alone; {len(sources)} texts were given")
    corpus = open_corpus(Path(folders[0]))
    made_with = {"tokenizer": corpus.tokenizer.name, "min_count": corpus.min_count}
    for key, value in made_with.items():
        if arguments.said(key) and arguments[key] != value:
            option = f"--{key.replace('_', '-')}"
            raise InputError(
                f"{option} {arguments[key]} contradicts {folders[0]}, which was made with {option} {value}"
            )
    return corpus


def make_corpus(
    sources: Sequence[str],
    output: Path,
    *,
    tokenizer: str,
    min_count: int,
    threads: int | None,
    console: Console,
) -> Corpus:
    """Encode text into a corpus folder at ``output``, saying how it goes and what was odd about it."""
    with show_progress(console) as progress:
        progress.warming_up()
        corpus = build_corpus(
            sources,
            output,
            tokenizer=Tokenizer(tokenizer),
            min_count=min_count,
            threads=threads,
            progress=progress.work,
        )
    for oddity in corpus.report.oddities():
        console.note(oddity)
    return corpus


def describe_corpus(corpus: Corpus) -> str:
    """A line or two for a person."""
    report = corpus.report
    left_out = report.types - report.kept_types
    vocabulary = f"{report.kept_types:,} different"
    if left_out:
        vocabulary += f" ({left_out:,} more occur fewer than {corpus.min_count} times: {_share(report.words - report.kept_words, report.words)} of the text)"
    return f"{report.words:,} words in {report.lines:,} lines, {format_bytes(report.bytes)}; {vocabulary}"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / max(whole, 1):.1f} %"
