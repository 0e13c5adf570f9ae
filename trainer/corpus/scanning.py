"""One thread's share of reading: blocks of text to word numbers."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
from numpy.typing import NDArray

from artifact.tokenizer import DIGIT_WORDS, Tokenizer
from trainer.corpus import kernels
from trainer.corpus.blocks import Block
from trainer.corpus.characters import tabulate
from trainer.corpus.kernels import IDS, LINES, LONG_WORDS
from trainer.corpus.table import WordTable

ODD_BYTES = 2048
"""How much text is resolved at a time around an oddity. The corpus does not depend on it."""

_REPLACEMENT = "\ufffd"
_WHITE_SPACE = re.compile(rb"[ \t\n\v\f\r]")


class Scanner:
    """Finds the words of blocks and numbers them in a table of its own.

    Text that is valid UTF-8 in NFC goes straight through the kernels. Anything else (``kernels.find_oddity``) is
    first resolved, together with the text around it up to the next ASCII white space on both sides.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.table = WordTable()
        self.invalid_utf8 = 0
        self.nuls = 0
        self._tokenizer = tokenizer
        self._characters = tabulate(tokenizer)
        self._ids = np.empty(0, np.int32)
        self._line_ends = np.empty(0, np.int32)
        if tokenizer.name == "letters":
            # The kernel takes a digit for the number of its word.
            self._scan_text(np.frombuffer(" ".join(DIGIT_WORDS).encode(), np.uint8))
            self.table.counts[:] = 0

    @property
    def long_words(self) -> int:
        """Words that were left out for their length."""
        return int(self.table.state[LONG_WORDS])

    def scan(self, block: Block) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The number of each word of a block, and how many words there are up to the end of each line.

        Lines without words are left out. Both arrays are overwritten by the next call.
        """
        self.nuls += block.buffer.count(0, block.start, block.stop)
        return self._scan_text(self._clean(block))

    def _scan_text(self, text: NDArray[np.uint8]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        if len(text) >= len(self._ids):
            self._ids = np.empty(len(text) + 1, np.int32)
            self._line_ends = np.empty(len(text) // 2 + 1, np.int32)
        table, characters = self.table, self._characters
        table.state[IDS] = table.state[LINES] = position = 0
        while True:
            position = kernels.scan(
                text,
                position,
                characters.kinds,
                characters.spellings,
                table.arrays(),
                self._ids,
                self._line_ends,
            )
            if position == len(text):
                return self._ids[: table.state[IDS]], self._line_ends[: table.state[LINES]]
            table.reserve(1, kernels.MAX_WORDS)

    def _clean(self, block: Block) -> NDArray[np.uint8]:
        """A block's text with the oddities resolved."""
        buffer, start, stop = block.buffer, block.start, block.stop
        odd = self._find_oddity(buffer, start, stop)
        if odd == stop:
            return np.frombuffer(buffer, np.uint8)[start:stop]
        clean: list[bytes | memoryview] = []
        while odd < stop:
            space = _WHITE_SPACE.search(buffer, min(odd + ODD_BYTES, stop), stop)
            end = space.start() if space else stop
            clean += [memoryview(buffer)[start:odd], self._resolve(buffer[odd:end])]
            start = end
            odd = self._find_oddity(buffer, start, stop)
        clean.append(memoryview(buffer)[start:stop])
        return np.frombuffer(b"".join(clean), np.uint8)

    def _find_oddity(self, buffer: bytes, start: int, stop: int) -> int:
        text = np.frombuffer(buffer, np.uint8)
        eights = np.frombuffer(buffer, np.uint64, len(buffer) // 8)
        characters = self._characters
        found: int = kernels.find_oddity(text, eights, start, stop, characters.traits, characters.classes)
        return found

    def _resolve(self, odd: bytes) -> bytes:
        """A part of the text in NFC; where the kernels need more than that, its words with spaces between them."""
        text = odd.decode("utf-8", "replace")
        self.invalid_utf8 += text.count(_REPLACEMENT) - odd.count(_REPLACEMENT.encode())
        normal = unicodedata.normalize("NFC", text).encode()
        if self._find_oddity(normal, 0, len(normal)) == len(normal):
            return normal
        return "\n".join(" ".join(self._tokenizer.split(line)) for line in text.split("\n")).encode()
