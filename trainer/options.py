"""Options of the command line, and where their values come from: flag, then environment, then recipe, then default."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NoReturn

from artifact.errors import InputError, WordkinError

ENVIRONMENT_PREFIX = "WORDKIN_"
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}
_LONGEST_NUMBER = 40


@dataclass(frozen=True)
class Option:
    """One ``--name`` of a command; ``parse`` turns text into a value and raises ValueError saying what it wants."""

    name: str
    help: str
    parse: Callable[[str], Any] = str
    default: Any = None
    choices: Collection[str] = ()
    metavar: str | None = None
    switch: bool = False
    many: bool = False
    needed: bool = False
    from_environment: bool = True

    @property
    def key(self) -> str:
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """The environment variable that stands in for the flag."""
        return ENVIRONMENT_PREFIX + self.key.upper()

    def with_default(self, default: Any) -> Option:
        return replace(self, default=default)

    def read(self, text: str) -> Any:
        """The value that ``text`` says. Raises ValueError."""
        if self.switch:
            if text.lower() not in _TRUE | _FALSE:
                raise ValueError(f"must be 1 or 0, not {shorten(text)}")
            return text.lower() in _TRUE
        if self.many:
            return [self.parse(part) for part in text.split()]
        if self.choices and text not in self.choices:
            raise ValueError(f"must be one of {', '.join(self.choices)}, not {shorten(text)}")
        return self.parse(text)


class UsageError(InputError):
    """A command line that cannot be understood."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose mistakes are one line, and whose options must be written out."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault(
            "formatter_class", partial(argparse.RawDescriptionHelpFormatter, max_help_position=32)
        )
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        message = re.sub(r"^argument ([^:]+): ", r"\1: ", message)
        raise UsageError(f"{message} (see {self.prog} --help)")


def add_options(parser: argparse.ArgumentParser, options: Iterable[Option]) -> None:
    """Declare ``options``; what is not given stays out of the namespace, so that ``resolve`` can fill it in."""
    for option in options:
        flag = f"--{option.name}"
        settings: dict[str, Any] = {
            "dest": option.key,
            "default": argparse.SUPPRESS,
            "help": _describe(option),
        }
        if option.switch:
            settings["action"] = argparse.BooleanOptionalAction
        else:
            settings["type"] = _raise_as_argparse(option.parse if option.many else option.read)
            settings["metavar"] = option.metavar or "|".join(option.choices) or "N"
            if option.many:
                settings.update(nargs="+", action="extend")
        parser.add_argument(flag, **settings)


@dataclass(frozen=True)
class Arguments:
    """The values of a command's options and positionals, and where each option's value came from."""

    values: Mapping[str, Any]
    sources: Mapping[str, str]

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    def given(self, key: str) -> bool:
        """Whether the value was asked for, by flag, environment or recipe."""
        return self.sources.get(key, "default") != "default"

    def said(self, key: str) -> bool:
        """Whether the value was asked for by flag or environment, on this occasion."""
        return self.sources.get(key) in {"flag", "environment"}

    def all_given(self) -> set[str]:
        return {key for key in self.sources if self.given(key)}


def resolve(
    options: Iterable[Option],
    *,
    flags: Mapping[str, Any],
    environment: Mapping[str, str],
    recipe: Callable[[str], Mapping[str, Any]] | None = None,
) -> Arguments:
    """The value of every option; ``recipe`` gives what a recipe's name sets. Raises InputError."""
    options = list(options)
    values = dict(flags)
    sources: dict[str, str] = {}
    for option in options:
        if option.key in flags:
            sources[option.key] = "flag"
        elif option.from_environment and (text := environment.get(option.variable)):
            try:
                values[option.key] = option.read(text)
            except (ValueError, WordkinError) as error:
                raise UsageError(f"{option.variable}: {error}") from None
            sources[option.key] = "environment"
    preset = recipe(values["recipe"]) if recipe is not None and values.get("recipe") else {}
    for option in options:
        if option.key in values:
            continue
        sources[option.key] = "recipe" if option.key in preset else "default"
        values[option.key] = preset.get(option.key, option.default)
    missing = [f"--{option.name}" for option in options if option.needed and values[option.key] is None]
    if missing:
        raise UsageError(f"{' and '.join(missing)} must be given")
    return Arguments(values, sources)


def whole_number(text: str) -> int:
    """An integer in decimal digits."""
    digits = text.strip()
    if not re.fullmatch(r"[+-]?[0-9]+", digits) or len(digits) > _LONGEST_NUMBER:
        raise ValueError(f"must be a whole number, not {shorten(text)}")
    return int(digits)


def positive_number(text: str) -> int:
    """An integer of at least 1."""
    number = whole_number(text)
    if number < 1:
        raise ValueError(f"must be at least 1, not {number}")
    return number


def count_number(text: str) -> int:
    """An integer of at least 0."""
    number = whole_number(text)
    if number < 0:
        raise ValueError(f"must be at least 0, not {number}")
    return number


def decimal_number(text: str) -> float:
    """A number; infinities and NaN are left to whoever checks its range."""
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"must be a number, not {shorten(text)}") from None


def length_range(text: str) -> tuple[int, int]:
    """Two lengths, written 3-6."""
    if not (match := re.fullmatch(r"([0-9]{1,4})-([0-9]{1,4})", text.strip())):
        raise ValueError(f"must be two lengths such as 3-6, not {shorten(text)}")
    return int(match[1]), int(match[2])


def word_list(text: str) -> tuple[str, ...]:
    """Words with commas between them."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def shorten(text: str) -> str:
    """``text`` in quotes, cut where it is long."""
    return repr(text if len(text) <= 60 else text[:60] + "…")


def _describe(option: Option) -> str:
    text = option.help.replace("%", "%%")
    if option.needed or option.switch or option.default in (None, "", ()):
        return text
    return f"{text} (default: {option.default})"


def _raise_as_argparse(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        try:
            return parse(text)
        except (ValueError, WordkinError) as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert
