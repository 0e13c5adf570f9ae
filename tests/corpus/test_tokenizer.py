import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact.errors import InputError, Unsupported
from artifact.tokenizer import MAX_TOKEN_BYTES, TOKENIZER_NAMES, Tokenizer

WORDS = Tokenizer("words")
LETTERS = Tokenizer("letters")
WHITESPACE = Tokenizer("whitespace")


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Hello, World!", ["hello", "world"]),
        ("don't don’t 'quoted' rock'n'roll", ["don't", "don't", "quoted", "rock'n'roll"]),
        ("o''clock the '90s 90's l'1", ["o", "clock", "the", "90s", "90", "s", "l", "1"]),
        ("3.14 1,000 a1 x²", ["3", "14", "1", "000", "a1", "x²"]),
        ("snake_case co-operate", ["snake", "case", "co", "operate"]),
        ("나는 학교에 간다.", ["나는", "학교에", "간다"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("ශ්\u200dරී র\u200d্য می\u200cخواهم", ["ශ්\u200dරී", "র\u200d্য", "می\u200cخواهم"]),
        ("co\u00adoperate \u00ad", ["cooperate"]),
        ("❤\ufe0flove a\ufe0f", ["love", "a\ufe0f"]),
        ("ΟΔΟΣ ΣΑΣ Σ Σ'ΑΣ ΑΣ1", ["οδος", "σας", "σ", "σ'ας", "ασ1"]),
        ("İstanbul IŞIK", ["istanbul", "işik"]),
        ("H\u0331a Cafe\u0301", ["ẖa", "café"]),
        ("a\0b", ["a", "b"]),
        ("a\u2028b\r\nc", ["a", "b", "c"]),
        ("\ud800a", ["a"]),
        ("", []),
    ],
)
def test_words(text, tokens):
    assert WORDS.tokens(text) == tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("It's 42!", ["it", "s", "four", "two"]),
        ("a1b2", ["a", "one", "b", "two"]),
        ("Café Cafe\u0301", ["caf", "caf"]),
        ("\u212aelvin", ["kelvin"]),
        ("a\0b", ["a", "b"]),
        ("٣", []),
    ],
)
def test_letters(text, tokens):
    assert LETTERS.tokens(text) == tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("the <unk> N mr. U.S.", ["the", "<unk>", "N", "mr.", "U.S."]),
        ("a\0b\u3000c\u2028d\u00a0e\x1cf\x85g", ["a", "b", "c", "d", "e", "f", "g"]),
        ("Cafe\u0301 a\u200bb", ["Café", "a\u200bb"]),
        ("a\ud800b", ["a\ufffdb"]),
    ],
)
def test_whitespace(text, tokens):
    assert WHITESPACE.tokens(text) == tokens


@pytest.mark.parametrize("name", TOKENIZER_NAMES)
def test_tokens_that_are_too_long_are_dropped(name):
    fits, too_long = "a" * MAX_TOKEN_BYTES, "a" * (MAX_TOKEN_BYTES + 1)
    assert Tokenizer(name).tokens(f"x {fits} {too_long} y") == ["x", fits, "y"]
    assert Tokenizer(name).split(too_long) == [too_long]


def test_length_is_in_bytes():
    assert WORDS.tokens("가" * 333) == ["가" * 333]
    assert WORDS.tokens("가" * 334) == []


@pytest.mark.parametrize(
    ("name", "word", "spelled"),
    [
        ("words", "CAR", "car"),
        ("words", "Don’t", "don't"),
        ("words", "Cafe\u0301", "café"),
        ("words", "New York", "new york"),
        ("words", "ΟΔΟΣ", "οδος"),
        ("letters", "CAR", "car"),
        ("letters", "7", "seven"),
        ("letters", "77", "77"),
        ("whitespace", "U.S.", "U.S."),
        ("whitespace", "Cafe\u0301", "Café"),
    ],
)
def test_query_words_are_spelled_as_in_training(name, word, spelled):
    assert Tokenizer(name).word(word) == spelled


@pytest.mark.parametrize("name", TOKENIZER_NAMES)
@given(text=st.text())
def test_tokens_are_stable(name, text):
    tokenizer = Tokenizer(name)
    tokens = tokenizer.tokens(text)
    assert tokenizer.tokens(" ".join(tokens)) == tokens
    for token in tokens:
        assert token
        assert tokenizer.word(token) == token
        assert unicodedata.is_normalized("NFC", token)
        assert token.encode()


@pytest.mark.parametrize("name", TOKENIZER_NAMES)
@given(text=st.text())
def test_canonically_equivalent_texts_have_the_same_tokens(name, text):
    assert Tokenizer(name).tokens(unicodedata.normalize("NFD", text)) == Tokenizer(name).tokens(text)


def test_json():
    for name in TOKENIZER_NAMES:
        assert Tokenizer(name).to_json() == {"name": name, "version": 1}
        assert Tokenizer.from_json(Tokenizer(name).to_json()) == Tokenizer(name)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "words",
        {},
        {"name": "words"},
        {"name": "words", "version": 2},
        {"name": "words", "version": True},
        {"name": "nouns", "version": 1},
        {"name": ["words"], "version": 1},
        {"name": "words", "version": 1, "phrases": 1},
    ],
)
def test_unknown_tokenizers_are_refused(value):
    with pytest.raises(Unsupported):
        Tokenizer.from_json(value)


def test_an_unknown_name_is_a_mistake():
    with pytest.raises(InputError, match="words, letters, whitespace"):
        Tokenizer("nouns")
