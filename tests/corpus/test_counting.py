"""The compiled reader against the tokenizer, on text that is as nasty as can be."""

import random
import tempfile
from pathlib import Path

import pytest
from corpus.reference import built, expected
from hypothesis import given, settings
from hypothesis import strategies as st

from artifact.errors import InputError
from artifact.tokenizer import TOKENIZER_NAMES, Tokenizer
from trainer.corpus.sources import find_sources

NASTY = [
    *"aAbZzkKİıΣσςßẞĿ0179 \n\n\n\t\r\v\f\0\x1c\x1f\x7f\x85\u00a0\u1680\u2003\u2028\u2029\u3000\ufeff\ufffd",
    *"''’ʼ\u200c\u200d\u00ad\u200b-_.",
    *"éÅ\u212a\u212bñÑẖǰΰΐ\u1fb4\ua64a\u1c88",
    *"\u0300\u0301\u0307\u0323\u0327\u0331\u0338\u0345\u05b0\u064b\u0651\u20dd\ufe0f\ufe0e",
    *"한ᄀ가각ᅡᆨᆪᄒ힣ㄱ",
    *"हक़िक\u093c\u094dनীোকেো\u09be\u09c7தொ\u0bc6\u0bbe\u0dca",
    *"漢\uf900\U0002f800ー゛\u3099か\u0e33ก็",
    *"①²Ⅳⅳ٣½\U0001d11e\U0001d15e\U0001d7ce\U00010400\U0001f600\U000e0001\U0010ffff\ue000\u0378",
    "\r\n", "the", "\u1fbc\u0342", "\u1fb3\u0342", "H\u0331", "I\u0307", "J\u030c", "o\u00ad", "ΑΣ", "ΑΣ'", "'Σ", "x" * 999, "x" * 1000, "x" * 1001, "가" * 333, "가" * 334, "é" * 501, "q\u0323\u0307", "q\u0307\u0323",
]  # fmt: skip

GARBAGE = [b"\xff", b"\xc3", b"\xe2\x82", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xf0\x9f", b"\x80", b"\xef\xbf\xbd", b"\xef\xbb\xbf"]  # fmt: skip

# A file that begins with many NULs is refused as binary, so texts here begin with words.
HEAD = b"some words that are text, " * 8

texts = st.lists(
    st.one_of(
        st.sampled_from(NASTY).map(str.encode),
        st.sampled_from(GARBAGE),
        st.text(max_size=3).map(str.encode),
        st.binary(max_size=2),
    ),
    max_size=40,
).map(b"".join)


def check(contents, name, min_count=1, **sizes):
    tokenizer = Tokenizer(name)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{number}.txt") for number in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        found, counting = built(
            find_sources([str(path) for path in paths]), tokenizer, min_count, Path(folder), **sizes
        )
    assert found == expected(contents, tokenizer, min_count, sizes["line_bytes"])
    return counting


@pytest.mark.parametrize("name", TOKENIZER_NAMES)
@settings(max_examples=100)
@given(
    contents=st.lists(texts, min_size=1, max_size=3),
    min_count=st.sampled_from([1, 1, 2]),
    threads=st.sampled_from([1, 1, 2, 3]),
    piece_bytes=st.sampled_from([1, 2, 3, 7, 16, 61, 1000]),
    line_bytes=st.sampled_from([4, 5, 16, 50, 333, 1 << 20]),
)
def test_the_compiled_reader_finds_what_the_tokenizer_finds(
    name, contents, min_count, threads, piece_bytes, line_bytes
):
    contents = [HEAD + content for content in contents]
    counting = check(
        contents, name, min_count, threads=threads, piece_bytes=piece_bytes, line_bytes=line_bytes
    )
    nuls = sum(worker.scanner.nuls for worker in counting.workers)
    assert nuls == sum(content.count(0) for content in contents)
    assert counting.bytes == sum(map(len, contents))


@pytest.mark.parametrize("name", TOKENIZER_NAMES)
@settings(max_examples=100)
@given(content=texts)
def test_what_was_changed_is_counted(name, content):
    content = HEAD + content
    counting = check([content], name, threads=1, piece_bytes=1 << 20, line_bytes=1 << 20)
    scanner = counting.workers[0].scanner
    text = content.decode("utf-8", "replace")
    valid = content.decode("utf-8", "ignore").count("\ufffd")
    assert scanner.invalid_utf8 == text.count("\ufffd") - valid
    tokenizer = Tokenizer(name)
    words = sum(len(tokenizer.split(line)) for line in text.split("\n"))
    assert scanner.long_words == words - sum(words for _, words, _ in counting.blocks)


@pytest.mark.parametrize(
    ("name", "joint"),
    [("letters", ""), ("whitespace", ""), *(("words", joint) for joint in ("", "'", "\u200d", "\u0301"))],
)
def test_every_pair_of_nasty_things(name, joint):
    pairs = [first + joint + second for first in ["", "a", *NASTY] for second in NASTY]
    text = "\n".join(f"{pair} a{pair} {pair}a" for pair in pairs)
    check([HEAD + text.encode()], name, threads=1, piece_bytes=1 << 20, line_bytes=1 << 20)


def generate_text(seed, words, alphabet):
    rng = random.Random(seed)
    makes = ["".join(rng.choices(alphabet, k=rng.randint(1, 12))) for _ in range(words)]
    return " ".join(word + rng.choice(["", "", "", ".", "\n"]) for word in makes for _ in range(2)).encode()


@pytest.mark.parametrize("name", TOKENIZER_NAMES)
@pytest.mark.parametrize("alphabet", ["abcdefghijkLMNOP'", "가각난달한글", "aéñ\u0301Ü日"])
def test_a_large_vocabulary(name, alphabet):
    text = generate_text(5, 15_000, alphabet)
    for threads, piece_bytes in ((1, 1 << 20), (3, 10_000)):
        check([text], name, min_count=2, threads=threads, piece_bytes=piece_bytes, line_bytes=1 << 20)


def test_words_with_the_same_count_and_beginning_are_in_code_point_order():
    stem = "s" * 40
    words = [stem + end for end in ("z", "b", "ab", "a", "", "é", "\uffee", "\U00010400")] + [
        "b" * n for n in range(1, 40)
    ]
    text = " ".join(words).encode()
    check([text], "whitespace", threads=1, piece_bytes=64, line_bytes=1 << 20)


def test_an_error_in_any_thread_ends_the_others(tmp_path):
    good, bad = tmp_path / "a.txt", tmp_path / "b.txt"
    good.write_text("some words\n" * 10_000)
    bad.write_bytes(b"\xff\xfe" + "words\n".encode("utf-16-le"))
    for threads in (1, 2, 4):
        with pytest.raises(InputError, match=r"b\.txt: this is UTF-16"):
            built(
                find_sources([str(good), str(bad)]),
                Tokenizer(),
                1,
                tmp_path,
                threads=threads,
                piece_bytes=1000,
            )
