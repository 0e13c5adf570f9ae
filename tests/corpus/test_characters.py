import sys
import unicodedata
from itertools import chain

import numpy as np
import pytest

from artifact.tokenizer import TOKENIZER_NAMES, Tokenizer
from trainer.corpus import kernels
from trainer.corpus.characters import ASSIGNED, tabulate

ALL = [chr(code_point) for code_point in range(sys.maxunicode + 1)]
SURROGATES = range(0xD800, 0xE000)


def find_oddity(text):
    data = text.encode()
    characters = tabulate(Tokenizer("whitespace"))
    return kernels.find_oddity(
        np.frombuffer(data, np.uint8),
        np.frombuffer(data, np.uint64, len(data) // 8),
        0,
        len(data),
        characters.traits,
        characters.classes,
    ) < len(data)


def test_nothing_is_assigned_outside():
    assigned = {code_point for part in ASSIGNED for code_point in part}
    others = [char for char in ALL if ord(char) not in assigned]
    assert {unicodedata.category(char) for char in others} <= {"Cn", "Co"}


@pytest.mark.parametrize("name", TOKENIZER_NAMES)
def test_each_code_point_is_read_as_the_tokenizer_reads_it(name):
    characters = tabulate(Tokenizer(name))
    odd = characters.traits & kernels.ALWAYS_ODD
    starts = {char for char in ALL if characters.kinds[ord(char)] & kernels.START}
    digits = {char for char in ALL if characters.kinds[ord(char)] & kernels.DIGIT}
    assert digits == (set("0123456789") if name == "letters" else set())
    for code_point in chain(*ASSIGNED):
        char = chr(code_point)
        if odd[code_point] or code_point in SURROGATES or char in digits:
            continue
        tokens = Tokenizer(name).tokens(char)
        assert bool(tokens) == (char in starts), ascii(char)
        if tokens:
            spelling = int(characters.spellings[code_point]).to_bytes(4, "little").rstrip(b"\0")
            assert tokens == [spelling.decode()]


def test_what_is_not_nfc_is_odd():
    for char in ALL:
        if ord(char) in SURROGATES:
            continue
        for form in ("NFC", "NFD"):
            text = unicodedata.normalize(form, char)
            if not unicodedata.is_normalized("NFC", text):
                assert find_oddity(text), ascii(text)
        if unicodedata.normalize("NFC", char) != char:
            assert find_oddity(char), ascii(char)


def test_what_is_not_odd_is_in_nfc_and_stays_so_in_lower_case():
    characters = tabulate(Tokenizer("words"))
    inert = characters.traits & (kernels.ALWAYS_ODD | kernels.MAY_TAKE | kernels.REORDERS) == 0
    scripts = chain(
        range(0x20, 0x3100), range(0xA000, 0xAC00), range(0x10000, 0x12000), range(0x1E900, 0x1E960)
    )
    starters = [chr(code_point) for code_point in scripts if inert[code_point]]
    lower = [Tokenizer("words").word(starter) for starter in starters]
    composing = np.flatnonzero(characters.traits & kernels.MAY_COMPOSE)
    assert len(starters) > 10_000
    assert len(composing) > 100
    for code_point in composing:
        mark = chr(code_point)
        assert unicodedata.is_normalized("NFC", "".join(starter + mark + " " for starter in starters))
        assert unicodedata.is_normalized("NFC", "".join(starter + mark + " " for starter in lower))


def test_what_lower_casing_takes_out_of_nfc_is_odd():
    for text in ("H\u0331", "J\u030c", "W\u030a", "\u1fbc\u0342", "\u0130\u0301"):
        assert unicodedata.is_normalized("NFC", text)
        assert not unicodedata.is_normalized("NFC", "".join(map(Tokenizer("words").word, text)))
        assert find_oddity(text)


def test_ordinary_text_is_not_odd():
    for text in (
        "plain",
        "é ñ Å ß",
        "한국어",
        "हिन्दी क़िताब",
        "বাংলা",
        "தமிழ் நாடு",
        "עִבְרִית",
        "العَرَبِيَّة",
        "ไทยนี้",
        "İ Σ",
        "\U0001f600",
    ):
        normal = unicodedata.normalize("NFC", text)
        assert not find_oddity(normal), text


def test_order_of_marks():
    assert not find_oddity("q\u0323\u0307")
    assert find_oddity("q\u0307\u0323")


@pytest.mark.parametrize(
    "data",
    [
        b"\x80",
        b"\xc0\xaf",
        b"\xc1\xbf",
        b"\xc3",
        b"\xc3(",
        b"\xe0\x80\xaf",
        b"\xe2\x82",
        b"\xed\xa0\x80",
        b"\xf0\x80\x80\xaf",
        b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80",
        b"\xff",
        b"\xf0\x9f\x98",
    ],
)
def test_invalid_utf8_is_found_where_it_is(data):
    characters = tabulate(Tokenizer("words"))
    for before in range(20):
        text = b"\n" * before + b"x" + data + b"y" * 20
        eights = np.frombuffer(text, np.uint64, len(text) // 8)
        found = kernels.find_oddity(
            np.frombuffer(text, np.uint8), eights, 0, len(text), characters.traits, characters.classes
        )
        assert found == before
