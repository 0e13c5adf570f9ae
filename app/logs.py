"""What the server writes down: messages on standard error and, where asked for, a line for each request on standard output.

As text, or as one JSON object a line. Nothing of a request is written but its method, its route's template and its size.
"""

from __future__ import annotations

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from app.settings import Settings

ACCESS_LOGGER = "app.access"
MAX_MESSAGE_CHARACTERS = 2_000
MAX_TRACEBACK_CHARACTERS = 20_000

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that this task or thread works for."""


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, what is given as ``extra={"fields": {...}}``, and a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        entry: dict[str, Any] = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _cut(record.getMessage(), MAX_MESSAGE_CHARACTERS),
        }
        if known := request_id.get():
            entry["request_id"] = known
        entry |= getattr(record, "fields", {})
        if record.exc_info:
            # What went wrong stands at the end.
            entry["traceback"] = self.formatException(record.exc_info)[-MAX_TRACEBACK_CHARACTERS:]
        return json.dumps(entry, ensure_ascii=True, separators=(",", ":"), default=str)


class TextFormatter(logging.Formatter):
    """A level and a message, as uvicorn writes them; a request's fields after it."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        fields: dict[str, Any] = getattr(record, "fields", {})
        if not fields:
            record.levelname = f"{record.levelname}:".ljust(9)
            return super().format(record)
        return " ".join(f"{name}={value}" for name, value in fields.items() if value is not None)


def writes_access(settings: Settings) -> bool:
    """Whether each request gets a line."""
    return settings.access_log == "on" or (settings.access_log == "auto" and settings.log_format == "json")


def describe_logging(settings: Settings) -> dict[str, Any]:
    """The configuration for ``logging.config.dictConfig``; worker processes are given it too."""
    formatter = "app.logs.JsonFormatter" if settings.log_format == "json" else "app.logs.TextFormatter"
    text = {"fmt": "%(levelname)s %(message)s"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter, **text}},
        "handlers": {
            "errors": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "stream": "ext://sys.stderr",
            },
            "access": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "stream": "ext://sys.stdout",
            },
        },
        "loggers": {
            "app": {"handlers": ["errors"], "level": "INFO"},
            ACCESS_LOGGER: {"handlers": ["access"], "level": "INFO", "propagate": False},
            "artifact": {"handlers": ["errors"], "level": "INFO"},
            "uvicorn": {"handlers": ["errors"], "level": "WARNING", "propagate": False},
        },
    }


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + "…"
