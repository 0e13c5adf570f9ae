"""What a command says: text and tables on a terminal, JSON lines anywhere else."""

from __future__ import annotations

import io
import json
import sys
import unicodedata
from collections.abc import Sequence
from typing import Any

from artifact.errors import InputError


class Console:
    """Where a command speaks. Text for people and JSON never mix on standard output.

    ``as_json`` None asks whether standard output is a terminal.
    """

    def __init__(self, *, as_json: bool | None = None) -> None:
        self.json = not sys.stdout.isatty() if as_json is None else as_json

    def say(self, text: str = "") -> None:
        """Lines for a person; nothing in JSON mode."""
        if not self.json:
            print(text, flush=True)

    def record(self, **values: Any) -> None:
        """One object on one line for a program; nothing on a terminal."""
        if self.json:
            print(to_json_line(values), flush=True)

    def note(self, text: str) -> None:
        """A remark or warning, on standard error in both modes."""
        print(f"wordkin: {one_line(text)}", file=sys.stderr, flush=True)


def speak_utf8() -> None:
    """Words come in all scripts, and file names need not be UTF-8: what cannot be written is escaped from now on."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def to_json_line(values: dict[str, Any]) -> str:
    """JSON on one line, readable where it can be; InputError for NaN and infinity."""
    try:
        line = json.dumps(values, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise InputError(f"cannot be written as JSON: {error}") from None
    if not is_encodable(line):
        line = json.dumps(values, allow_nan=False)
    return line


def is_encodable(text: str) -> bool:
    """Whether ``text`` is free of lone surrogates, such as file names that are not UTF-8 bring."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def one_line(text: str) -> str:
    """``text`` on one line that a terminal shows as it is: controls and lone surrogates are escaped."""
    return "".join(
        character.encode("unicode_escape").decode("ascii")
        if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
        else character
        for character in text
    )


def format_table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), indent: str = "") -> str:
    """Columns as wide as their widest cell, as a terminal counts width; the columns in ``right`` align to the right."""
    cells = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(display_width, column), default=0) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        padded = []
        for column, cell in enumerate(row):
            padding = " " * (widths[column] - display_width(cell))
            padded.append(padding + cell if column in right else cell + padding)
        lines.append((indent + "  ".join(padded)).rstrip())
    return "\n".join(lines)


def display_width(text: str) -> int:
    """Columns that ``text`` takes on a terminal: two for wide characters, none for combining ones."""
    return sum(
        0 if unicodedata.combining(character) else 1 + (unicodedata.east_asian_width(character) in "WF")
        for character in text
    )


def format_bytes(count: float) -> str:
    """A size such as 12.3 MB (powers of ten)."""
    return f"{count:,.0f} B" if count < 1000 else f"{_scale(count)}B"


def format_count(count: float) -> str:
    """A number such as 4.65 M, for people."""
    return f"{count:,.0f}" if count < 100_000 else _scale(count).rstrip()


def format_seconds(seconds: float) -> str:
    """A duration such as 8.2 s, 3 min 20 s or 2 h 5 min."""
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds) // 60
    if minutes < 60:
        return f"{minutes} min {round(seconds) % 60} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _scale(count: float) -> str:
    """``count`` in the thousands' unit that leaves three digits."""
    power = 0
    while power < 4 and (power == 0 or count >= 999.5):
        count, power = count / 1000, power + 1
    digits = 0 if count >= 99.95 else 1 if count >= 9.995 else 2
    return f"{count:.{digits}f} {' kMGT'[power]}"
