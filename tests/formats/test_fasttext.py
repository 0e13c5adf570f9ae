"""fastText's models: words and unknown words get the vectors that fastText itself gives."""

import gzip
import struct

import numpy as np
import pytest

from artifact.errors import UnknownWords
from tests.formats.foreign_files import make_vectors, read, read_or_refuse

WORDS = ["</s>", "walking", "walked", "서울", "naïve", "a"]
COUNTS = [40, 9, 7, 5, 3, 1]
LABELS = ["__label__x"]
BUCKETS, DIM = 50, 4


def fnv(text):
    value = 2166136261
    for byte in text.encode():
        value = (value ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * 16777619 % 2**32
    return value


def ngram_buckets(word, shortest, longest, buckets=BUCKETS):
    text = f"<{word}>"
    spans = [
        (start, end)
        for start in range(len(text))
        for end in range(start + max(1, shortest), min(len(text), start + longest) + 1)
        if not (end - start == 1 and (start == 0 or end == len(text)))
    ]
    return [fnv(text[start:end]) % buckets for start, end in spans]


def model_bytes(
    *,
    words=WORDS,
    labels=(),
    lengths=(3, 5),
    buckets=BUCKETS,
    model=2,
    version=12,
    pruned=-1,
    quantized=False,
    matrix=None,
):
    """A model as fastText 0.9.2 saves it (FastText::saveModel), without the code under test."""
    if matrix is None:
        matrix = make_vectors(len(words) + buckets, DIM)
    parts = [struct.pack("<ii", 793712314, version)]
    parts.append(struct.pack("<12id", DIM, 5, 5, 1, 5, 1, 2, model, buckets, *lengths, 100, 1e-4))
    entries = [*zip(words, COUNTS, [0] * len(words), strict=False), *((label, 3, 1) for label in labels)]
    parts.append(struct.pack("<iiiqq", len(entries), len(words), len(labels), 65, pruned))
    for word, count, kind in entries:
        data = word if isinstance(word, bytes) else word.encode()
        parts.append(data + b"\0" + struct.pack("<qb", count, kind))
    parts.append(struct.pack("<?qq", quantized, *matrix.shape) + matrix.astype("<f4").tobytes())
    output = make_vectors(len(entries), DIM, seed=1)
    parts.append(struct.pack("<?qq", False, *output.shape) + output.tobytes())
    return b"".join(parts)


def expected(word, matrix, *, lengths=(3, 5), words=WORDS):
    rows = [len(words) + bucket for bucket in ngram_buckets(word, *lengths)] if word != "</s>" else []
    if word in words:
        rows.append(words.index(word))
    return matrix[rows].astype(np.float64).mean(axis=0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.bin"


MATRIX = make_vectors(len(WORDS) + BUCKETS, DIM)


@pytest.mark.parametrize("lengths", [(3, 5), (1, 3), (0, 2)])
def test_every_word_has_its_vector_known_or_not(path, bring_in, lengths):
    path.write_bytes(model_bytes(lengths=lengths, matrix=MATRIX))
    outcome, embedding = bring_in(path)
    assert outcome.last["format"] == "fasttext-bin"
    assert outcome.last["has_counts"]
    assert list(embedding.vocabulary) == WORDS
    assert embedding.vocabulary.counts.tolist() == COUNTS
    for word in [*WORDS, "walks", "서울에서", "n", "x" * 300]:
        np.testing.assert_allclose(
            embedding.vectors([word])[0], expected(word, MATRIX, lengths=lengths), rtol=1e-5, atol=1e-6
        )
    ngrams = embedding.manifest.requires["subwords"]
    assert (ngrams["shortest"], ngrams["longest"], ngrams["buckets"]) == (
        max(1, lengths[0]),
        lengths[1],
        BUCKETS,
    )


def test_small_blocks_give_the_same_vectors(path, monkeypatch):
    path.write_bytes(model_bytes(matrix=MATRIX))
    whole = read(path)[2]
    monkeypatch.setattr("artifact.formats.ngram_means._NGRAMS_AT_ONCE", 1)
    monkeypatch.setattr("artifact.formats.fasttext_bin.rows_at_once", lambda dim: 4)
    np.testing.assert_array_equal(read(path)[2], whole)


def test_half_precision_holds_for_the_buckets_too(path, bring_in):
    path.write_bytes(model_bytes(matrix=MATRIX))
    _, embedding = bring_in(path, "--dtype", "float16")
    np.testing.assert_allclose(embedding.vectors(["walks"])[0], expected("walks", MATRIX), atol=2e-3)


def test_a_model_without_ngrams_knows_its_words_alone(path, bring_in):
    for version, model, lengths in ((12, 2, (0, 0)), (11, 3, (3, 6))):
        path.write_bytes(model_bytes(lengths=lengths, version=version, model=model, matrix=MATRIX))
        _, embedding = bring_in(path, name=f"v{version}")
        np.testing.assert_array_equal(embedding.vectors(WORDS), MATRIX[: len(WORDS)])
        with pytest.raises(UnknownWords):
            embedding.vectors(["walks"])


def test_labels_are_passed_over(path):
    path.write_bytes(model_bytes(labels=LABELS, model=3))
    assert [word.decode() for word in read(path)[1]] == WORDS


def test_words_that_are_not_utf_8_are_remarked_on(path, bring_in):
    path.write_bytes(model_bytes(words=[*WORDS[:5], b"ca\xff"]))
    outcome, embedding = bring_in(path)
    assert outcome.last["warnings"] == {"broken-utf-8": 1}
    assert embedding.vocabulary.token(5) == "ca\ufffd"


def test_every_truncation_is_refused(path):
    whole = model_bytes(words=WORDS[:3], buckets=4)
    for length in range(1, len(whole)):
        path.write_bytes(whole[:length])
        result, error = read_or_refuse(path, "fasttext-bin")
        assert result is None, length
        assert "byte" in str(error)
    path.write_bytes(whole + b"...")
    assert read(path)[0].remarks.to_json() == {"trailing-bytes": 3}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pruned": 0}, "quantized"),
        ({"quantized": True}, "quantized"),
        ({"version": 13}, "format version 13"),
        ({"lengths": (5, 3)}, "subwords of 5 to 3"),
        ({"matrix": make_vectors(9, DIM)}, "9 rows where there are 6 words and 50 n-gram buckets"),
        ({"matrix": make_vectors(56, DIM + 1)}, "4 columns are expected"),
    ],
)
def test_models_that_cannot_be_used_are_refused(path, refuse, changes, said):
    path.write_bytes(model_bytes(**changes))
    error = refuse(path)
    assert error.startswith("model.bin: byte ")
    assert said in error


def test_a_packed_model_must_be_unpacked_first(path, refuse):
    path.write_bytes(gzip.compress(model_bytes()))
    assert "unpack it first" in refuse(path)


@pytest.mark.peers
@pytest.mark.parametrize("lengths", [(3, 5), (1, 3), (0, 2), (0, 0)])
def test_fasttext_itself_agrees(path, bring_in, lengths):
    fasttext = pytest.importorskip("fasttext")
    path.write_bytes(model_bytes(lengths=lengths, matrix=MATRIX))
    theirs = fasttext.load_model(str(path))
    _, embedding = bring_in(path)
    assert list(embedding.vocabulary) == theirs.get_words()
    for word in [*WORDS, *(["walks", "서울에서", "é", "x" * 40] if lengths[1] else [])]:
        np.testing.assert_allclose(
            embedding.vectors([word])[0], theirs.get_word_vector(word), rtol=1e-5, atol=1e-6
        )
