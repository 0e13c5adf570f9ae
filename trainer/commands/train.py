"""``train``: text becomes a published version."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from trainer.commands.command import (
    CHECKPOINTS,
    MIN_COUNT,
    NEIGHBOURS,
    PHRASE_OPTIONS,
    SEED,
    STORE,
    THREADS,
    TOKENIZER,
    Command,
)
from trainer.commands.corpus import add_text
from trainer.commands.rnnlm import RNNLM
from trainer.console import Console
from trainer.options import Arguments, Option, count_number, decimal_number, length_range, positive_number
from trainer.recipes import (
    ENGINES,
    LOSSES,
    OPTIMIZERS,
    RECIPES,
    TABLE_DTYPES,
    WordVectorSettings,
    recipe_options,
)

_DEFAULTS = WordVectorSettings(threads=1)


def _setting(name: str, about: str, parse: Callable[[str], Any] = str, **more: Any) -> Option:
    """An option whose default is that of the settings."""
    option = Option(name, about, parse=parse, **more)
    return option.with_default(getattr(_DEFAULTS, option.key))


WORD_VECTOR_OPTIONS = (
    Option("name", "name to publish under", metavar="NAME", needed=True),
    STORE,
    Option("recipe", f"settings that belong together: {', '.join(RECIPES)}", choices=tuple(RECIPES)),
    Option("device", "where to train", choices=("auto", "cpu", "gpu"), default="auto"),
    TOKENIZER,
    MIN_COUNT,
    *PHRASE_OPTIONS,
    _setting("dim", "length of the vectors", positive_number),
    _setting("window", "words to each side that count as context", positive_number),
    _setting("negatives", "noise words for each true one", positive_number),
    _setting(
        "subsample",
        "share of the text above which a word is thinned out; 0 keeps all",
        decimal_number,
        metavar="X",
    ),
    _setting("loss", "what is learned from each pair of word and context", choices=LOSSES),
    _setting(
        "subwords", "also learn character n-grams of these lengths, such as 3-6", length_range, metavar="M-N"
    ),
    _setting("buckets", "rows that character n-grams share", positive_number),
    _setting("epochs", "times to go through the text", positive_number),
    _setting(
        "learning-rate",
        "at the start; falls to zero (default: the engine's own)",
        decimal_number,
        metavar="X",
    ),
    THREADS,
    SEED,
    _setting("engine", "plain: readable and exact; fast: the same, many times faster", choices=ENGINES),
    _setting("optimizer", "how gradients are applied, plain engine", choices=OPTIMIZERS),
    _setting("batch-size", "examples for each update, plain engine", positive_number),
    _setting("whole-windows", "do not narrow windows at random, plain engine", switch=True),
    _setting(
        "shared-negatives",
        "noise words that a block of targets shares, fast engine (default: 16; on a GPU, for skip-gram up to 128 dimensions, 32)",
        positive_number,
    ),
    _setting(
        "context-gradient",
        "share of the gradient that CBOW's context words receive, fast engine",
        decimal_number,
        metavar="X",
    ),
    _setting(
        "table-dtype", "element type of the tables on a GPU while they are trained", choices=TABLE_DTYPES
    ),
    _setting("gpus", "GPUs of this machine that train together, fast engine", positive_number),
    _setting(
        "output-weight",
        "publish input vectors plus this much of the output vectors (default: 1 for cbow, 0 for skipgram)",
        decimal_number,
        metavar="X",
    ),
    Option(
        "dtype", "element type of the published vectors", choices=("float32", "float16"), default="float32"
    ),
    NEIGHBOURS,
    Option("license", "licence of the vectors, for the card and the manifest", metavar="TEXT", default=""),
    Option(
        "provenance", "where the text comes from, for the card and the manifest", metavar="TEXT", default=""
    ),
    Option("resume", "go on with the interrupted training of this name", switch=True, default=False),
    Option(
        "resume-from",
        "go on from a published version with new text; known words stay, new ones join them",
        metavar="NAME[@VERSION]",
    ),
    CHECKPOINTS,
    Option("checkpoint-seconds", "time between checkpoints", parse=decimal_number, default=300, metavar="X"),
    Option("keep-checkpoints", "published versions whose final state is kept", parse=count_number, default=1),
)


def run(arguments: Arguments, console: Console, *, model: str) -> int:
    from trainer.training import train_vectors

    return train_vectors(arguments, console, model=model)


def _word_vector_command(model: str, summary: str) -> Command:
    return Command(
        name=model,
        summary=summary,
        usage="TEXT... --name NAME --store FOLDER [options]",
        examples=f"""\
  python -m trainer train {model} my.txt --name mine --store store
  python -m trainer train {model} wiki --name wiki --store store --dim 300 --window 10 --epochs 3
  python -m trainer train {model} wiki --name wiki --store store --resume
  python -m trainer train {model} news.txt --resume-from wiki --name wiki --store store
""",
        options=WORD_VECTOR_OPTIONS,
        run=partial(run, model=model),
        add_positionals=add_text,
        recipe=partial(recipe_options, model=model),
    )


COMMAND = Command(
    name="train",
    summary="Train a model on text and publish it.",
    children=(
        _word_vector_command("cbow", "Word vectors: the words around each word predict it (CBOW)."),
        _word_vector_command("skipgram", "Word vectors: each word predicts the words around it (skip-gram)."),
        RNNLM,
    ),
    child_word="model",
)
