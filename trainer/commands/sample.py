"""``sample``: text of our own making, to try things out without a download."""

from __future__ import annotations

from pathlib import Path

from trainer.commands.command import SEED, Command
from trainer.console import Console, format_bytes
from trainer.options import Arguments, Option


def run(arguments: Arguments, console: Console) -> int:
    from trainer.corpus.sample import write_sample

    path = Path(arguments["output"])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_sample(path, seed=arguments["seed"])
    size = path.stat().st_size
    console.record(event="sample", path=str(path), bytes=size, seed=arguments["seed"], generated=True)
    console.say(f"{path}: {format_bytes(size)} of generated English-like text")
    return 0


COMMAND = Command(
    name="sample",
    summary="Write a small English-like text, generated from a grammar, to try things out on.",
    usage="--output FILE [--seed N] [options]",
    examples="""\
  python -m trainer sample --output sample.txt
  python -m trainer train cbow sample.txt --recipe sample --name sample --store store
""",
    options=(
        Option("output", "file to write", metavar="FILE", needed=True),
        SEED.with_default(0),
    ),
    run=run,
)
