"""Tables by code point: what ``artifact.tokenizer`` says of text, as the compiled scanner looks it up."""

from __future__ import annotations

import functools
import sys
import unicodedata
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from artifact.tokenizer import JOINERS, Tokenizer
from trainer.corpus import kernels

_CODE_POINTS = sys.maxunicode + 1

ASSIGNED = (range(0x40000), range(0xE0000, 0xF0000))
"""All code points with properties; what lies between are planes without characters, and then private use."""


@dataclass(frozen=True, eq=False)
class Characters:
    """What the kernels need to know of each of the 1,114,112 code points under one tokenizer."""

    kinds: NDArray[np.uint8]
    """START, CONTINUE, SIDE, JOIN, NEWLINE, DIGIT of ``kernels``, or 0: separates."""
    spellings: NDArray[np.uint32]
    """What a code point becomes in a word: its UTF-8, little-endian."""
    traits: NDArray[np.uint8]
    """ALWAYS_ODD, MAY_COMPOSE, MAY_TAKE, REORDERS of ``kernels``."""
    classes: NDArray[np.uint8]
    """Canonical combining classes."""


@functools.cache
def tabulate(tokenizer: Tokenizer) -> Characters:
    """The tables for a tokenizer."""
    kinds = np.zeros(_CODE_POINTS, np.uint8)
    spelled = np.arange(_CODE_POINTS, dtype=np.uint32)
    traits, classes = _composition()
    if tokenizer.name == "letters":
        kinds[ord("a") : ord("z") + 1] = kinds[ord("A") : ord("Z") + 1] = kernels.START | kernels.CONTINUE
        kinds[ord("0") : ord("9") + 1] = kernels.DIGIT
        spelled[ord("A") : ord("Z") + 1] += ord("a") - ord("A")
    elif tokenizer.name == "whitespace":
        kinds[:] = kernels.START | kernels.CONTINUE
        kinds[[0, *(code_point for code_point in chain(*ASSIGNED) if chr(code_point).isspace())]] = 0
    else:
        kinds[:] = _word_kinds()
        spelled = _lower_cased()
        for joiner, spelling in JOINERS.items():
            kinds[ord(joiner)] = kernels.JOIN
            if spelling:
                spelled[ord(joiner)] = ord(spelling)
            else:
                traits[ord(joiner)] |= kernels.ALWAYS_ODD
    kinds[ord("\n")] = kernels.NEWLINE
    return Characters(kinds, _encode(spelled), traits, classes)


def _word_kinds() -> NDArray[np.uint8]:
    by_initial = np.zeros(128, np.uint8)
    by_initial[ord("L")] = kernels.START | kernels.CONTINUE | kernels.SIDE
    by_initial[ord("M")] = kernels.CONTINUE | kernels.SIDE
    by_initial[ord("N")] = kernels.START | kernels.CONTINUE
    kinds = np.zeros(_CODE_POINTS, np.uint8)
    for part in ASSIGNED:
        initials = "".join(category[0] for category in map(unicodedata.category, map(chr, part)))
        kinds[part.start : part.stop] = by_initial[np.frombuffer(initials.encode(), np.uint8)]
    return kinds


def _lower_cased() -> NDArray[np.uint32]:
    """[code points] each one's lower case, by itself."""
    lower = np.arange(_CODE_POINTS, dtype=np.uint32)
    for part in ASSIGNED:
        text = "".join(map(chr, part)).replace("Σ", "σ").replace("İ", "i").lower()
        lower[part.start : part.stop] = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    return lower


def _composition() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """[code points] the traits that decide about NFC, and the canonical combining classes.

    What they let pass is in NFC and stays so in lower case: each capital whose small letter takes a mark takes some
    mark itself (H̱ stays as it is while ẖ has a code point of its own, but there is Ĥ).
    """
    traits = np.zeros(_CODE_POINTS, np.uint8)
    classes = np.zeros(_CODE_POINTS, np.uint8)
    for part in ASSIGNED:
        classes[part.start : part.stop] = np.frombuffer(
            bytes(map(unicodedata.combining, map(chr, part))), np.uint8
        )
        for code_point, decomposition in enumerate(
            map(unicodedata.decomposition, map(chr, part)), part.start
        ):
            if not decomposition or decomposition[0] == "<":
                continue
            if unicodedata.normalize("NFC", chr(code_point)) != chr(code_point):
                traits[code_point] |= kernels.ALWAYS_ODD
                continue
            first, second = decomposition.split(" ")
            # What is composed already may be composed anew: ᾳ and a circumflex become ᾷ, which is made from ᾶ.
            traits[[int(first, 16), code_point]] |= kernels.MAY_TAKE
            traits[int(second, 16)] |= kernels.MAY_COMPOSE
    traits[classes > 0] |= kernels.REORDERS
    # Hangul composes by arithmetic: a leading consonant and a vowel, then a trailing consonant.
    traits[0x1100:0x1113] |= kernels.MAY_TAKE
    traits[0x1161:0x1176] |= kernels.MAY_COMPOSE
    traits[0xAC00:0xD7A4:28] |= kernels.MAY_TAKE
    traits[0x11A8:0x11C3] |= kernels.MAY_COMPOSE
    return traits, classes


def _encode(code_points: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Code points as their UTF-8 in one number, first byte lowest."""
    c = code_points
    low, middle, high = 0x80 | c & 0x3F, 0x80 | c >> 6 & 0x3F, 0x80 | c >> 12 & 0x3F
    two = 0xC0 | c >> 6 | low << 8
    three = 0xE0 | c >> 12 | middle << 8 | low << 16
    four = 0xF0 | c >> 18 | high << 8 | middle << 16 | low << 24
    return np.select([c < 0x80, c < 0x800, c < 0x10000], [c, two, three], four).astype(np.uint32)
