import numpy as np
import pytest

from artifact.errors import InputError
from trainer.evaluate.similarity import Pair, evaluate_similarity, read_pairs

EXPECTED = [Pair("tiger", "cat", 7.35), Pair("book", "paper", 7.46)]


def write(tmp_path, content):
    path = tmp_path / "pairs.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        "tiger\tcat\t7.35\nbook\tpaper\t7.46\n",
        "# a comment\n# Word 1\tWord 2\tMean\ntiger\tcat\t7.35\n\nbook\tpaper\t7.46",
        "Word 1,Word 2,Human (mean)\r\ntiger,cat,7.35\r\nbook,paper,7.46\r\n",
        '\ufeffword 1,word 2,score\ntiger,cat,7.35\n"book","paper",7.46\n',
        "tiger cat 7.35\nbook   paper 7.46\n",
        "word1\tword2\tscore\tmore\ntiger\tcat\t7.35\tx\nbook\tpaper\t7.46\ty\n",
    ],
)
def test_the_forms_that_sets_come_in(tmp_path, content):
    assert read_pairs(write(tmp_path, content)) == EXPECTED


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("tiger\tcat\n", 1),
        ("a\tb\t1\ntiger\tcat\tclose\n", 2),
        ("header\tof\twords\nsecond\theader\tline\n", 2),
        ("a\tb\t1\na\tb\tnan\n", 2),
        ("a\tb\t1\n\tb\t2\n", 2),
        (b"a\tb\t1\n\xff\tb\t2\n", 2),
    ],
)
def test_mistakes_name_file_and_line(tmp_path, content, line):
    with pytest.raises(InputError, match=rf"pairs\.txt:{line}: "):
        read_pairs(write(tmp_path, content))


def test_an_empty_set(tmp_path):
    with pytest.raises(InputError, match="no pairs"):
        read_pairs(write(tmp_path, "# nothing\n"))


@pytest.fixture
def line_of(make_embedding):
    """Makes words w0, w1 … at these angles."""
    return lambda *angles: make_embedding(
        {f"w{number}": [np.cos(angle), np.sin(angle)] for number, angle in enumerate(angles)}
    )


def test_perfect_and_reversed_order(line_of):
    embedding = line_of(0, 0.1, 0.5, 1.2)
    pairs = [Pair("w0", "w1", 9), Pair("w0", "w2", 5), Pair("W0", "w3", 1)]
    assert evaluate_similarity(embedding, pairs).spearman == pytest.approx(1)
    reversed_pairs = [Pair(pair.first, pair.second, -pair.score) for pair in pairs]
    assert evaluate_similarity(embedding, reversed_pairs).spearman == pytest.approx(-1)


def test_unknown_words_count_as_asked_only(line_of):
    pairs = [Pair("w0", "w1", 9), Pair("w0", "w2", 5), Pair("w0", "tiger", 1)]
    result = evaluate_similarity(line_of(0, 0.1, 0.5), pairs)
    assert (result.covered, result.asked) == (2, 3)
    assert result.spearman == pytest.approx(1)


@pytest.mark.parametrize(
    "pairs",
    [
        [Pair("x", "y", 1)],
        [Pair("w0", "w1", 1)],
        [Pair("w0", "w1", 1), Pair("w0", "w2", 1)],
        [Pair("w0", "w1", 1), Pair("w1", "w0", 2)],
    ],
)
def test_no_correlation_without_an_order(line_of, pairs):
    assert evaluate_similarity(line_of(0, 0.1, 0.5), pairs).spearman is None


def test_ties_share_their_rank(line_of):
    embedding = line_of(0, 0.1, 0.5, 1.2)
    pairs = [Pair("w0", "w1", 5), Pair("w0", "w2", 5), Pair("w0", "w3", 1)]
    # Ranks 2.5, 2.5, 1 against 3, 2, 1.
    assert evaluate_similarity(embedding, pairs).spearman == pytest.approx(0.8660254)
