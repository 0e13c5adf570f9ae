"""Dataclass fields that are also command-line options and environment variables: declared, read and listed in one place."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, field, fields
from typing import Any, NoReturn

from artifact.errors import InputError

ENVIRONMENT_PREFIX = "WORDKIN_"


def option(
    default: Any,
    text: str,
    *,
    metavar: str,
    least: int = 0,
    most: int = 0,
    choices: tuple[str, ...] = (),
    shown: bool = True,
) -> Any:
    """A dataclass field that is also an option; ``least`` and ``most`` bound whole numbers. Secrets are not ``shown``."""
    metadata = {"text": text, "metavar": metavar, "least": least, "most": most, "choices": choices}
    return field(default=default, metadata=metadata, repr=shown)


def flag(setting: Field[Any]) -> str:
    """How the command line calls a setting."""
    return "--" + setting.name.replace("_", "-")


def variable(setting: Field[Any]) -> str:
    """How the environment calls it."""
    return ENVIRONMENT_PREFIX + setting.name.upper()


def parse_options(
    settings: type[Any], arguments: Sequence[str], environment: Mapping[str, str], *, description: str
) -> dict[str, Any]:
    """The fields of the dataclass ``settings`` that are given, by name. InputError says in one line what is wrong."""
    parser = Parser(
        prog="python -m app",
        description=description,
        epilog=f"Each option can also be given in the environment, as {ENVIRONMENT_PREFIX}<OPTION> "
        f"(--max-top is {ENVIRONMENT_PREFIX}MAX_TOP); the flag wins. python -m app key makes an API key, "
        "python -m app settings lists all options in a table.",
        allow_abbrev=False,
    )
    for setting in fields(settings):
        text = setting.metadata["text"]
        if setting.default not in (MISSING, ""):
            text += f" ({setting.default})"
        parser.add_argument(flag(setting), metavar=setting.metadata["metavar"], help=text)
    given = vars(parser.parse_args(arguments))
    values: dict[str, Any] = {}
    for setting in fields(settings):
        if given[setting.name] is not None:
            values[setting.name] = _convert(setting, given[setting.name], source=flag(setting))
        elif text := environment.get(variable(setting)):
            values[setting.name] = _convert(setting, text, source=variable(setting))
    return values


def tabulate_options(settings: type[Any]) -> str:
    """The fields of the dataclass ``settings`` as a Markdown table: option, variable, default, meaning and range."""
    rows = ["| Option | Variable | Default | Meaning |", "|---|---|---|---|"]
    for setting in fields(settings):
        metadata = setting.metadata
        text = metadata["text"]
        if isinstance(setting.default, int):
            text += f" ({metadata['least']:,} to {metadata['most']:,})"
        default = "" if setting.default in (MISSING, "") else f"`{setting.default}`"
        rows.append(
            f"| `{flag(setting)} {metadata['metavar']}` | `{variable(setting)}` | {default} | {text} |"
        )
    return "\n".join(rows) + "\n"


def _convert(setting: Field[Any], value: str, *, source: str) -> str | int:
    if not isinstance(setting.default, int):
        return value
    if not (value.isascii() and value.removeprefix("-").isdigit() and len(value) <= 20):
        raise InputError(f"{source}: {value[:40]!a} is not a whole number")
    return int(value)


class Parser(argparse.ArgumentParser):
    """Mistakes become InputError, so that they end in one line and not in a page of usage."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see python -m app --help)")
