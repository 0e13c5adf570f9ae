"""Lines of a word and its numbers: what the text formats share."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from artifact.errors import InputError
from artifact.formats.foreign import Places, Rows
from artifact.formats.opening import ForeignFile
from artifact.formats.remarks import Remarks

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
EXACT_DIGITS = 9
"""With so many significant digits every float32 is read back as it was."""
_READ_BYTES = 2 << 20
_HEAD_BYTES = 1 << 20
_FIRST_LINES = 200
_LONGEST_LINE_BYTES = 16 << 20
_SPACES = b" \t\r\x0b\x0c"
_UNUSUAL = (b"\t", b"\x0b", b"\x0c", b"  ")


def first_lines(file: ForeignFile) -> list[list[bytes]]:
    """The fields of the first lines, without the last line where it may be cut; blank lines are left out."""
    head = file.peek(_HEAD_BYTES)
    lines = head.removeprefix(BYTE_ORDER_MARK).split(b"\n")
    if len(head) == _HEAD_BYTES and len(lines) > 1:
        lines.pop()
    return [fields for line in lines[:_FIRST_LINES] if (fields := line.split())]


def guess_dim(lines: list[list[bytes]]) -> int:
    """The number of dimensions that most of ``lines`` have, the first of them where that is not decided; 0 where there is no line of a word and numbers.

    A word may hold spaces, so a single line cannot tell.
    """
    counts = Counter(len(fields) - 1 for fields in lines if len(fields) > 1 and is_number(fields[-1]))
    return max(counts, key=lambda dim: counts[dim], default=0)


def is_number(field: bytes) -> bool:
    """Whether ``field`` is a number, infinities and NaN included."""
    try:
        float(field)
    except ValueError:
        return False
    return b"_" not in field


def read_rows(
    file: ForeignFile, *, dim: int, skip: int = 0, words: int | None = None, remarks: Remarks
) -> Iterator[Rows]:
    """The rows of ``dim`` numbers after the first ``skip`` lines. A word may hold spaces: the numbers are the last fields.

    Raises InputError with the line where one has too few numbers or something else than numbers, and where the file
    has fewer rows than ``words``; more are remarked on.
    """
    found, line_number, last_line = 0, 0, b""
    for lines, whole in _read_lines(file):
        first = line_number + 1
        line_number += len(lines)
        last_line = lines[-1] if not whole else b""
        skipped = max(0, skip - first + 1)
        if rows := _parse_lines(lines[skipped:], first + skipped, dim=dim, name=file.name):
            found += len(rows.words)
            yield rows
    if words is not None and found < words:
        raise InputError(
            f"{file.name}: truncated, or a wrong header: line 1 says {words:,} words, but the file ends after {found:,} "
            f"(line {line_number:,})"
        )
    if words is not None and found > words:
        remarks.say(
            "wrong-count", f"line 1 says {words:,} words; there are {found:,}, and all were read", count=found
        )
    if last_line.strip(_SPACES) and words is None:
        remarks.say(
            "open-end", f"line {line_number:,}, the last, has no line break: the file may have been cut off"
        )


def write_rows(file: BinaryIO, blocks: Iterator[tuple[Sequence[str], NDArray[np.float32]]]) -> None:
    """Write a line a word: the word and its numbers, exactly, single spaces between."""
    for tokens, vectors in blocks:
        template = "%s" + f" %.{EXACT_DIGITS}g" * vectors.shape[1] + "\n"
        lines = [template % (token, *row) for token, row in zip(tokens, vectors.tolist(), strict=True)]
        file.write("".join(lines).encode())


def _read_lines(file: ForeignFile) -> Iterator[tuple[list[bytes], bool]]:
    """Lines without their ends, many at once, and whether the last of them was ended."""
    carried = b""
    is_first = True
    while piece := file.read(_READ_BYTES):
        if is_first:
            piece, is_first = piece.removeprefix(BYTE_ORDER_MARK), False
        lines = (carried + piece).split(b"\n")
        carried = lines.pop()
        if len(carried) > _LONGEST_LINE_BYTES:
            raise InputError(
                f"{file.name}: no line break within {_LONGEST_LINE_BYTES:,} bytes: not a text of vectors"
            )
        if lines:
            yield lines, True
    if carried:
        yield [carried], False


def _parse_lines(lines: list[bytes], first: int, *, dim: int, name: str) -> Rows | None:
    """The rows of ``lines``, the first of which has the number ``first``; None where all are blank."""
    words: list[bytes] = []
    numbers: list[bytes] = []
    places: list[int] = []
    for place, line in enumerate(lines, first):
        stripped = line.rstrip(_SPACES)
        if not stripped:
            continue
        word, _, rest = stripped.partition(b" ")
        if rest.count(b" ") != dim - 1 or not word or any(each in stripped for each in _UNUSUAL):
            word, rest = _split_line(stripped, dim=dim, where=f"{name}: line {place:,}")
        words.append(word)
        numbers.append(rest)
        places.append(place)
    if not words:
        return None
    vectors = _parse_numbers(numbers, dim)
    if vectors is None:
        # Some field is no number, or two: now line by line, to say which.
        vectors = np.array(
            [
                _parse_fields(rest, where=f"{name}: line {place:,}")
                for rest, place in zip(numbers, places, strict=True)
            ],
            dtype=np.float64,
        )
    return Rows(words, vectors, where=Places("line", places))


def _split_line(line: bytes, *, dim: int, where: str) -> tuple[bytes, bytes]:
    """The word, which may hold spaces or be empty, and the numbers with single spaces between."""
    fields = line.rsplit(None, dim)
    if len(fields) == dim + 1:
        return fields[0].strip(_SPACES), b" ".join(fields[1:])
    if len(fields) == dim and line[:1] in (b" ", b"\t"):
        return b"", b" ".join(fields)
    raise InputError(f"{where}: {max(0, len(fields) - 1)} of {dim} numbers")


def _parse_numbers(numbers: list[bytes], dim: int) -> NDArray[np.float32] | None:
    """All numbers at once, [n, dim]; None unless each field is exactly one."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            flat = np.fromstring(b" ".join(numbers).decode("ascii"), dtype=np.float32, sep=" ")
        except (ValueError, Warning):
            return None
    # Fields are separated by single spaces, so as many numbers as fields means one a field.
    return flat.reshape(len(numbers), dim) if len(flat) == len(numbers) * dim else None


def _parse_fields(rest: bytes, *, where: str) -> list[float]:
    values = []
    for field in rest.split(b" "):
        try:
            value = math.nan if b"_" in field else float(field)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            shown = field[:40].decode("utf-8", "backslashreplace")
            raise InputError(f"{where}: {shown!r} is not a finite number")
        values.append(value)
    return values
