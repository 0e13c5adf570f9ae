"""``train rnnlm``: text becomes a published language model."""

from __future__ import annotations

from trainer.commands.command import CHECKPOINTS, MIN_COUNT, SEED, STORE, THREADS, TOKENIZER, Command
from trainer.commands.corpus import add_text
from trainer.console import Console
from trainer.language_recipes import (
    CELLS,
    ENGINES,
    OPTIMIZERS,
    PRECISIONS,
    RECIPES,
    SCHEDULES,
    RnnlmSettings,
    recipe_options,
)
from trainer.options import Arguments, Option, count_number, decimal_number, positive_number

_DEFAULTS = RnnlmSettings(threads=1)


def _setting(name: str, help_text: str, parse: object = str, **more: object) -> Option:
    """An option whose default is that of the settings."""
    option = Option(name, help_text, parse=parse, **more)  # type: ignore[arg-type]
    return option.with_default(getattr(_DEFAULTS, option.key))


def _share(name: str, help_text: str) -> Option:
    return _setting(name, help_text, decimal_number, metavar="P")


RNNLM_OPTIONS = (
    Option("name", "name to publish under", metavar="NAME", needed=True),
    STORE,
    Option("recipe", f"settings that belong together: {', '.join(RECIPES)}", choices=tuple(RECIPES)),
    Option("valid", "text to validate each epoch on (default: the last 5 % of the lines)", metavar="FILE"),
    Option("test", "text to measure the published model on", metavar="FILE"),
    Option("device", "where to train", choices=("auto", "cpu", "gpu"), default="auto"),
    TOKENIZER,
    MIN_COUNT.with_default(1),
    _setting("cell", "kind of the recurrent layers", choices=CELLS),
    _setting("hidden", "width of the recurrent layers", positive_number),
    _setting("layers", "recurrent layers, one above the other", positive_number),
    _setting("embedding", "length of a word's vector (default: as wide as the layers)", positive_number),
    _setting("tie-weights", "use the words' vectors for the output as well", switch=True),
    _setting("time-steps", "words that gradients flow back through", positive_number),
    _setting("vary-steps", "blocks of varying length around that", switch=True),
    _setting("shift-lanes", "begin each epoch elsewhere in the text", switch=True),
    _setting("batch-size", "places in the text that are read side by side", positive_number),
    _share("dropout", "share of values dropped everywhere; the next three set one place"),
    _share("input-dropout", "share dropped from the words' vectors"),
    _share("hidden-dropout", "share dropped between layers"),
    _share("output-dropout", "share dropped after the last layer"),
    _share("embedding-dropout", "share of the words dropped from the vocabulary"),
    _share("weight-drop", "share of the recurrent weights dropped"),
    _setting("variational", "drop the same values at all steps of a block", switch=True),
    _setting(
        "activation-penalty", "on the mean square of the last layer's output", decimal_number, metavar="X"
    ),
    _setting("change-penalty", "on how much that changes from word to word", decimal_number, metavar="X"),
    _setting("optimizer", "how gradients are applied", choices=OPTIMIZERS),
    _setting(
        "learning-rate", "at the start (default: what suits the optimizer)", decimal_number, metavar="X"
    ),
    _setting(
        "schedule",
        "divide the learning rate when validation stops improving, or a half cosine",
        choices=SCHEDULES,
    ),
    _share("warm-up", "share of the training in which the learning rate of the half cosine rises"),
    _setting("decay", "what the learning rate is divided by; 1 leaves it", decimal_number, metavar="X"),
    _setting("clip", "largest norm of the gradient; 0 does not clip", decimal_number, metavar="X"),
    _setting(
        "weight-decay", "share taken off the weights, times the learning rate", decimal_number, metavar="X"
    ),
    _setting(
        "average-after", "asgd: epochs without improvement after which weights are averaged", count_number
    ),
    _share("average-decay", "what an average of the weights keeps of itself at each update; 0: no average"),
    _setting("initial", "weights at the start", choices=("book", "uniform")),
    _setting("epochs", "times to go through the text", positive_number),
    _setting("patience", "epochs without improvement that end training; 0: none do", count_number),
    Option(
        "ngrams",
        "order of the n-grams that are mixed in; 0: the network alone",
        parse=count_number,
        default=5,
    ),
    THREADS,
    SEED,
    _setting("engine", "plain: readable and exact; fast: the same, many times faster", choices=ENGINES),
    _setting(
        "precision", "of products on a GPU: tf32 and bfloat16 round what they multiply", choices=PRECISIONS
    ),
    Option(
        "dtype", "element type of the published weights", choices=("float32", "float16"), default="float32"
    ),
    Option("license", "licence of the model, for the card and the manifest", metavar="TEXT", default=""),
    Option(
        "provenance", "where the text comes from, for the card and the manifest", metavar="TEXT", default=""
    ),
    Option("resume", "go on with the interrupted training of this name", switch=True, default=False),
    CHECKPOINTS,
    Option("checkpoint-seconds", "time between checkpoints", parse=decimal_number, default=300, metavar="X"),
    Option("keep-checkpoints", "published versions whose final state is kept", parse=count_number, default=1),
)


def run(arguments: Arguments, console: Console) -> int:
    from trainer.language_training import train_language

    return train_language(arguments, console)


RNNLM = Command(
    name="rnnlm",
    summary="A recurrent language model: which word comes next.",
    usage="TEXT... --name NAME --store FOLDER [options]",
    examples="""\
  python -m trainer train rnnlm my.txt --name mine --store store --hidden 400 --tie-weights --dropout 0.4
  python -m trainer train rnnlm ptb.train.txt --valid ptb.valid.txt --test ptb.test.txt --tokenizer whitespace \\
      --recipe book-rnnlm --name ptb --store store
  python -m trainer train rnnlm my.txt --name mine --store store --resume
""",
    options=RNNLM_OPTIONS,
    run=run,
    add_positionals=add_text,
    recipe=recipe_options,
)
