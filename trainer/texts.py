"""Text given to a command: encoded on the spot, or a corpus folder that was made before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from artifact.errors import InputError
from artifact.phrases import Phrases
from artifact.tokenizer import Tokenizer
from trainer.console import Console, format_bytes
from trainer.corpus import Corpus, PhraseSettings, build_corpus, is_corpus, open_corpus
from trainer.options import Arguments
from trainer.progress import show_progress


def read_corpus(
    sources: Sequence[str],
    *,
    arguments: Arguments,
    tokenizer: str,
    min_count: int,
    phrases: PhraseSettings | Phrases | None = None,
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
            phrases=phrases,
            threads=arguments["threads"],
            console=console,
        )
    if len(sources) > 1:
        raise InputError(f"{folders[0]} is a corpus folder and stands alone; {len(sources)} texts were given")
    corpus = open_corpus(Path(folders[0]))
    made_with: dict[str, Any] = {"tokenizer": corpus.tokenizer.name, "min_count": corpus.min_count}
    joined = corpus.phrases is not None
    if arguments.said("phrases") and arguments["phrases"] != joined:
        raise InputError(
            f"--{'no-' if joined else ''}phrases contradicts {folders[0]}, "
            f"which was made {'with' if joined else 'without'} --phrases"
        )
    asked = dict(arguments.values)
    if corpus.phrase_settings is not None and isinstance(phrases, PhraseSettings):
        made_with |= corpus.phrase_settings.to_json()
        asked |= phrases.spelled_by(corpus.tokenizer).to_json()
    for key, value in made_with.items():
        if arguments.said(key) and asked[key] != value:
            option = f"--{key.replace('_', '-')}"
            raise InputError(
                f"{option} {_show(asked[key])} contradicts {folders[0]}, which was made with {option} {_show(value)}"
            )
    return corpus


def choose_phrases(arguments: Arguments) -> PhraseSettings | None:
    """The phrases that ``--phrases`` and the options beside it ask for; InputError where they do without it."""
    settings = PhraseSettings(
        passes=arguments["phrase_passes"],
        scoring=arguments["phrase_scoring"],
        threshold=arguments["phrase_threshold"],
        connectors=arguments["phrase_connectors"],
    )
    if arguments["phrases"]:
        return settings
    for key in settings.to_json():
        if arguments.said(key):
            raise InputError(f"--{key.replace('_', '-')} means nothing without --phrases")
    return None


def make_corpus(
    sources: Sequence[str],
    output: Path,
    *,
    tokenizer: str,
    min_count: int,
    phrases: PhraseSettings | Phrases | None = None,
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
            phrases=phrases,
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
    if corpus.phrases is not None:
        vocabulary += f"; {len(corpus.phrases):,} phrases, each counted as a word where it was joined"
    return f"{report.words:,} words in {report.lines:,} lines, {format_bytes(report.bytes)}; {vocabulary}"


def _show(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / max(whole, 1):.1f} %"
