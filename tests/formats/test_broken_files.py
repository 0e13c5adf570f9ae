"""Files cut off anywhere, and files of anything: an error of one line, a remark, or vectors; never a traceback."""

import gzip

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.formats.foreign_files import WORDS, binary_bytes, make_vectors, read_or_refuse, text_bytes

FEW = WORDS[1:4]
FILES = {
    "word2vec-binary": binary_bytes(FEW, make_vectors(3, 2)),
    "word2vec-text": text_bytes(FEW, make_vectors(3, 2)),
    "glove-text": text_bytes(FEW, make_vectors(3, 2), header=False),
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_every_truncation_is_an_error_or_a_remark(tmp_path, kind, pack):
    whole = pack(FILES[kind])
    path = tmp_path / "cut"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        result, error = read_or_refuse(path, kind)
        if error is not None:
            assert "cut" in str(error)
            continue
        foreign, words, vectors, _ = result
        missing = length < len(whole.rstrip(b"\n"))
        if pack is bytes and missing and kind != "word2vec-binary" and vectors is not None:
            # Text may end within a number, or after any line: that shows only in what does not fit.
            assert len(words) == 3 or list(foreign.remarks) or whole[length - 1 : length] == b"\n"
        else:
            assert words == [word.encode() for word in FEW]


FORMATS = st.sampled_from(
    [None, "word2vec-binary", "word2vec-text", "glove-text", "fasttext-bin", "keyed-vectors"]
)


@settings(max_examples=150)
@given(data=st.binary(max_size=300), kind=FORMATS)
@example(data=b"1 1\n", kind=None)
@example(data=b"99999999 3000\n", kind="word2vec-binary")
@example(data=b"\xba\x16\x4f\x2f\x0c\0\0\0", kind=None)
def test_any_bytes_are_read_or_refused(tmp_path_factory, data, kind):
    path = tmp_path_factory.mktemp("fuzz") / "x"
    path.write_bytes(data)
    read_or_refuse(path, kind)


@settings(max_examples=150)
@given(
    source=st.sampled_from([binary_bytes(WORDS, make_vectors()), text_bytes(WORDS, make_vectors())]),
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=3)), min_size=1, max_size=4
    ),
)
def test_changed_bytes_are_read_or_refused(tmp_path_factory, source, changes):
    for place, new in changes:
        start = int(place * len(source))
        source = source[:start] + new + source[start + len(new) or 1 :]
    path = tmp_path_factory.mktemp("fuzz") / "x"
    path.write_bytes(source)
    result, error = read_or_refuse(path)
    if error is None and result[2] is not None:
        assert len(result[1]) == len(result[2])


words = st.text(st.characters(exclude_categories=["Cs", "Z", "Cc"]), min_size=1, max_size=8)
numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(max_examples=60)
@given(
    rows=st.lists(st.tuples(words, st.tuples(numbers, numbers, numbers)), min_size=1, max_size=6),
    pick=st.booleans(),
)
def test_what_is_written_plainly_is_read_exactly(tmp_path_factory, rows, pick):
    vectors = np.array([row for _, row in rows], np.float32)
    spelled = [word for word, _ in rows]
    path = tmp_path_factory.mktemp("plain") / "x"
    path.write_bytes((binary_bytes if pick else text_bytes)(spelled, vectors))
    result, error = read_or_refuse(path, "word2vec-binary" if pick else "word2vec-text")
    assert error is None
    assert [word.decode() for word in result[1]] == spelled
    np.testing.assert_array_equal(result[2].astype(np.float32), vectors)
