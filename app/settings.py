"""The server's settings: what they are, and where they come from (flag, then environment, then default)."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, NoReturn

from artifact.errors import InputError
from artifact.manifest import check_name

ENVIRONMENT_PREFIX = "WORDKIN_"


def _option(default: Any, text: str, *, metavar: str, least: int = 0, most: int = 0) -> Any:
    """A dataclass field that is also a command-line option; ``least`` and ``most`` bound whole numbers."""
    metadata = {"text": text, "metavar": metavar, "least": least, "most": most}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """Everything the server can be told. InputError names the option that is out of its range."""

    store: str = _option(MISSING, "the folder or URL (s3://bucket/prefix) with the models", metavar="STORE")
    host: str = _option("127.0.0.1", "the address to listen on; 0.0.0.0 is every one", metavar="HOST")
    port: int = _option(8000, "the port to listen on; 0 takes a free one", metavar="PORT", most=65535)
    workers: int = _option(
        1, "server processes; they share the mapped models", metavar="N", least=1, most=256
    )
    default_model: str = _option(
        "",
        "the word vectors to ask where a request names no model and the store holds several",
        metavar="NAME",
    )
    default_language_model: str = _option("", "the same for language models", metavar="NAME")
    max_top: int = _option(
        1_000, "the largest `top` a request may ask for", metavar="N", least=1, most=100_000
    )
    max_words: int = _option(1_000, "the most words in one request", metavar="N", least=1, most=100_000)
    max_batch: int = _option(256, "the most `queries` in one request", metavar="N", least=1, most=100_000)
    max_texts: int = _option(2_048, "the most texts in one request", metavar="N", least=1, most=100_000)
    max_text_characters: int = _option(
        20_000, "the longest text for a language model", metavar="N", least=1, most=1 << 24
    )
    max_body_bytes: int = _option(1 << 20, "the largest request body", metavar="N", least=1_024, most=1 << 30)
    max_open_versions: int = _option(
        8, "how many versions, besides the newest of each model, stay open", metavar="N", least=1, most=10_000
    )
    poll_seconds: int = _option(
        5, "how often to look for new versions and pins in the store; 0 is never", metavar="N", most=86_400
    )
    cache: str = _option(
        "",
        "the folder for checked hashes and downloaded models (wordkin in the user's cache folder)",
        metavar="DIR",
    )

    def __post_init__(self) -> None:
        if not self.store:
            raise InputError(f"the store must be named: --store STORE, or {ENVIRONMENT_PREFIX}STORE")
        for option in fields(self):
            value = getattr(self, option.name)
            least, most = option.metadata["least"], option.metadata["most"]
            if isinstance(value, int) and not least <= value <= most:
                raise InputError(f"{_flag(option)} must be {least} to {most}, not {value}")
        for name in (self.default_model, self.default_language_model):
            if name:
                check_name(name, what="model")


def parse_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """The settings that a command line and an environment give. InputError says in one line what is wrong."""
    parser = _Parser(
        prog="python -m app",
        description="Serve the models of a store over HTTP.",
        epilog=f"Each option can also be given in the environment, as {ENVIRONMENT_PREFIX}<OPTION> "
        f"(--max-top is {ENVIRONMENT_PREFIX}MAX_TOP); the flag wins.",
        allow_abbrev=False,
    )
    for option in fields(Settings):
        text = option.metadata["text"]
        if option.default not in (MISSING, ""):
            text += f" ({option.default})"
        parser.add_argument(_flag(option), metavar=option.metadata["metavar"], help=text)
    given = vars(parser.parse_args(arguments))
    values: dict[str, Any] = {}
    for option in fields(Settings):
        variable = ENVIRONMENT_PREFIX + option.name.upper()
        if given[option.name] is not None:
            values[option.name] = _convert(option, given[option.name], source=_flag(option))
        elif environment.get(variable):
            values[option.name] = _convert(option, environment[variable], source=variable)
    return Settings(**{"store": "", **values})


def _flag(option: Field[Any]) -> str:
    return "--" + option.name.replace("_", "-")


def _convert(option: Field[Any], value: str, *, source: str) -> str | int:
    if not isinstance(option.default, int):
        return value
    if not (value.isascii() and value.removeprefix("-").isdigit() and len(value) <= 20):
        raise InputError(f"{source}: {value[:40]!a} is not a whole number")
    return int(value)


class _Parser(argparse.ArgumentParser):
    """Mistakes become InputError, so that they end in one line and not in a page of usage."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see python -m app --help)")
