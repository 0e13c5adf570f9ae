"""``analogy``: a is to b as c is to what?"""

from __future__ import annotations

import argparse

from artifact.errors import UnknownWords
from trainer.commands.command import NAME, STORE, Command
from trainer.commands.models import explain_unknown, open_embedding, show_neighbours
from trainer.console import Console
from trainer.options import Arguments, Option, positive_number


def run(arguments: Arguments, console: Console) -> int:
    embedding = open_embedding(arguments["store"], arguments["name"])
    a, b, c = arguments["a"], arguments["b"], arguments["c"]
    try:
        neighbours = embedding.analogy(a, b, c, top=min(arguments["top"], len(embedding.vocabulary)))
    except UnknownWords as error:
        raise explain_unknown(error) from None
    question = {"a": a, "b": b, "c": c}
    show_neighbours(console, embedding, neighbours, title=f"{a} : {b} = {c} : ?", question=question)
    return 0


def _add_positionals(parser: argparse.ArgumentParser) -> None:
    for name in "abc":
        parser.add_argument(name, metavar=name.upper())


COMMAND = Command(
    name="analogy",
    summary="Show what is to C as B is to A: the words nearest to B - A + C.",
    usage="A B C --store FOLDER [options]",
    examples="""\
  python -m trainer analogy king man queen --store store
  python -m trainer analogy take took go --store store --name ptb
""",
    options=(STORE, NAME, Option("top", "how many words to show", parse=positive_number, default=5)),
    run=run,
    add_positionals=_add_positionals,
)
