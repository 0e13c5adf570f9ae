"""Reading evaluation sets: numbered lines, and mistakes that name file and line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from artifact.errors import InputError

MAX_LINE_BYTES = 10_000


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line numbers from 1 and lines without their ends, empty ones left out. Raises InputError."""
    try:
        with path.open("rb") as file:
            number = 0
            while data := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(data) > MAX_LINE_BYTES:
                    raise InputError(
                        f"{path}:{number}: longer than {MAX_LINE_BYTES} bytes; not a set of words"
                    )
                try:
                    line = data.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                except UnicodeDecodeError:
                    raise InputError(f"{path}:{number}: not UTF-8") from None
                if line:
                    yield number, line
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
