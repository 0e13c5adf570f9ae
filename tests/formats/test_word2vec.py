"""word2vec's two formats and GloVe's: what is read, where it is found out, and what is said of odd files."""

import gzip
import tracemalloc

import numpy as np
import pytest

from artifact.formats.intake import take_in
from artifact.formats.reading import open_foreign
from artifact.store import Store
from tests.formats.foreign_files import WORDS, binary_bytes, make_vectors, read, text_bytes

VECTORS = make_vectors()
FILES = {
    "word2vec-binary": binary_bytes(WORDS, VECTORS),
    "word2vec-text": text_bytes(WORDS, VECTORS),
    "glove-text": text_bytes(WORDS, VECTORS, header=False),
}


@pytest.fixture(params=FILES)
def kind(request):
    return request.param


@pytest.fixture
def path(tmp_path):
    return tmp_path / "vectors"


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_every_format_is_found_out_and_read_exactly(path, kind, pack):
    path.write_bytes(pack(FILES[kind]))
    foreign, words, vectors, counts = read(path)
    assert foreign.format == kind
    assert [word.decode() for word in words] == WORDS
    np.testing.assert_array_equal(vectors.astype(np.float32), VECTORS)
    assert counts == [None]
    assert foreign.dim == 5
    assert list(foreign.remarks) == []
    _, total = foreign.progress()
    assert total == path.stat().st_size


def test_line_ends_after_vectors_may_be_missing_as_gensim_writes_them(path):
    path.write_bytes(binary_bytes(WORDS, VECTORS, line_ends=False))
    foreign, words, vectors, _ = read(path)
    assert [word.decode() for word in words] == WORDS
    np.testing.assert_array_equal(vectors, VECTORS)
    assert list(foreign.remarks) == []


def test_an_import_is_published_with_all_that_is_known(path, kind, bring_in, run, store):
    path.write_bytes(FILES[kind])
    outcome, embedding = bring_in(path, "--license", "CC0", "--provenance", "made by hand")
    assert outcome.err == ""
    said = outcome.last
    assert said["event"] == "imported"
    assert (said["format"], said["words"], said["dim"], said["dtype"]) == (kind, 7, 5, "float32")
    assert (said["has_counts"], said["warnings"]) == (False, {})
    assert {event["stage"] for event in outcome.events("progress")} == {"import", "neighbours"}
    assert list(embedding.vocabulary) == WORDS
    np.testing.assert_array_equal(embedding.vectors(WORDS), VECTORS)
    assert not np.asarray(embedding.vocabulary.counts).any()
    manifest = embedding.manifest
    assert manifest.license == "CC0"
    assert manifest.provenance == f"made by hand; imported from vectors ({kind})"
    assert manifest.recipe == {"import": kind, "dim": 5, "dtype": "float32"}
    version = store / "it" / manifest.version
    card = (version / "README.md").read_text()
    for part in ("## Imported from", f"| format | {kind}", "Licence of the vectors: CC0", "none in the file"):
        assert part in card
    assert "loss.svg" not in card
    assert "Imported from" in (version / "report.html").read_text()
    assert run("list", "--store", store).last["words"] == 7
    assert run("verify", "--store", store).last["ok"]
    assert run("similar", "car", "--store", store).code == 0
    assert run("evaluate", "it", "--store", store).code == 0
    assert run("train", "cbow", path, "--name", "x", "--store", store, "--resume-from", "it").code == 2


def test_half_precision_is_a_choice(path, bring_in):
    path.write_bytes(FILES["word2vec-binary"])
    outcome, embedding = bring_in(path, "--dtype", "float16")
    assert outcome.last["dtype"] == "float16"
    np.testing.assert_array_equal(embedding.vectors(WORDS), VECTORS.astype(np.float16).astype(np.float32))


@pytest.mark.parametrize(
    ("words", "chosen"),
    [(["the", "car", "naïve", "u.s.", ","], "words"), (["the", "Car", "naïve", "u.s.", ","], "whitespace")],
)
def test_the_tokenizer_is_one_that_finds_every_word(path, bring_in, words, chosen):
    path.write_bytes(text_bytes(words, make_vectors(5)))
    outcome, embedding = bring_in(path)
    assert outcome.last["tokenizer"] == embedding.tokenizer.name == chosen
    assert embedding.oov(words) == []


def test_one_word_in_a_thousand_does_not_decide_the_tokenizer(path, bring_in):
    words = [f"word{number}" for number in range(2000)]
    path.write_bytes(text_bytes([*words, "A", "B"], make_vectors(2002)))
    assert bring_in(path)[0].last["warnings"] == {"unreachable": 2}
    path.write_bytes(text_bytes([*words, "A", "B", "C"], make_vectors(2003)))
    outcome, embedding = bring_in(path, name="more")
    assert outcome.last["warnings"] == {}
    assert embedding.tokenizer.name == "whitespace"


def test_a_tokenizer_that_misses_words_is_remarked_on(path, bring_in):
    path.write_bytes(text_bytes(["the", "Car", "BUS"], make_vectors(3)))
    outcome, embedding = bring_in(path, "--tokenizer", "words")
    assert outcome.last["warnings"] == {"unreachable": 2}
    assert "2 of 3 words" in outcome.err
    assert embedding.oov(["Car"]) == ["Car"]


def test_repeated_words_stand_once_and_are_counted(path, bring_in):
    words = ["car", "é", "car", "e\u0301", "bus", "car"]
    path.write_bytes(binary_bytes(words, make_vectors(6)))
    outcome, embedding = bring_in(path)
    assert list(embedding.vocabulary) == ["car", "é", "bus"]
    np.testing.assert_array_equal(embedding.vectors(["car", "é", "bus"]), make_vectors(6)[[0, 1, 4]])
    assert outcome.last["warnings"] == {"duplicate-word": 3}
    assert "the first of each was kept: 3 (first: row 2: 'car')" in outcome.err


def test_odd_words_are_counted_and_kept_where_they_can_be(path, bring_in):
    words = [b"car", b"b\xffd", b"", b"two\tparts", "\u00a0".encode(), b"x" * 999, b"y" * 1001, b"a\nb"]
    path.write_bytes(binary_bytes([*words[:6], words[7]], make_vectors(7)))
    outcome, embedding = bring_in(path)
    assert list(embedding.vocabulary) == ["car", "b\ufffdd", "two\tparts", "\u00a0", "x" * 999]
    assert outcome.last["warnings"] == {"broken-utf-8": 1, "empty-word": 1, "white-space": 2, "line-break": 1}


def test_words_with_spaces_in_a_text_of_vectors(path, bring_in):
    vectors = make_vectors(5)
    path.write_bytes(text_bytes(["the", ". . .", "car", "at name@domain.com", "9 9"], vectors, header=False))
    outcome, embedding = bring_in(path)
    assert list(embedding.vocabulary) == ["the", ". . .", "car", "at name@domain.com", "9 9"]
    np.testing.assert_array_equal(embedding.vectors([". . ."])[0], vectors[1])
    assert outcome.last["warnings"] == {"white-space": 3}
    assert "line 2: '. . .'" in outcome.err


def test_spaces_tabs_line_ends_and_blank_lines_of_all_kinds(path):
    path.write_bytes(b"\xef\xbb\xbf2 2 \r\n\r\na  1\t2 \r\n\n b.c 3  -4e-1\t\n")
    _, words, vectors, _ = read(path, "fasttext-vec")
    assert words == [b"a", b"b.c"]
    np.testing.assert_array_equal(vectors.astype(np.float32), np.array([[1, 2], [3, -0.4]], np.float32))


def test_more_lines_than_the_header_says_are_read_and_remarked_on(path, bring_in):
    path.write_bytes(FILES["word2vec-text"].replace(b"7 5", b"3 5", 1))
    outcome, embedding = bring_in(path)
    assert len(embedding.vocabulary) == 7
    assert outcome.last["warnings"] == {"wrong-count": 7}
    assert "line 1 says 3 words; there are 7" in outcome.err


def test_bytes_after_the_last_row_are_remarked_on(path, bring_in):
    path.write_bytes(FILES["word2vec-binary"] + b"\n\nmore")
    outcome, embedding = bring_in(path)
    assert len(embedding.vocabulary) == 7
    assert "4 bytes follow the 7 words" in outcome.err


def test_a_last_line_without_its_end_is_remarked_on_where_no_header_tells(path, bring_in):
    path.write_bytes(FILES["glove-text"][:-1])
    outcome, _ = bring_in(path)
    assert outcome.last["warnings"] == {"open-end": 1}
    path.write_bytes(FILES["word2vec-text"][:-1])
    assert bring_in(path, name="other")[0].last["warnings"] == {}


REFUSED = {
    "empty": (b"", "vectors: empty"),
    "prose": (b"Once upon a time\nthere was a text\n", "its format cannot be told"),
    "no numbers": (b"7\n", "its format cannot be told"),
    "short line": (b"3 2\na 1 2\nb 1\nc 1 2\n", "vectors: line 3: 1 of 2 numbers"),
    "no number": (b"2 2\na 1 2\nb 1 x\n", "vectors: line 3: 'x' is not a finite number"),
    "underscore": (b"2 2\na 1 2\nb 1 1_0\n", "vectors: line 3: '1_0' is not a finite number"),
    "nan": (b"2 2\na 1 2\nb nan 1\n", "vectors: line 3: the vector of 'b' is not finite"),
    "inf": (b"a 1 2\nb 1 -inf\n", "vectors: line 2: the vector of 'b' is not finite"),
    "too large": (b"2 2\na 1 2\nb 1 1e39\n", "vectors: line 3: the vector of 'b' is not finite"),
    "too few": (b"3 2\na 1 2\nb 1 2\n", "line 1 says 3 words, but the file ends after 2 (line 3)"),
    "far too few": (
        b"100000000000000000 2\na 1 2\n",
        "line 1 says 100,000,000,000,000,000 words, but the file ends after 1 (line 2)",
    ),
    "far too few, packed": (
        gzip.compress(b"100000000000000000 1\na \0\0\0\0"),
        "row 1 (byte 27): the file ends there",
    ),
    "wrong width": (b"2 2\na 1 2 3\nb 1 2 3\n", "line 1 says 2 dimensions, but the lines have more"),
    "no words": (b"0 2\n", "the header says 0 words"),
    "no dimensions": (b"2 0\na\nb\n", "1 to 65,536 dimensions"),
    "all empty": (b"1 2\n 1 2\n", "no word could be read"),
    "binary nan": (
        binary_bytes(["a", "b"], np.array([[1, 2], [1, np.nan]], np.float32)),
        "vectors: row 1: the vector of 'b' is not finite",
    ),
    "binary short": (FILES["word2vec-binary"][:60], "at least 151 bytes; there are 60"),
    "binary long word": (
        b"1 2\n" + b"\0" * 2000,
        "vectors: row 0 (byte 4): no space ends the word within 1,000 bytes",
    ),
    "packed": (b"PK\x03\x04....", "vectors: this is a zip archive: unpack it first"),
    "gzip": (gzip.compress(FILES["word2vec-text"])[:-20], "vectors: broken or truncated gzip file"),
    "gzip binary": (gzip.compress(FILES["word2vec-binary"][:-20]), "row 6 (byte 165): the file ends there"),
    "pickle": (b"\x80\x04K\x01.", "vectors: a pickle, but not one of gensim's"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_refused_with_its_place(path, refuse, case):
    data, said = REFUSED[case]
    path.write_bytes(data)
    assert said in refuse(path)


def test_options_and_paths_that_make_no_sense(path, refuse, tmp_path):
    path.write_bytes(FILES["glove-text"])
    assert "line 1 is not a header" in refuse(path, "--format", "word2vec-text")
    assert "line 1 is not a header" in refuse(path, "--format", "word2vec-binary")
    assert "--format: must be one of" in refuse(path, "--format", "word2vec")
    assert "no such file" in refuse(tmp_path / "absent")
    assert "not a model2vec model" in refuse(tmp_path)
    assert "a folder, not a glove-text file" in refuse(tmp_path, "--format", "glove-text")
    path.write_bytes(binary_bytes(["a"], np.array([[1e6]], np.float32)))
    assert "the vector of 'a' is not finite as float16" in refuse(path, "--dtype", "float16")


def test_vectors_pass_through_a_few_at_a_time(path):
    vectors = np.tile(make_vectors(1, 3000), (4000, 1))
    path.write_bytes(binary_bytes([f"word{number}" for number in range(4000)], vectors))
    tracemalloc.start()
    try:
        with open_foreign(path) as foreign, Store(path.parent / "store", create=True).draft("it") as draft:
            take_in(draft, foreign, dtype="float32", progress=lambda done, total: None)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < vectors.nbytes / 2


def test_blocks_join_seamlessly(path, monkeypatch, kind):
    for name in ("word2vec_binary", "glove_text"):
        monkeypatch.setattr(f"artifact.formats.{name}.rows_at_once", lambda dim: 2, raising=False)
    monkeypatch.setattr("artifact.formats.text_rows._READ_BYTES", 70)
    monkeypatch.setattr("artifact.formats.word2vec_binary._READ_BYTES", 10)
    monkeypatch.setattr("artifact.formats.word2vec_binary.MAX_TOKEN_BYTES", 10)
    path.write_bytes(FILES[kind])
    _, words, vectors, _ = read(path)
    assert [word.decode() for word in words] == WORDS
    np.testing.assert_array_equal(vectors.astype(np.float32), VECTORS)
