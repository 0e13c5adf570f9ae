"""``similar``: the words nearest to some words."""

from __future__ import annotations

from artifact.errors import UnknownWords
from trainer.commands.command import NAME, STORE, Command
from trainer.commands.models import explain_unknown, open_embedding, show_neighbours
from trainer.console import Console
from trainer.options import Arguments, Option, positive_number


def run(arguments: Arguments, console: Console) -> int:
    embedding = open_embedding(arguments["store"], arguments["name"])
    positive, negative = list(arguments["words"]), list(arguments["negative"])
    try:
        neighbours = embedding.similar(
            positive, negative, top=min(arguments["top"], len(embedding.vocabulary))
        )
    except UnknownWords as error:
        raise explain_unknown(error) from None
    title = "similar to " + " + ".join(positive) + "".join(f" - {word}" for word in negative)
    question = {"positive": positive, "negative": negative}
    show_neighbours(console, embedding, neighbours, title=title, question=question)
    return 0


COMMAND = Command(
    name="similar",
    summary="Show the words nearest to one word, or to a sum and difference of words.",
    usage="WORD... --store FOLDER [options]",
    examples="""\
  python -m trainer similar car --store store
  python -m trainer similar king woman --negative man --store store --top 5
""",
    options=(
        STORE,
        NAME,
        Option("negative", "words to subtract", metavar="WORD", many=True, default=()),
        Option("top", "how many words to show", parse=positive_number, default=10),
    ),
    run=run,
    add_positionals=lambda parser: parser.add_argument("words", nargs="+", metavar="WORD"),
)
