"""``fetch``: download a well-known text."""

from __future__ import annotations

from pathlib import Path

from trainer.commands.command import Command
from trainer.console import Console
from trainer.corpus.datasets import DATASETS
from trainer.options import Arguments, Option
from trainer.progress import show_progress


def run(arguments: Arguments, console: Console) -> int:
    from trainer.corpus.fetch import describe, fetch

    name, cache = arguments["corpus"], arguments["cache"]
    about = describe(name)
    for line in about.splitlines():
        console.note(line)
    with show_progress(console) as progress:
        path = fetch(name, cache=None if cache is None else Path(cache), progress=progress.work)
    console.record(event="fetched", corpus=name, path=str(path), about=about)
    console.say(str(path))
    return 0


COMMAND = Command(
    name="fetch",
    summary="Download a well-known text (ptb, text8, wikitext-2, enwik9 …), check it and say where it lies.",
    usage="CORPUS [--cache FOLDER] [options]",
    examples="""\
  python -m trainer fetch ptb
  python -m trainer train cbow "$(python -m trainer fetch text8 --no-json)" --tokenizer letters --name text8 --store store
""",
    options=(
        # WORDKIN_CACHE is the folder above this one, for all that wordkin keeps.
        Option(
            "cache",
            "folder to keep downloads in (default: corpora in WORDKIN_CACHE or ~/.cache/wordkin)",
            metavar="FOLDER",
            from_environment=False,
        ),
    ),
    run=run,
    add_positionals=lambda parser: parser.add_argument(
        "corpus", metavar="CORPUS", help=f"one of {', '.join(DATASETS)}"
    ),
)
