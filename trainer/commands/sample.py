"""``sample``: text of our own making, to try things out without a download."""

from __future__ import annotations

from pathlib import Path

from trainer.commands.command import SEED, Command
from trainer.console import Console, format_bytes
from trainer.options import Arguments, Option, positive_number


def run(arguments: Arguments, console: Console) -> int:
    from trainer.corpus.sample import SAMPLE_NOTICE, write_sample

    path = Path(arguments["output"])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_sample(path, seed=arguments["seed"], sentences=arguments["sentences"])
    size = path.stat().st_size
    console.record(
        event="sample",
        path=str(path),
        bytes=size,
        seed=arguments["seed"],
        generated=True,
        notice=SAMPLE_NOTICE,
    )
    console.say(f"{path}: {format_bytes(size)}. {SAMPLE_NOTICE}")
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
        Option("sentences", "sentences to write", parse=positive_number, default=60_000),
    ),
    run=run,
)
