import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artifact.errors import InputError
from trainer.evaluate.analogies import Score, Section, evaluate_analogies, read_questions


def write(tmp_path, content):
    path = tmp_path / "questions.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_sections_are_read(tmp_path):
    content = (
        "\ufeff: family\nking man queen woman\n\n: gram1-plural\r\ncar cars dog dogs\r\n: family\na b c d\n"
    )
    assert read_questions(write(tmp_path, content)) == [
        Section("family", [("king", "man", "queen", "woman"), ("a", "b", "c", "d")]),
        Section("gram1-plural", [("car", "cars", "dog", "dogs")]),
    ]


def test_questions_without_a_section(tmp_path):
    assert read_questions(write(tmp_path, "a b c d\n")) == [Section("unnamed", [("a", "b", "c", "d")])]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (": a\nking man queen\n", 2),
        (": a\n\nking man queen woman child\n", 3),
        (b": a\nking m\xffn queen woman\n", 2),
        (b"\x00" * 20_000, 1),
    ],
)
def test_mistakes_name_file_and_line(tmp_path, content, line):
    with pytest.raises(InputError, match=rf"questions\.txt:{line}: "):
        read_questions(write(tmp_path, content))


@pytest.mark.parametrize("content", ["", ": only a section\n"])
def test_no_questions(tmp_path, content):
    with pytest.raises(InputError, match="no questions"):
        read_questions(write(tmp_path, content))


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_questions(tmp_path / "nowhere.txt")


FAMILY = Section("family", [("man", "woman", "king", "queen"), ("MAN", "King", "woman", "queen")])
GRAMMAR = Section("gram1-x", [("man", "woman", "king", "apple"), ("man", "woman", "king", "unheard")])


def test_scores_by_section_kind_and_total(royal):
    result = evaluate_analogies(royal(), [FAMILY, GRAMMAR])
    assert result.sections == {"family": Score(2, 2, 2), "gram1-x": Score(asked=2, covered=1, correct=0)}
    assert result.semantic == Score(2, 2, 2)
    assert result.syntactic == Score(2, 1, 0)
    assert result.total == Score(4, 3, 2)
    assert result.total.accuracy == pytest.approx(2 / 3)
    assert result.to_json()["sections"]["gram1-x"] == {
        "accuracy": 0.0,
        "correct": 0,
        "covered": 1,
        "asked": 2,
    }


def test_a_model_that_keeps_case_is_asked_for_words_as_written_first(make_embedding):
    words = {
        "man": [0, 0, 1],
        "woman": [0, 1, 1],
        "king": [1, 0, 1],
        "queen": [1, 1, 1],
        "KING": [-5, 1, 0],
        "x": [-1, 0, 0],
    }
    cased = make_embedding(words, tokenizer="whitespace")
    as_written = [("man", "woman", "KING", "queen")]
    lower = [("MAN", "Woman", "King", "Queen")]
    assert evaluate_analogies(cased, [Section("x", lower)]).total == Score(1, 1, 1)
    assert evaluate_analogies(cased, [Section("x", as_written)]).total == Score(1, 1, 0)


def test_rarer_words_are_neither_asked_nor_answered(royal):
    embedding = royal()
    assert evaluate_analogies(embedding, [FAMILY], restrict_vocab=3).total == Score(2, 0, 0)
    # A nearer word beyond the limit is no competitor.
    crowded = royal(empress=[1.0, 1.0, 1.0])
    question = [Section("family", [("man", "woman", "king", "queen")])]
    assert evaluate_analogies(crowded, question, restrict_vocab=5).total.correct == 1


def test_nothing_covered_has_no_accuracy(royal):
    result = evaluate_analogies(royal(), [Section("far", [("w", "x", "y", "z")])])
    assert result.total.accuracy is None
    assert result.syntactic is None
    assert result.semantic is None


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_every_answer_is_the_nearest_word_to_b_minus_a_plus_c(make_embedding, seed):
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(12, 4))
    names = [f"w{number}" for number in range(12)]
    embedding = make_embedding(dict(zip(names, vectors.tolist(), strict=True)))
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    questions, right = [], 0
    for _ in range(30):
        a, b, c, d = random.choice(12, size=4, replace=False).tolist()
        scores = units @ (units[b] - units[a] + units[c])
        scores[[a, b, c]] = -np.inf
        right += int(scores.argmax()) == d
        questions.append((names[a], names[b], names[c], names[d]))
    assert evaluate_analogies(embedding, [Section("all", questions)]).total == Score(30, 30, right)
