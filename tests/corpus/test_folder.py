import json

import numpy as np
import pytest

from artifact.canonical import encode_json
from artifact.errors import Corrupt, InputError, Unsupported
from artifact.tokenizer import Tokenizer
from trainer.corpus import CorpusReport, build_corpus, is_corpus, open_corpus


@pytest.fixture
def corpus(tmp_path):
    (tmp_path / "text").write_text("a b a\nc\n")
    build_corpus([str(tmp_path / "text")], tmp_path / "corpus", tokenizer=Tokenizer(), min_count=1)
    return tmp_path / "corpus"


def change(corpus, **fields):
    file = corpus / "corpus.json"
    file.write_bytes(encode_json({**json.loads(file.read_bytes()), **fields}))


def test_a_corpus_is_opened_as_it_was_built(corpus):
    opened = open_corpus(corpus)
    assert list(opened.tokens) == ["a", "b", "c"]
    assert opened.tokens[-1] == "c"
    assert opened.tokens[:2] == ["a", "b"]
    assert opened.token_ids.tolist() == [0, 1, 0, 2]
    assert opened.tokenizer == Tokenizer()


def test_no_corpus(tmp_path):
    assert not is_corpus(tmp_path)
    assert not is_corpus(tmp_path / "nowhere")
    with pytest.raises(InputError, match="not a corpus folder"):
        open_corpus(tmp_path)


@pytest.mark.parametrize("name", ["ids.i32", "lines.i64", "counts.i64", "vocabulary.txt"])
def test_truncated_and_missing_files_are_named(corpus, name):
    path = corpus / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Corrupt, match=name):
        open_corpus(corpus)
    path.unlink()
    with pytest.raises(Corrupt, match=f"{name}: No such file"):
        open_corpus(corpus)


def test_files_that_do_not_fit_each_other(corpus):
    np.array([0, 3, 5], "<i8").tofile(corpus / "lines.i64")
    with pytest.raises(Corrupt, match=r"lines\.i64"):
        open_corpus(corpus)
    np.array([0, 3, 4], "<i8").tofile(corpus / "lines.i64")
    np.array([2, 1, 2], "<i8").tofile(corpus / "counts.i64")
    with pytest.raises(Corrupt, match=r"counts\.i64"):
        open_corpus(corpus)


@pytest.mark.parametrize("content", [b"a\nb\n\n\n", b"abcdef", b"a\n\xff\nc\n"])
def test_a_vocabulary_that_is_no_list_of_words(corpus, content):
    (corpus / "vocabulary.txt").write_bytes(content)
    change(
        corpus,
        files={**json.loads((corpus / "corpus.json").read_bytes())["files"], "vocabulary.txt": len(content)},
    )
    opened = open_corpus(corpus)
    with pytest.raises(Corrupt, match=r"vocabulary\.txt"):
        list(opened.tokens)


@pytest.mark.parametrize(
    "content", [b"", b"{}\n", b"[1]\n", b"\xff", b'{"kind":"corpus"}\n', b'{"a":1, "kind":"corpus"}\n']
)
def test_a_damaged_description(corpus, content):
    (corpus / "corpus.json").write_bytes(content)
    assert is_corpus(corpus)
    with pytest.raises((Corrupt, Unsupported), match=r"corpus\.json"):
        open_corpus(corpus)


@pytest.mark.parametrize(
    "fields",
    [
        {"files": {}},
        {"files": None},
        {"min_count": "5"},
        {"report": {}},
        {"report": None},
        {"report": {**CorpusReport().to_json(), "words": -1}},
        {"report": {**CorpusReport().to_json(), "words": True}},
    ],
)
def test_a_description_that_lies(corpus, fields):
    change(corpus, **fields)
    with pytest.raises(Corrupt):
        open_corpus(corpus)


@pytest.mark.parametrize(
    "fields", [{"format_version": 2}, {"format_version": True}, {"tokenizer": {"name": "x", "version": 1}}]
)
def test_other_releases_are_refused_by_name(corpus, fields):
    change(corpus, **fields)
    with pytest.raises(Unsupported):
        open_corpus(corpus)
