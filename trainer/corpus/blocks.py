"""Text in blocks of whole lines, cut where a line is too long to be held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

PIECE_BYTES = 4 << 20
"""How much text is read at a time. The corpus does not depend on it."""

LINE_BYTES = 1 << 20
"""The longest line; a longer one is cut behind the last white space before that, else between two code points."""

_WHITE_SPACE = (b" ", b"\t", b"\r", b"\v", b"\f", b"\0")


@dataclass(frozen=True)
class Block:
    """Whole lines, or the part of a line up to a cut: ``buffer[start:stop]``. Its end is a line's end."""

    buffer: bytes
    start: int
    stop: int
    cut: bool = False


def cut_blocks(pieces: Iterable[bytes], line_bytes: int = LINE_BYTES) -> Iterator[Block]:
    """The text of ``pieces`` in blocks; no line in them is longer than ``line_bytes``.

    Where lines are cut depends on the text alone, not on how it lies in pieces.
    """
    rest = b""
    for piece in pieces:
        buffer = rest + piece if rest else piece
        start = line = 0
        while len(buffer) - line > line_bytes:
            # All lines up to the last line's end in reach are short enough.
            end = buffer.rfind(b"\n", line, line + line_bytes + 1)
            if end >= 0:
                line = end + 1
                continue
            if line > start:
                yield Block(buffer, start, line)
            start, line = line, _find_cut(buffer, line, line + line_bytes)
            yield Block(buffer, start, line, cut=True)
            start = line
        line = max(line, buffer.rfind(b"\n", line) + 1)
        if line > start:
            yield Block(buffer, start, line)
        rest = buffer[line:]
    if rest:
        yield Block(rest, 0, len(rest))


def _find_cut(buffer: bytes, start: int, stop: int) -> int:
    space = max(buffer.rfind(byte, start, stop) for byte in _WHITE_SPACE)
    if space >= 0:
        return space + 1
    for cut in range(stop, max(start, stop - 4), -1):
        if buffer[cut] & 0xC0 != 0x80:
            return cut
    return stop
