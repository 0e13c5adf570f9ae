"""The server's settings: what they are, and where they come from (flag, then environment, then default)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields

from app.options import ENVIRONMENT_PREFIX, flag, option, parse_options, tabulate_options
from artifact.errors import InputError
from artifact.manifest import check_name


@dataclass(frozen=True)
class Settings:
    """Everything the server can be told. InputError names the option that is out of its range."""

    store: str = option(MISSING, "the folder or URL (s3://bucket/prefix) with the models", metavar="STORE")
    host: str = option("127.0.0.1", "the address to listen on; 0.0.0.0 is every one", metavar="HOST")
    port: int = option(8000, "the port to listen on; 0 takes a free one", metavar="PORT", most=65535)
    workers: int = option(1, "server processes; they share the mapped models", metavar="N", least=1, most=256)
    default_model: str = option(
        "",
        "the word vectors to ask where a request names no model and the store holds several",
        metavar="NAME",
    )
    default_language_model: str = option("", "the same for language models", metavar="NAME")
    max_top: int = option(
        1_000, "the largest `top` a request may ask for", metavar="N", least=1, most=100_000
    )
    max_words: int = option(1_000, "the most words in one request", metavar="N", least=1, most=100_000)
    max_batch: int = option(256, "the most `queries` in one request", metavar="N", least=1, most=100_000)
    max_texts: int = option(2_048, "the most texts in one request", metavar="N", least=1, most=100_000)
    max_text_characters: int = option(
        20_000, "the longest text for a language model", metavar="N", least=1, most=1 << 24
    )
    max_body_bytes: int = option(1 << 20, "the largest request body", metavar="N", least=1_024, most=1 << 30)
    max_open_versions: int = option(
        8, "how many versions, besides the newest of each model, stay open", metavar="N", least=1, most=10_000
    )
    poll_seconds: int = option(
        5, "how often to look for new versions and pins in the store; 0 is never", metavar="N", most=86_400
    )
    cache: str = option(
        "",
        "the folder for checked hashes and downloaded models (wordkin in the user's cache folder)",
        metavar="DIR",
    )
    keys: str = option(
        "",
        "hashed API keys, as python -m app key writes them, with commas between",
        metavar="KEYS",
        shown=False,
    )
    keys_file: str = option("", "a file with hashed API keys, one a line", metavar="FILE")
    cors_origins: str = option(
        "",
        "origins whose pages may ask, such as https://example.org, with commas between; * is every one",
        metavar="ORIGINS",
    )
    trusted_proxies: str = option(
        "",
        "addresses or networks of proxies whose X-Forwarded-For is believed, with commas between",
        metavar="HOSTS",
    )
    max_in_work: int = option(
        128, "requests that each worker answers at once", metavar="N", least=1, most=100_000
    )
    max_waiting: int = option(
        1_024, "requests that may wait in each worker; more are answered 503", metavar="N", most=1_000_000
    )
    max_wait_seconds: int = option(
        10,
        "how long a request may wait for its turn before it is answered 503",
        metavar="N",
        least=1,
        most=3_600,
    )
    rate_limit: int = option(
        0,
        "requests a second for each key, or each client address without keys, in each worker; 0 sets no limit",
        metavar="N",
        most=1_000_000,
    )
    rate_burst: int = option(
        0, "requests at once within the rate limit; 0 is what a second allows", metavar="N", most=1_000_000
    )
    max_held_bytes: int = option(
        1 << 28,
        "what all request bodies that a worker holds may take together",
        metavar="N",
        least=1_024,
        most=1 << 40,
    )
    max_connections: int = option(
        4_096, "connections that each worker keeps open", metavar="N", least=1, most=1_000_000
    )
    head_timeout_seconds: int = option(
        10, "how long the head of a request may take to arrive", metavar="N", least=1, most=3_600
    )
    body_timeout_seconds: int = option(
        30, "how long the body of a request may take to arrive", metavar="N", least=1, most=3_600
    )
    send_timeout_seconds: int = option(
        30, "how long a client may leave its answer unread", metavar="N", least=1, most=3_600
    )
    keep_alive_seconds: int = option(
        5, "how long a connection may be idle between requests", metavar="N", least=1, most=3_600
    )
    drain_seconds: int = option(
        0,
        "after SIGTERM: how long to go on answering, no longer ready, before accepting stops",
        metavar="N",
        most=3_600,
    )
    grace_seconds: int = option(
        10, "then: how long to wait for requests in work to be answered", metavar="N", least=1, most=3_600
    )
    log_format: str = option(
        "text", "how the log is written: text or json", metavar="FORMAT", choices=("text", "json")
    )
    access_log: str = option(
        "auto",
        "a line on standard output for each request: on, off, or auto: with --log-format json",
        metavar="WHEN",
        choices=("auto", "on", "off"),
    )

    def __post_init__(self) -> None:
        if not self.store:
            raise InputError(f"the store must be named: --store STORE, or {ENVIRONMENT_PREFIX}STORE")
        for setting in fields(self):
            value = getattr(self, setting.name)
            least, most = setting.metadata["least"], setting.metadata["most"]
            if isinstance(value, int) and not least <= value <= most:
                raise InputError(f"{flag(setting)} must be {least} to {most}, not {value}")
            choices = setting.metadata["choices"]
            if choices and value not in choices:
                raise InputError(f"{flag(setting)} must be {' or '.join(choices)}, not {value[:40]!a}")
        for name in (self.default_model, self.default_language_model):
            if name:
                check_name(name, what="model")


def parse_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """The settings that a command line and an environment give. InputError says in one line what is wrong."""
    values = parse_options(
        Settings, arguments, environment, description="Serve the models of a store over HTTP."
    )
    return Settings(**{"store": "", **values})


def tabulate_settings() -> str:
    """Every setting as a row of a Markdown table: the one in docs/settings.md."""
    return tabulate_options(Settings)
