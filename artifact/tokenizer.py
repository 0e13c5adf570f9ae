"""Text to tokens: the one definition that training and serving share.

What is written here is the specification. The trainer reads large texts with a compiled scanner of its own,
which must give exactly these tokens; its tests compare the two.
"""

from __future__ import annotations

import functools
import itertools
import re
import sys
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from artifact.errors import InputError, Unsupported

MAX_TOKEN_BYTES = 1000
"""Tokens with more bytes in UTF-8 are dropped: they are encoded data or text without white space, not words."""

TOKENIZER_NAMES = ("words", "letters", "whitespace")
TOKENIZER_VERSION = 1

DIGIT_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

JOINERS = {"'": "'", "’": "'", "\u200c": "\u200c", "\u200d": "\u200d", "\u00ad": ""}
"""What holds a word together between two letters under ``words``, and what it becomes there: the apostrophes,
the zero-width (non-)joiners that Indic and Arabic spelling needs, and the soft hyphen, which vanishes."""

_SURROGATES = re.compile("[\ud800-\udfff]")
_LETTERS = re.compile("[a-z]+|[0-9]")
_ASCII_WORDS = re.compile("[A-Za-z0-9]+(?:(?<=[A-Za-z])'(?=[A-Za-z])[A-Za-z0-9]+)*")
_DIGITS = dict(zip("0123456789", DIGIT_WORDS, strict=True))
_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


@dataclass(frozen=True)
class Tokenizer:
    """How a text becomes tokens. All three first bring the text to NFC; NUL and a line's end separate in all.

    ``words``
        The default. A word begins with a letter or a number and goes on with letters, marks and numbers (the
        Unicode general categories L*, M* and N*). Words that touch an apostrophe (' or ’, which becomes '), a
        zero-width joiner or non-joiner, or a soft hyphen (which vanishes) are one word where letters or marks
        stand on both sides. Lower-cased, then brought to NFC again.

        Lower-casing maps each code point by itself (Unicode's simple mapping, so İ becomes i), with one rule of
        context: a Σ that ends a word of two or more code points becomes ς, any other σ.
    ``letters``
        The convention of text8: A-Z lower-cased, each digit its own word (``zero`` to ``nine``), runs of a-z are
        words, and everything else separates.
    ``whitespace``
        Splits at Unicode white space (what ``str.split`` splits at) and changes nothing else.

    The tables are those of the running Python's ``unicodedata``. Lone surrogates count as U+FFFD. Raises
    ``InputError`` for another name.
    """

    name: str = "words"

    def __post_init__(self) -> None:
        if self.name not in TOKENIZER_NAMES:
            raise InputError(
                f"unknown tokenizer {self.name!r:.60}: choose one of {', '.join(TOKENIZER_NAMES)}"
            )

    def tokens(self, text: str) -> list[str]:
        """The tokens of a line or a text, in order, as in training."""
        tokens = self.split(text)
        if len(text) <= MAX_TOKEN_BYTES and text.isascii():
            return tokens
        return [token for token in tokens if fits(token)]

    def split(self, text: str) -> list[str]:
        """As ``tokens``, with those that are longer than ``MAX_TOKEN_BYTES`` still there."""
        text = _normalise(text)
        if self.name == "whitespace":
            return text.replace("\0", " ").split()
        if self.name == "letters":
            return [_DIGITS.get(run, run) for run in _LETTERS.findall(text.translate(_ASCII_LOWER))]
        if text.isascii():
            return _ASCII_WORDS.findall(text.lower())
        return [_lower_case(word) for word in _find_words()(text)]

    def word(self, word: str) -> str:
        """A query word spelled as in training. It is not split: what training would split stays unknown."""
        word = _normalise(word)
        if self.name == "whitespace":
            return word
        if self.name == "letters":
            return (
                DIGIT_WORDS[ord(word) - ord("0")]
                if word in set("0123456789")
                else word.translate(_ASCII_LOWER)
            )
        return _lower_case(word)

    def words(self, words: Sequence[str]) -> list[str]:
        """As ``word``, for many at once."""
        if self.name == "letters" or not all(map(str.isascii, words)):
            return list(map(self.word, words))
        return list(words) if self.keeps_case else list(map(str.lower, words))

    @property
    def keeps_case(self) -> bool:
        """Whether words that differ in case only are different words."""
        return self.name == "whitespace"

    def to_json(self) -> dict[str, object]:
        """What a manifest records; ``from_json`` reads it."""
        return {"name": self.name, "version": TOKENIZER_VERSION}

    @classmethod
    def from_json(cls, value: object) -> Tokenizer:
        """The tokenizer that a manifest names. Raises ``Unsupported`` for one that this release does not know."""
        if (
            not isinstance(value, dict)
            or not isinstance(value.get("name"), str)
            or set(value) != {"name", "version"}
        ):
            raise Unsupported('a tokenizer must be written as {"name": …, "version": …}')
        name, version = value["name"], value["version"]
        if name not in TOKENIZER_NAMES or type(version) is not int or version != TOKENIZER_VERSION:
            raise Unsupported(
                f"this release does not know the tokenizer {name!r:.60} in version {version!r:.20}"
            )
        return cls(name)


def fits(token: str) -> bool:
    """Whether a token is short enough to be kept (``MAX_TOKEN_BYTES``)."""
    # A code point takes at most four bytes, so most tokens need no encoding.
    return 4 * len(token) <= MAX_TOKEN_BYTES or len(token.encode()) <= MAX_TOKEN_BYTES


def _normalise(text: str) -> str:
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", _SURROGATES.sub("\ufffd", text))


def _lower_case(word: str) -> str:
    if word.isascii():
        return word.lower()
    for joiner, spelling in JOINERS.items():
        word = word.replace(joiner, spelling)
    if len(word) > 1 and word.endswith("Σ"):
        word = word[:-1] + "ς"
    # Lower-casing can undo NFC: H̱ has no composed form, ẖ has one.
    return unicodedata.normalize("NFC", word.replace("Σ", "σ").replace("İ", "i").lower())


@functools.cache
def _find_words() -> Callable[[str], list[str]]:
    classes = {"L": "", "M": "", "N": ""}
    initials = (unicodedata.category(chr(code_point))[0] for code_point in range(sys.maxunicode + 1))
    start = 0
    for initial, run in itertools.groupby(initials):
        stop = start + sum(1 for _ in run)
        if initial in classes:
            classes[initial] += f"\\U{start:08x}-\\U{stop - 1:08x}"
        start = stop
    first, inner, side = (f"[{''.join(map(classes.__getitem__, kinds))}]" for kinds in ("LN", "LMN", "LM"))
    joiner = f"[{''.join(JOINERS)}]"
    return re.compile(f"{first}{inner}*(?:(?<={side}){joiner}(?={side}){inner}+)*").findall
