import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact.draft import write_embedding, write_subwords
from artifact.embedding import Embedding
from artifact.errors import Corrupt, InputError, UnknownWords, Unsupported
from artifact.store import Store
from artifact.subwords import Ngrams, Subwords
from artifact.tokenizer import Tokenizer
from artifact.vocabulary import Vocabulary
from artifact.weights import write_tensors

# Computed by fasttext 0.9.3: (shortest, longest, buckets), word, get_subwords less the number of words.
FASTTEXT_SAYS = [
    (
        (3, 6, 2_000_000),
        "where",
        [
            167652,
            989715,
            1526707,
            1071586,
            420941,
            312621,
            969176,
            121234,
            1473420,
            1540811,
            114991,
            1529033,
            1568469,
            867498,
        ],
    ),
    ((3, 6, 2_000_000), "서울", [1329705, 1812149, 313483]),
    (
        (3, 6, 2_000_000),
        "naïve",
        [
            1806890,
            1907692,
            878190,
            933201,
            1590546,
            1719404,
            832043,
            156687,
            356832,
            1223007,
            1505331,
            1711570,
            1788548,
            1088654,
        ],
    ),
    ((3, 6, 2_000_000), "a", [1087600]),
    (
        (3, 6, 2_000_000),
        "aaaa",
        [542365, 394292, 1623503, 1440227, 991330, 481081, 1736837, 991330, 1689172, 81963],
    ),
    ((1, 3, 1000), "it's", [798, 342, 172, 160, 925, 267, 436, 101, 302, 967, 51, 362, 20]),
    ((1, 3, 1000), "é", [627, 231, 777, 781]),
    ((1, 3, 1000), "<>", [605, 289, 539, 367, 867, 777, 493]),
    ((2, 4, 7), "न्यू", [1, 4, 4, 2, 4, 6, 5, 2, 6, 1, 5, 6]),
    ((2, 4, 7), "😀x", [1, 2, 3, 5, 3, 2]),
]
TOKENS = ["walking", "walked", "talking", "car"]


def hash_word(ngrams, word):
    starts, ids = ngrams.hash_words([word])
    assert starts.tolist() == [0, len(ids)]
    return ids.tolist()


@pytest.mark.parametrize(("lengths", "word", "expected"), FASTTEXT_SAYS)
def test_the_buckets_are_those_of_fasttext(lengths, word, expected):
    assert hash_word(Ngrams(*lengths), word) == expected


def hash_plainly(ngrams, word):
    """FNV-1a over signed bytes, an n-gram at a time."""
    text = f"<{word}>"
    found = []
    for start in range(len(text)):
        for end in range(start + 1, len(text) + 1):
            only_a_mark = end - start == 1 and (start == 0 or end == len(text))
            if ngrams.shortest <= end - start <= ngrams.longest and not only_a_mark:
                value = 2166136261
                for byte in text[start:end].encode():
                    value = (value ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * 16777619 % 2**32
                found.append(value % ngrams.buckets)
    return found


@given(
    words=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), max_size=6),
    lengths=st.tuples(st.integers(1, 7), st.integers(1, 7)).map(sorted),
    buckets=st.integers(1, 2**31 - 1),
)
def test_many_words_at_once_are_hashed_as_one_by_one(words, lengths, buckets):
    ngrams = Ngrams(*lengths, buckets)
    starts, ids = ngrams.hash_words(words)
    assert (starts.dtype, ids.dtype) == (np.int64, np.int32)
    assert len(starts) == len(words) + 1
    for number, word in enumerate(words):
        assert ids[starts[number] : starts[number + 1]].tolist() == hash_plainly(ngrams, word)


def test_blocks_of_words_join_seamlessly(monkeypatch):
    ngrams = Ngrams(2, 4, 1000)
    words = [f"wörd{number}" for number in range(50)]
    whole = ngrams.hash_words(words)
    monkeypatch.setattr("artifact.subwords._BLOCK_WORDS", 7)
    for found, expected in zip(ngrams.hash_words(words), whole, strict=True):
        assert found.tolist() == expected.tolist()


@pytest.mark.peers
@pytest.mark.parametrize("lengths", [(3, 6), (1, 1), (2, 5)])
def test_fasttext_itself_agrees(lengths, tmp_path):
    fasttext = pytest.importorskip("fasttext")
    text = tmp_path / "text.txt"
    text.write_text("a b c d\n" * 20)
    model = fasttext.train_unsupervised(
        str(text),
        minn=lengths[0],
        maxn=lengths[1],
        bucket=9973,
        dim=1,
        epoch=1,
        minCount=1,
        thread=1,
        verbose=0,
    )
    known = len(model.get_words())
    rng = np.random.default_rng(0)
    letters = [*"abcxyz<>-'", "é", "ß", "서", "울", "ि", "😀", "\u0301"]
    words = ["".join(rng.choice(letters, rng.integers(1, 12))) for _ in range(500)]
    for word in words:
        _, rows = model.get_subwords(word)
        expected = [row - known for row in rows.tolist() if row >= known]
        assert hash_word(Ngrams(*lengths, 9973), word) == expected, word


def test_a_word_that_is_not_unicode_is_refused():
    with pytest.raises(InputError, match="UTF-8"):
        Ngrams(3, 6, 100).hash_words(["a\ud800"])


@pytest.mark.parametrize("bounds", [(0, 3, 9), (4, 3, 9), (3, 21, 9), (3, 6, 0), (3, 6, 2**31)])
def test_bounds_that_make_no_sense_are_refused(bounds):
    with pytest.raises(InputError):
        Ngrams(*bounds)


def make_subwords(tokens=TOKENS, ngrams=Ngrams(3, 5, 5000), dtype=np.float32, dim=6):  # noqa: B008 - frozen
    """Random rows for the n-grams of some words."""
    bucket_ids = np.unique(ngrams.hash_words(tokens)[1])
    rows = np.random.default_rng(1).normal(size=(len(bucket_ids), dim)).astype(dtype)
    return Subwords(ngrams, bucket_ids=bucket_ids, rows=rows)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_an_unknown_word_is_the_mean_of_its_known_ngrams(dtype):
    subwords = make_subwords(dtype=dtype)
    of = dict(zip(subwords.bucket_ids.tolist(), subwords.rows.astype(np.float64), strict=True))
    asked = hash_plainly(subwords.ngrams, "balking")
    expected = [of[bucket] for bucket in asked if bucket in of]
    assert 0 < len(expected) < len(asked)
    found, nothing, empty, surrogate, long = subwords.compose(["balking", "zzz", "", "a\ud800", "walk" * 251])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.mean(expected, axis=0), rtol=1e-6)
    assert nothing is empty is surrogate is long is None


def test_repeated_ngrams_count_as_often_as_they_occur():
    subwords = make_subwords(["aaaa"])
    of = dict(zip(subwords.bucket_ids.tolist(), subwords.rows, strict=True))
    buckets = hash_plainly(subwords.ngrams, "aaaaa")
    assert len(set(buckets)) < len(buckets)
    expected = np.mean([of[bucket] for bucket in buckets if bucket in of], axis=0)
    np.testing.assert_allclose(subwords.compose(["aaaaa"])[0], expected, rtol=1e-5)


def test_subwords_of_nothing_compose_nothing():
    empty = Subwords(Ngrams(3, 6, 9), bucket_ids=np.zeros(0, np.int32), rows=np.zeros((0, 4), np.float32))
    assert empty.compose(["word"]) == [None]


def test_a_lookup_touches_few_rows():
    """Neither the table nor the list of buckets is copied."""
    count = 400_000
    subwords = Subwords(
        Ngrams(3, 6, count), bucket_ids=np.arange(count, dtype=np.int32), rows=np.ones((count, 8), np.float32)
    )
    tracemalloc.start()
    subwords.compose(["something"])
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()


GOOD = {"bucket_ids": np.array([1, 5], np.int32), "rows": np.ones((2, 3), np.float32)}
LIES = {
    "unsorted": {"bucket_ids": np.array([5, 1], np.int32)},
    "twice the same": {"bucket_ids": np.array([5, 5], np.int32)},
    "below 0": {"bucket_ids": np.array([-1, 5], np.int32)},
    "beyond the buckets": {"bucket_ids": np.array([1, 10], np.int32)},
    "int64": {"bucket_ids": np.array([1, 5])},
    "a table of buckets": {"bucket_ids": np.array([[1, 5]], np.int32)},
    "too few rows": {"rows": np.ones((1, 3), np.float32)},
    "flat rows": {"rows": np.ones(2, np.float32)},
    "rows of integers": {"rows": np.ones((2, 3), np.int32)},
    "no rows": {"rows": None},
    "no buckets": {"bucket_ids": None},
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_lying_file_is_corrupt(lie):
    tensors = {name: array for name, array in (GOOD | lie).items() if array is not None}
    with pytest.raises(Corrupt):
        Subwords.from_tensors(Ngrams(3, 6, 10), tensors)


def make_embedding():
    rng = np.random.default_rng(2)
    return Embedding.from_arrays(
        vectors=rng.normal(size=(len(TOKENS), 6)).astype(np.float32),
        vocabulary=Vocabulary.from_tokens(TOKENS, np.arange(4, 0, -1)),
        tokenizer=Tokenizer("words"),
        subwords=make_subwords(),
    )


def test_every_question_composes_unknown_words():
    model = make_embedding()
    [composed] = make_subwords().compose(["balking"])
    rows = model.vectors(["car", "Balking", "walked"])
    assert np.array_equal(rows[1], composed)
    assert np.array_equal(rows[[0, 2]], model.vectors(["car", "walked"]))
    unit = composed / np.linalg.norm(composed)
    cosines = model.vectors(TOKENS) @ unit / np.linalg.norm(model.vectors(TOKENS), axis=1)
    found = model.similar(["balking"])
    assert [each.word for each in found] == [TOKENS[place] for place in np.argsort(-cosines)]
    np.testing.assert_allclose([each.score for each in found], np.sort(cosines)[::-1], atol=1e-6)
    np.testing.assert_allclose(model.similarity(["balking"], TOKENS)[0], cosines, atol=1e-6)
    assert "car" not in [each.word for each in model.analogy("car", "balking", "walked")]
    assert model.oov(["car", "Balking", "walked"]) == ["Balking"]


def test_a_word_without_known_ngrams_stays_unknown():
    model = make_embedding()
    with pytest.raises(UnknownWords) as caught:
        model.similar(["zzz", "balking", "qqq", "car", "zzz"])
    assert caught.value.oov == ["zzz", "qqq"]
    with pytest.raises(UnknownWords):
        model.token_id("balking")


def test_rows_that_are_no_numbers_give_no_answer():
    subwords = make_subwords()
    subwords.rows[:] = np.nan
    with pytest.raises(Corrupt):
        subwords.compose(["balking"])
    with pytest.raises(Corrupt):
        subwords.check()


def test_subwords_of_another_width_do_not_fit():
    with pytest.raises(Corrupt, match="do not fit"):
        Embedding.from_arrays(
            vectors=np.ones((4, 5), np.float32),
            vocabulary=Vocabulary.from_tokens(TOKENS, np.arange(4, 0, -1)),
            tokenizer=Tokenizer("words"),
            subwords=make_subwords(),
        )


def publish(root, *, tensors=None, requires=None, dtype="float32", kind="embedding"):
    store = Store(root, create=True)
    with store.draft("words") as draft:
        write_embedding(
            draft,
            tokens=TOKENS,
            counts=np.arange(4, 0, -1),
            vectors=np.eye(4, 6, dtype=np.float32),
            dtype=dtype,
        )
        if tensors is None:
            needed = write_subwords(draft, make_subwords(), dtype=dtype)
        else:
            write_tensors(draft.add("subwords", "subwords.safetensors"), tensors)
            needed = {"subwords": make_subwords().ngrams.to_json()}
        version = draft.publish(
            kind=kind,
            tokenizer=Tokenizer("words"),
            recipe={},
            metrics={},
            requires=needed if requires is None else requires,
        )
    return store, version


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_subwords_travel_in_the_artifact(tmp_path, dtype):
    store, version = publish(tmp_path, dtype=dtype)
    store.verify("words", version)
    artifact = store.open("words")
    assert artifact.manifest.requires == {
        "subwords": {"version": 1, "shortest": 3, "longest": 5, "buckets": 5000}
    }
    made = make_subwords()
    made.rows = made.rows.astype(dtype)
    assert np.array_equal(artifact.embedding().vectors(["balking"])[0], made.compose(["balking"])[0])


def test_what_float16_cannot_hold_is_not_published(tmp_path):
    subwords = make_subwords()
    subwords.rows[3] = 1e6
    bucket = subwords.bucket_ids[3]
    with (
        pytest.raises(InputError, match=f"n-gram bucket {bucket} is not finite"),
        Store(tmp_path, create=True).draft("words") as draft,
    ):
        write_subwords(draft, subwords, dtype="float16")


@pytest.mark.parametrize(
    "lie", [*LIES.values(), {"rows": np.ones((2, 6), np.int32)}], ids=[*LIES, "six wide"]
)
def test_a_lying_file_in_the_store_is_corrupt(tmp_path, lie):
    """Its hash is right, its content is not."""
    good = {"bucket_ids": np.array([1, 5], np.int32), "rows": np.ones((2, 6), np.float32)}
    tensors = {name: array for name, array in (good | lie).items() if array is not None}
    few = {"version": 1, "shortest": 3, "longest": 6, "buckets": 10}
    store, version = publish(tmp_path, tensors=tensors, requires={"subwords": few})
    with pytest.raises(Corrupt) as caught:
        store.open("words").embedding()
    assert f"words/{version}" in str(caught.value)
    with pytest.raises(Corrupt):
        store.verify("words", version)


@pytest.mark.parametrize("place", [0, 9, 200, -1])
def test_a_flipped_bit_is_corrupt(tmp_path, place):
    store, version = publish(tmp_path)
    path = tmp_path / "words" / version / "subwords.safetensors"
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(Corrupt, match=r"subwords\.safetensors"):
        store.open("words")


def test_verify_looks_at_every_row(tmp_path):
    tensors = {
        "bucket_ids": np.array([1, 5], np.int32),
        "rows": np.array([[1] * 6, [np.inf] * 6], np.float32),
    }
    store, version = publish(tmp_path, tensors=tensors)
    store.open("words").embedding()
    with pytest.raises(Corrupt, match="not finite"):
        store.verify("words", version)


NEEDED = {"version": 1, "shortest": 3, "longest": 5, "buckets": 5000}


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (NEEDED | {"version": 2}, Unsupported),
        (NEEDED | {"version": True}, Corrupt),
        (NEEDED | {"version": "1"}, Corrupt),
        (NEEDED | {"shortest": 6}, Corrupt),
        (NEEDED | {"shortest": True}, Corrupt),
        (NEEDED | {"longest": 5.5}, Corrupt),
        (NEEDED | {"buckets": 0}, Corrupt),
        (NEEDED | {"buckets": 10**400}, Corrupt),
        (NEEDED | {"more": 1}, Corrupt),
        ({"version": 1}, Corrupt),
        ({}, Corrupt),
        (None, Corrupt),
        ([3, 6], Corrupt),
    ],
)
def test_a_requirement_that_cannot_be_met_is_refused(tmp_path, value, error):
    with pytest.raises(error, match="subwords"):
        publish(tmp_path, requires={"subwords": value})


def test_the_requirement_needs_its_file_and_the_right_kind(tmp_path):
    with pytest.raises(Corrupt, match="requires subwords"):
        publish(tmp_path, kind="language-model")
    store = Store(tmp_path, create=True)
    with pytest.raises(Corrupt, match="requires subwords"), store.draft("words") as draft:
        write_embedding(draft, tokens=TOKENS, counts=np.arange(4, 0, -1), vectors=np.eye(4, dtype=np.float32))
        draft.publish(
            kind="embedding",
            tokenizer=Tokenizer("words"),
            recipe={},
            metrics={},
            requires={"subwords": NEEDED},
        )


def test_a_file_that_nothing_requires_is_ignored(tmp_path):
    store, _ = publish(tmp_path, requires={})
    with pytest.raises(UnknownWords):
        store.open("words").embedding().vectors(["balking"])
