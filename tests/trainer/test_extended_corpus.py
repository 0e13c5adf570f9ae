import numpy as np
import pytest

from artifact.errors import InputError
from artifact.tokenizer import Tokenizer
from trainer import extended_corpus
from trainer.corpus import build_corpus
from trainer.extended_corpus import extend_corpus

OLD = {"the": 50, "car": 20, "bus": 20, "tram": 7, "van": 3}


@pytest.fixture
def extend(tmp_path):
    def run(text, *, min_count=2, read_with=1, old=OLD):
        path = tmp_path / "new.txt"
        path.write_text(text)
        corpus = build_corpus(
            [str(path)], tmp_path / "text", tokenizer=Tokenizer("whitespace"), min_count=read_with
        )
        counts = np.array(list(old.values()))
        return extend_corpus(
            corpus, tokens=list(old), counts=counts, min_count=min_count, folder=tmp_path / "extended"
        )

    return run


TEXT = "the bicycle bicycle car\nvan scooter the bicycle\nbicycle bus moped moped the\n"


def test_counts_are_added_and_ids_given_anew(extend):
    extended = extend(TEXT)
    corpus = extended.corpus
    assert dict(zip(corpus.tokens, corpus.counts.tolist(), strict=True)) == {
        "the": 53,
        "bus": 21,
        "car": 21,
        "tram": 7,
        "bicycle": 4,
        "van": 4,
        "moped": 2,
    }
    # By falling count, ties by the token.
    assert list(corpus.tokens) == ["the", "bus", "car", "tram", "bicycle", "van", "moped"]
    assert [corpus.tokens[token_id] for token_id in extended.old_ids] == list(OLD)
    assert extended.new_words == 2


def test_the_text_is_the_new_one_in_new_ids(extend):
    corpus = extend(TEXT).corpus
    words = ["?" if token_id < 0 else corpus.tokens[token_id] for token_id in corpus.token_ids]
    # One word that was known stays though it occurs once; a new one that occurs once does not.
    assert words == TEXT.replace("scooter", "?").split()
    assert corpus.line_starts.tolist() == [0, 4, 8, 13]
    assert corpus.report.words == 13
    assert corpus.report.kept_words == 12
    assert corpus.report.kept_types == 6
    assert corpus.min_count == 2


def test_blocks_join_seamlessly(extend, monkeypatch):
    monkeypatch.setattr(extended_corpus, "_BLOCK_WORDS", 3)
    corpus = extend(TEXT).corpus
    assert [corpus.tokens[i] if i >= 0 else "?" for i in corpus.token_ids] == TEXT.replace(
        "scooter", "?"
    ).split()


def test_words_that_the_corpus_left_out_stay_out(extend):
    corpus = extend(TEXT, read_with=2).corpus
    words = ["?" if token_id < 0 else corpus.tokens[token_id] for token_id in corpus.token_ids]
    assert words == [
        "the",
        "bicycle",
        "bicycle",
        "?",
        "?",
        "?",
        "the",
        "bicycle",
        "bicycle",
        "?",
        "moped",
        "moped",
        "the",
    ]


def test_a_text_without_new_words(extend):
    extended = extend("tram tram\nbus bus\n")
    assert extended.new_words == 0
    assert list(extended.corpus.tokens) == ["the", "bus", "car", "tram", "van"]


def test_a_text_without_old_words(extend):
    extended = extend("quick quick brown brown\n")
    assert list(extended.corpus.tokens) == ["the", "bus", "car", "tram", "van", "brown", "quick"]
    assert extended.corpus.token_ids.tolist() == [6, 6, 5, 5]


def test_a_place_that_cannot_be_written(extend, tmp_path):
    (tmp_path / "extended").write_text("")
    with pytest.raises(InputError, match="cannot write the text"):
        extend(TEXT)
