"""``evaluate``: how good a published version is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from artifact.errors import InputError, WrongKind
from artifact.remote import open_store
from artifact.store import Artifact
from trainer.commands.command import STORE, Command
from trainer.console import Console
from trainer.options import Arguments, Option, positive_number

if TYPE_CHECKING:
    from trainer.evaluate.language_text import LanguageTextResult


def run(arguments: Arguments, console: Console) -> int:
    # Sets are read before the model is opened: a mistake in them is said at once.
    from trainer.evaluate.analogies import evaluate_analogies, read_questions
    from trainer.evaluate.book import ask_book_questions
    from trainer.evaluate.report import Report
    from trainer.evaluate.similarity import evaluate_similarity, read_pairs

    questions = read_questions(Path(arguments["analogies"])) if arguments["analogies"] else None
    sets = _name_sets([Path(path) for path in arguments["similarity"]])
    pairs = {name: read_pairs(path) for name, path in sets.items()}
    store = open_store(arguments["store"])
    artifact = store.open(*store.resolve(arguments["reference"]))
    report = Report(artifact.name, artifact.version, artifact.manifest.kind)
    if artifact.manifest.kind == "language-model":
        report.language_text = _evaluate_language(artifact, arguments, console)
        console.record(**report.to_json())
        console.say(report.to_text())
        return 0
    embedding = artifact.embedding()
    if arguments["text"]:
        raise WrongKind(f"--text: {artifact.name} is not a language model")
    if questions is not None:
        report.analogies = evaluate_analogies(
            embedding, questions, restrict_vocab=arguments["restrict_vocab"]
        )
    report.similarity = {name: evaluate_similarity(embedding, each) for name, each in pairs.items()}
    if questions is None and not pairs:
        report.book = ask_book_questions(embedding)
    console.record(**report.to_json())
    console.say(report.to_text())
    return 0


def _evaluate_language(artifact: Artifact, arguments: Arguments, console: Console) -> LanguageTextResult:
    from trainer.evaluate.language_text import evaluate_language_text
    from trainer.progress import show_progress

    for option in ("analogies", "similarity"):
        if arguments[option]:
            raise WrongKind(f"--{option}: {artifact.name} is a language model; give --text FILE")
    if not arguments["text"]:
        raise InputError(f"{artifact.name} is a language model: give --text FILE to measure it on")
    with show_progress(console) as progress:
        return evaluate_language_text(
            artifact.language_model(),
            arguments["text"],
            progress=lambda words: progress.work("test", words, None),
        )


def _name_sets(paths: list[Path]) -> dict[str, Path]:
    """The sets by their files' names without endings; InputError for two of one name."""
    named = {path.stem: path for path in paths}
    if len(named) < len(paths):
        raise InputError(
            "--similarity: two files have the same name, so their results could not be told apart"
        )
    return named


COMMAND = Command(
    name="evaluate",
    summary="Measure word vectors on analogies and word similarity (without a file: the book's questions), a language "
    "model on a text.",
    usage="NAME[@VERSION] --store FOLDER [options]",
    examples="""\
  python -m trainer evaluate ptb --store store
  python -m trainer evaluate wiki --store store --analogies questions-words.txt --similarity wordsim353.tsv simlex999.txt
  python -m trainer evaluate news --store store --text test.txt
""",
    options=(
        STORE,
        Option("analogies", "questions of four words a line, in Google's format", metavar="FILE"),
        Option(
            "similarity",
            "sets of two words and a score a line",
            metavar="FILE",
            many=True,
            default=(),
        ),
        Option("text", "text to measure a language model on", metavar="FILE"),
        Option(
            "restrict-vocab",
            "ask analogies among this many of the most frequent words",
            parse=positive_number,
            default=30_000,
        ),
    ),
    run=run,
    add_positionals=lambda parser: parser.add_argument("reference", metavar="NAME[@VERSION]"),
)
