import pytest
from corpus.reference import cut_lines
from hypothesis import given
from hypothesis import strategies as st

from trainer.corpus.blocks import cut_blocks

texts = st.lists(
    st.sampled_from([b"\n", b" ", b"a", b"bb", "é".encode(), "한".encode(), b"\x80", b"word", b"\0"]),
    max_size=60,
).map(b"".join)


def lines_of(text, line_bytes, sizes):
    pieces, at = [], 0
    while at < len(text):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(text[at : at + size])
        at += size
    blocks = list(cut_blocks(pieces, line_bytes))
    contents = [block.buffer[block.start : block.stop] for block in blocks]
    assert b"".join(contents) == text
    assert all(contents)
    lines = [line for content in contents for line in content.removesuffix(b"\n").split(b"\n")]
    return lines, sum(block.cut for block in blocks)


@given(text=texts, line_bytes=st.integers(4, 30), sizes=st.lists(st.integers(1, 100), min_size=1, max_size=4))
def test_lines_are_cut_in_the_same_places_whatever_the_pieces(text, line_bytes, sizes):
    lines, cuts = lines_of(text, line_bytes, sizes)
    wanted, wanted_cuts = cut_lines(text, line_bytes)
    assert cuts == wanted_cuts
    assert [line for line in lines if line] == [line for line in wanted if line]
    assert all(len(line) <= line_bytes for line in lines)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (b"12345\n", [b"12345"]),
        (b"123456\n", [b"12345", b"6"]),
        (b"12 456\n", [b"12 ", b"456"]),
        ("1234한\n".encode(), [b"1234", "한".encode()]),
        (b"\x80" * 7, [b"\x80" * 5, b"\x80" * 2]),
    ],
)
def test_where_a_line_is_cut(text, lines):
    assert lines_of(text, 5, [100])[0] == lines
