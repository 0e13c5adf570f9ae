import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact.draft import write_embedding, write_phrases
from artifact.embedding import Embedding
from artifact.errors import Corrupt, InputError, UnknownWords, Unsupported
from artifact.phrases import Joining, Phrases
from artifact.store import Store
from artifact.subwords import Ngrams, Subwords
from artifact.tokenizer import Tokenizer
from artifact.vocabulary import Vocabulary
from artifact.vocabulary_index import index_tokens
from artifact.weights import map_tensors, write_tensors

LINES = [
    "1 new york",
    "1 ice cream",
    "1 statue of liberty",
    "1 end of the world",
    "2 new_york city",
    "2 ice_cream van",
]
JOINING = Joining(2, ("of", "the"))
TOKENS = ["new_york", "city", "new", "ice_cream", "statue_of_liberty", "the", "new_york_city", "van"]


def make(lines=LINES, joining=JOINING):
    return Phrases.from_lines(joining, lines, np.arange(len(lines), 0, -1))


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("new york", "new_york"),
        ("new york city", "new_york_city"),
        ("new new york city city", "new new_york_city city"),
        ("new york new york city", "new_york new_york_city"),
        ("york new", "york new"),
        ("new of york", "new of york"),
        ("new_york city", "new_york_city"),
        ("the statue of liberty of the ice cream van", "the statue_of_liberty of the ice_cream_van"),
        ("statue of the liberty", "statue of the liberty"),
        ("end of the world", "end_of_the_world"),
        ("end of the of world", "end of the of world"),
        ("end of the of new york", "end of the of new_york"),
        ("of the", "of the"),
        ("statue of", "statue of"),
        ("", ""),
    ],
)
def test_joining_goes_from_left_to_right_pass_by_pass(text, joined):
    assert make().join(text.split()) == joined.split()


@given(
    st.lists(
        st.sampled_from(
            ["new", "york", "city", "of", "the", "statue", "liberty", "end", "world", "ice", "cream", "van"]
        )
    )
)
def test_joining_loses_no_word(tokens):
    joined = make().join(tokens)
    assert " ".join(joined).replace("_", " ").split() == tokens
    assert make(joining=Joining(1, JOINING.connectors)).join(tokens) == [
        unit
        for token in joined
        for unit in (token.rsplit("_", 1) if token in {"new_york_city", "ice_cream_van"} else [token])
    ]


@pytest.fixture
def embedding():
    vectors = np.random.default_rng(0).normal(size=(len(TOKENS), 4)).astype(np.float32)
    vocabulary = Vocabulary.from_tokens(TOKENS, np.arange(len(TOKENS), 0, -1))
    return Embedding.from_arrays(
        vectors=vectors, vocabulary=vocabulary, tokenizer=Tokenizer(), phrases=make()
    )


@pytest.mark.parametrize(
    ("word", "token"),
    [
        ("new york", "new_york"),
        ("New York", "new_york"),
        ("New_York", "new_york"),
        ("  new-york ", "new_york"),
        ("New York City", "new_york_city"),
        ("Statue of Liberty", "statue_of_liberty"),
        ("city", "city"),
    ],
)
def test_a_query_finds_the_phrase(embedding, word, token):
    assert embedding.find(word) == TOKENS.index(token)
    assert embedding.similar([word], top=3) == embedding.similar([token], top=3)
    assert token not in [each.word for each in embedding.similar([word], top=20)]


@pytest.mark.parametrize("word", ["york", "new city", "new\nyork", "city new york", "", " ", "ice cream van"])
def test_what_is_not_one_token_of_the_vocabulary_is_unknown(embedding, word):
    assert embedding.find(word) is None
    with pytest.raises(UnknownWords) as caught:
        embedding.vectors([word])
    assert caught.value.oov == [word]


def test_a_slip_in_a_phrase_is_put_right(embedding):
    with pytest.raises(UnknownWords) as caught:
        embedding.similar(["New Yorkk"])
    assert "new_york" in caught.value.suggestions


def test_a_text_is_joined_line_by_line(embedding):
    assert embedding.tokens("In New York,\nice\ncream. New\r\nYork") == [
        "in",
        "new_york",
        "ice",
        "cream",
        "new",
        "york",
    ]


def test_without_phrases_nothing_is_joined():
    vocabulary = Vocabulary.from_tokens(["new_york", "new"], np.array([2, 1]))
    plain = Embedding.from_arrays(
        vectors=np.eye(2, dtype=np.float32), vocabulary=vocabulary, tokenizer=Tokenizer()
    )
    assert plain.find("new york") is None
    assert plain.tokens("New York") == ["new", "york"]


def test_an_unknown_phrase_is_composed_from_subwords_as_it_would_be_spelled():
    ngrams = Ngrams(3, 5, 1000)
    tokens = ["new_york"]
    bucket_ids = np.unique(ngrams.hash_words(["new_yorker"])[1])
    rows = np.random.default_rng(0).normal(size=(len(bucket_ids), 4)).astype(np.float32)
    model = Embedding.from_arrays(
        vectors=np.ones((1, 4), np.float32),
        vocabulary=Vocabulary.from_tokens(tokens, np.array([1])),
        tokenizer=Tokenizer(),
        phrases=make(),
        subwords=Subwords(ngrams, bucket_ids=bucket_ids, rows=rows),
    )
    np.testing.assert_array_equal(model.vectors(["New Yorker"]), model.vectors(["new_yorker"]))


def publish(root, phrases, *, tamper=None, requires=None, kind="embedding"):
    store = Store(root, create=True)
    with store.draft("words") as draft:
        vectors = np.random.default_rng(0).normal(size=(len(TOKENS), 4)).astype(np.float32)
        write_embedding(draft, tokens=TOKENS, counts=np.arange(len(TOKENS), 0, -1), vectors=vectors)
        needed = write_phrases(draft, phrases)
        if tamper:
            tamper(draft.path)
        version = draft.publish(
            kind=kind,
            tokenizer=Tokenizer(),
            recipe={},
            metrics={},
            requires=needed if requires is None else requires,
        )
    return store, version


def test_phrases_travel_in_the_artifact(tmp_path):
    store, version = publish(tmp_path, make())
    artifact = store.open("words")
    assert artifact.manifest.requires == {"phrases": {"version": 1, "passes": 2, "connectors": ["of", "the"]}}
    assert {"phrases", "phrases-index"} <= set(artifact.manifest.files)
    embedding = artifact.embedding()
    assert list(embedding.phrases) == LINES
    assert embedding.phrases.counts.tolist() == [6, 5, 4, 3, 2, 1]
    assert embedding.find("new york") == 0
    store.verify("words", version)


def test_no_phrases_at_all_travel_too(tmp_path):
    store, version = publish(tmp_path, make([]))
    assert len(store.open("words").embedding().phrases) == 0
    store.verify("words", version)


def rewrite(path, lines, counts=None):
    data = "".join(f"{line}\n" for line in lines).encode()
    (path / "phrases.txt").write_bytes(data)
    counts = np.ones(len(lines), np.int64) if counts is None else counts
    write_tensors(path / "phrases.safetensors", {**index_tokens(data), "counts": counts})


@pytest.mark.parametrize(
    "line",
    [
        "0 a b",
        "3 a b",
        "a b",
        "1 a",
        "1 a of the of b",
        "1 of b",
        "1 a the",
        "1 a b c",
        "1 a  b",
        "1 a\tb c",
        "1",
        "x a b",
        f"1 {'a' * 600} {'b' * 600}",
        "1 a\u2003 b",
    ],
)
def test_verify_refuses_lines_that_are_no_phrases(tmp_path, line):
    store, version = publish(tmp_path, make(), tamper=lambda path: rewrite(path, ["1 a b", line]))
    store.open("words").embedding()
    with pytest.raises(Corrupt, match="line 2"):
        store.verify("words", version)


def test_verify_refuses_an_index_of_other_lines(tmp_path):
    def exchange(path):
        tensors = {name: array.copy() for name, array in map_tensors(path / "phrases.safetensors").items()}
        rewrite(path, list(reversed(LINES)))
        write_tensors(path / "phrases.safetensors", tensors)

    store, version = publish(tmp_path, make(), tamper=exchange)
    with pytest.raises(Corrupt, match="does not belong"):
        store.verify("words", version)


def test_verify_refuses_phrases_that_were_never_joined(tmp_path):
    store, version = publish(
        tmp_path, make(), tamper=lambda path: rewrite(path, ["1 a b"], np.zeros(1, np.int64))
    )
    with pytest.raises(Corrupt, match="never joined"):
        store.verify("words", version)


@pytest.mark.parametrize(
    "tamper",
    [
        lambda path: (path / "phrases.txt").write_bytes(b""),
        lambda path: (path / "phrases.txt").write_bytes(b"1 new york\n"),
        lambda path: (path / "phrases.safetensors").write_bytes(b"no tensors"),
        lambda path: rewrite(path, LINES, np.ones(2, np.int64)),
        lambda path: rewrite(path, LINES, np.ones(6, np.float32)),
        lambda path: write_tensors(path / "phrases.safetensors", {"counts": np.ones(6, np.int64)}),
        lambda path: write_tensors(path / "phrases.safetensors", {"counts": np.zeros(0, np.int64)}),
        lambda path: write_tensors(path / "phrases.safetensors", {"offsets": np.ones(7, np.int64)}),
    ],
)
def test_files_that_do_not_fit_are_not_opened(tmp_path, tamper):
    store, _ = publish(tmp_path, make(), tamper=tamper)
    with pytest.raises(Corrupt, match=r"words/.*phrases"):
        store.open("words").embedding()


def test_a_flipped_bit_is_corrupt(tmp_path):
    store, version = publish(tmp_path, make())
    path = tmp_path / "words" / version / "phrases.txt"
    data = bytearray(path.read_bytes())
    data[3] ^= 1
    path.write_bytes(data)
    with pytest.raises(Corrupt, match=r"phrases\.txt: its sha256"):
        store.open("words")


GOOD = {"version": 1, "passes": 2, "connectors": ["of"]}


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ({**GOOD, "version": 2}, Unsupported),
        ({**GOOD, "version": "1"}, Corrupt),
        ({**GOOD, "version": True}, Corrupt),
        ({**GOOD, "passes": 0}, Corrupt),
        ({**GOOD, "passes": 9}, Corrupt),
        ({**GOOD, "passes": True}, Corrupt),
        ({**GOOD, "connectors": [1]}, Corrupt),
        ({**GOOD, "connectors": ["of", "of"]}, Corrupt),
        ({**GOOD, "connectors": ["of the"]}, Corrupt),
        ({**GOOD, "connectors": [str(number) for number in range(16)]}, Corrupt),
        ({**GOOD, "more": 1}, Corrupt),
        ({"version": 1}, Corrupt),
        ([], Corrupt),
    ],
)
def test_a_requirement_that_cannot_be_met_is_refused(tmp_path, value, error):
    with pytest.raises(error, match="phrases"):
        publish(tmp_path, make(), requires={"phrases": value})


def test_the_requirement_needs_its_files_and_the_right_kind(tmp_path):
    with pytest.raises(Corrupt, match="requires phrases"):
        publish(tmp_path, make(), kind="language-model")
    store = Store(tmp_path / "other", create=True)
    with store.draft("words") as draft:
        write_embedding(draft, tokens=TOKENS, counts=np.arange(len(TOKENS), 0, -1), vectors=np.eye(8, 4))
        draft.add("phrases", "phrases.txt", b"1 new york\n")
        draft.publish(
            kind="embedding", tokenizer=Tokenizer(), recipe={}, metrics={}, requires={"phrases": GOOD}
        )
    with pytest.raises(Corrupt, match="no index"):
        store.open("words").embedding()


def test_phrases_in_memory_are_checked():
    with pytest.raises(InputError, match="twice"):
        make(["1 a b", "1 a b"])
    with pytest.raises(InputError, match="passes"):
        Joining(9)
