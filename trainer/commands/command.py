"""What a command is, and the options that several of them share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainer.console import Console
from trainer.corpus.phrase_settings import THRESHOLDS
from trainer.options import Arguments, Option, count_number, decimal_number, positive_number, word_list


@dataclass(frozen=True)
class Command:
    """One command, or a family of them: then ``children`` do the work and ``run`` is None."""

    name: str
    summary: str
    usage: str = ""
    """What follows the command's name, the most needed first."""
    examples: str = ""
    options: Sequence[Option] = ()
    run: Callable[[Arguments, Console], int] | None = None
    """Returns the exit code. Raises WordkinError for mistakes of the user's."""
    add_positionals: Callable[[argparse.ArgumentParser], object] | None = None
    recipe: Callable[[str], Mapping[str, Any]] | None = None
    """What a recipe of this command sets, by option."""
    children: Sequence[Command] = ()
    child_word: str = "command"


JSON = Option(
    "json", "JSON lines on standard output, as when it is not a terminal; --no-json for text", switch=True
)
STORE = Option("store", "folder or URL that the models are published in", metavar="FOLDER", needed=True)
NAME = Option(
    "name", "NAME, or NAME@VERSION for one that is not the latest; not needed where the store has one name"
)
TOKENIZER = Option(
    "tokenizer",
    "how text becomes words: Unicode words in lower case; a-z with digits spelled out; or white space alone",
    choices=("words", "letters", "whitespace"),
    default="words",
)
MIN_COUNT = Option("min-count", "leave out words that occur fewer times", parse=positive_number, default=5)
PHRASE_OPTIONS = (
    Option("phrases", "join words that belong together, such as new_york", switch=True, default=False),
    Option("phrase-passes", "2 joins up to four words, 3 up to eight", parse=positive_number, default=2),
    Option(
        "phrase-scoring",
        "how pairs are scored: word2phrase's way, or normalised pointwise mutual information",
        choices=tuple(THRESHOLDS),
        default="default",
    ),
    Option(
        "phrase-threshold",
        f"score above which a pair is joined (default: {', '.join(f'{least:g} for {name}' for name, least in THRESHOLDS.items())})",
        parse=decimal_number,
        metavar="X",
    ),
    Option(
        "phrase-connectors",
        "words that may stand inside a phrase but not at its ends, such as of,the",
        parse=word_list,
        default=(),
        metavar="WORDS",
    ),
)
THREADS = Option("threads", "threads to use (default: all cores)", parse=positive_number)
NEIGHBOURS = Option(
    "neighbours",
    "also publish the N nearest words of every word, found exactly; 0 for none (default: 50 where that takes seconds)",
    parse=count_number,
)
NEIGHBOURS_DEVICE = Option(
    "device", "where neighbours are computed", choices=("auto", "cpu", "gpu"), default="auto"
)
CHECKPOINTS = Option("checkpoints", "folder for checkpoints (default: in the store)", metavar="FOLDER")
SEED = Option("seed", "seed of everything random", parse=count_number, default=1)
