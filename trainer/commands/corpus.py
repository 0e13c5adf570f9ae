"""``corpus``: text becomes a folder of token ids that any number of trainings can start from."""

from __future__ import annotations

import argparse
from pathlib import Path

from trainer.commands.command import MIN_COUNT, PHRASE_OPTIONS, THREADS, TOKENIZER, Command
from trainer.console import Console
from trainer.options import Arguments, Option


def run(arguments: Arguments, console: Console) -> int:
    from trainer.texts import choose_phrases, describe_corpus, make_corpus

    corpus = make_corpus(
        arguments["text"],
        Path(arguments["output"]),
        tokenizer=arguments["tokenizer"],
        min_count=arguments["min_count"],
        phrases=choose_phrases(arguments),
        threads=arguments["threads"],
        console=console,
    )
    console.record(
        event="corpus",
        path=str(corpus.path),
        tokenizer=corpus.tokenizer.name,
        min_count=corpus.min_count,
        **({} if corpus.phrases is None else {"phrases": len(corpus.phrases)}),
        **corpus.report.to_json(),
    )
    console.say(f"{corpus.path}: {describe_corpus(corpus)}")
    return 0


def add_text(parser: argparse.ArgumentParser) -> None:
    """A positional ``TEXT...``."""
    parser.add_argument(
        "text",
        nargs="+",
        metavar="TEXT",
        help="files (.gz, .xz and .zst too), folders, patterns, or - for standard input",
    )


COMMAND = Command(
    name="corpus",
    summary="Read plain text once and write it as token ids, to train from more than once.",
    usage="TEXT... --output FOLDER [options]",
    examples="""\
  python -m trainer corpus wiki.txt.xz --output wiki --tokenizer letters
  zcat news.gz | python -m trainer corpus - --output news --min-count 10
  python -m trainer corpus wiki.txt.xz --output wiki --phrases --phrase-connectors of,the,and
""",
    options=(
        Option("output", "folder to write", metavar="FOLDER", needed=True),
        TOKENIZER,
        MIN_COUNT,
        *PHRASE_OPTIONS,
        THREADS,
    ),
    run=run,
    add_positionals=add_text,
)
