"""The command line: ``main`` finds the command, fills in its options and turns errors into one line and an exit code."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence

from artifact.errors import WordkinError
from trainer.commands import (
    analogy,
    corpus,
    evaluate,
    exporting,
    fetch,
    importing,
    listing,
    prune,
    publish,
    sample,
    similar,
    train,
    verify,
)
from trainer.commands.command import JSON, Command
from trainer.console import Console, one_line
from trainer.options import Parser, UsageError, add_options, resolve
from trainer.signals import EndedBySignal, end_on_signals

PROGRAM = "python -m trainer"
EXIT_MISTAKE = 2
_EXIT_BROKEN_PIPE = 141  # as of a command that SIGPIPE ended

COMMANDS: tuple[Command, ...] = (
    corpus.COMMAND,
    train.COMMAND,
    evaluate.COMMAND,
    similar.COMMAND,
    analogy.COMMAND,
    importing.COMMAND,
    exporting.COMMAND,
    publish.COMMAND,
    listing.COMMAND,
    verify.COMMAND,
    prune.COMMAND,
    fetch.COMMAND,
    sample.COMMAND,
)

_EPILOG = """\
every option may also come from the environment, as WORDKIN_ and its name: WORDKIN_STORE, WORDKIN_MIN_COUNT;
a flag wins over the environment, the environment over a recipe, a recipe over the default

examples:
  python -m trainer sample --output sample.txt
  python -m trainer train cbow sample.txt --recipe sample --name sample --store store
  python -m trainer similar car --store store
"""


def complain(text: str) -> None:
    """Say on standard error, in one line, why a command ends."""
    print(f"wordkin: {one_line(text)}", file=sys.stderr, flush=True)


def main(
    argv: Sequence[str] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    report: Callable[[str], None] = complain,
) -> int:
    """Run one command; returns its exit code. A mistake of the user's is 2, and one line to ``report``."""
    try:
        with end_on_signals():
            code = _run(
                list(sys.argv[1:] if argv is None else argv),
                os.environ if environment is None else environment,
            )
            sys.stdout.flush()
            return code
    except (EndedBySignal, KeyboardInterrupt) as ending:
        report("stopped")
        return ending.exit_code if isinstance(ending, EndedBySignal) else 130
    except BrokenPipeError:
        # Whoever read standard output has gone; the interpreter must not try to flush it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _EXIT_BROKEN_PIPE
    except SystemExit as ending:  # --help
        return int(ending.code or 0)
    except WordkinError as error:
        report(str(error))
    except MemoryError as error:
        report(f"not enough memory: {error}" if str(error) else "not enough memory")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        report(f"{where}{error.strerror or error}")
    return EXIT_MISTAKE


def _run(argv: list[str], environment: Mapping[str, str]) -> int:
    namespace = vars(_make_parser().parse_args(argv))
    command: Command = namespace.pop("command")
    if command.run is None:
        choices = ", ".join(child.name for child in command.children)
        raise UsageError(f"{command.name}: which {command.child_word}? There are: {choices}")
    arguments = resolve(
        (*command.options, JSON), flags=namespace, environment=environment, recipe=command.recipe
    )
    return command.run(arguments, Console(as_json=arguments["json"]))


def _make_parser() -> Parser:
    root = Command(
        name=PROGRAM,
        summary="Train word vectors on your own text, look at them, and keep them in a store.",
        children=COMMANDS,
    )
    parser = Parser(prog=PROGRAM, description=root.summary, epilog=_EPILOG)
    _fill(parser, root)
    return parser


def _fill(parser: argparse.ArgumentParser, command: Command, *, prefix: str = "") -> None:
    parser.set_defaults(command=command)
    if command.add_positionals is not None:
        command.add_positionals(parser)
    if command.run is not None:
        add_options(parser, (*command.options, JSON))
    if command.children:
        subparsers = parser.add_subparsers(metavar=command.child_word.upper(), required=False)
        for child in command.children:
            path = f"{prefix}{child.name}"
            subparser = subparsers.add_parser(
                child.name,
                help=child.summary,
                usage=f"{PROGRAM} {path} {child.usage}" if child.usage else None,
                description=child.summary,
                epilog=f"examples:\n{child.examples}" if child.examples else None,
            )
            _fill(subparser, child, prefix=f"{path} ")
