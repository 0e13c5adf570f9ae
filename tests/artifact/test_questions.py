"""Questions against plain NumPy in float64, word by word."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artifact.embedding import Embedding
from artifact.errors import EmptyQuery, InputError, UnknownWords
from artifact.questions import EPSILON, Question, Term, answer, ask_analogy
from artifact.tokenizer import Tokenizer
from artifact.vocabulary import Vocabulary

V, D = 40, 5
WORDS = [f"w{number}" for number in range(V)]


def make(vectors, tokens=WORDS, dtype=np.float32):
    vocabulary = Vocabulary.from_tokens(tokens, np.arange(len(tokens), 0, -1, dtype=np.int64))
    return Embedding.from_arrays(
        vectors=np.asarray(vectors, dtype=dtype), vocabulary=vocabulary, tokenizer=Tokenizer("words")
    )


@pytest.fixture(scope="module", params=[np.float32, np.float16])
def model(request):
    return make(np.random.default_rng(7).normal(size=(V, D)), dtype=request.param)


def plain(model, question):
    """The definition, a word at a time: (word, score), best first, ties in id order."""
    unit = lambda vector: np.asarray(vector, float) / np.linalg.norm(vector)  # noqa: E731
    stored = [unit(vector) for vector in model.vectors(WORDS)]
    terms = lambda side: [  # noqa: E731
        (stored[WORDS.index(t.value)] if isinstance(t.value, str) else unit(t.value), t.weight) for t in side
    ]
    positive, negative = terms(question.positive), terms(question.negative)
    own = {t.value for t in (*question.positive, *question.negative) if isinstance(t.value, str)}
    ranked = []
    for word, vector in list(zip(WORDS, stored, strict=True))[: question.restrict_vocab]:
        if word in own or word in question.exclude or (question.among and word not in question.among):
            continue
        if question.method == "3cosadd":
            total = sum(w * t for t, w in positive) - sum(w * t for t, w in negative)
            score = vector @ unit(total)
        else:
            score = np.prod([((1 + vector @ t) / 2) ** w for t, w in positive])
            if negative:
                score /= np.prod([((1 + vector @ t) / 2) ** w for t, w in negative]) + EPSILON
        if question.min_score is None or score >= question.min_score:
            ranked.append((word, score))
    return sorted(ranked, key=lambda item: -item[1])[: question.top]


numbers = st.floats(-5, 5).filter(lambda number: abs(number) > 0.1)
entries = st.builds(
    Term,
    st.sampled_from(WORDS) | st.lists(numbers, min_size=D, max_size=D),
    st.sampled_from([1.0, 0.25, 3.0]),
)
questions = st.builds(
    Question,
    positive=st.lists(entries, min_size=1, max_size=3),
    negative=st.lists(entries, max_size=2),
    top=st.integers(1, V + 3),
    method=st.sampled_from(["3cosadd", "3cosmul"]),
    restrict_vocab=st.none() | st.integers(1, V + 3),
    among=st.none() | st.lists(st.sampled_from(WORDS), min_size=1, max_size=15),
    exclude=st.lists(st.sampled_from(WORDS), max_size=5),
    min_score=st.none() | st.floats(-1, 1),
)


@settings(max_examples=200)
@given(asked=st.lists(questions, min_size=1, max_size=4))
def test_answers_are_those_of_the_definition(model, asked):
    for question, ranking in zip(asked, answer(model, asked), strict=True):
        if isinstance(ranking, EmptyQuery):
            total = [
                sign * t.weight
                for sign, side in ((1, question.positive), (-1, question.negative))
                for t in side
            ]
            assert question.negative, total
            continue
        expected = plain(model, question)
        found = [(neighbour.word, neighbour.score) for neighbour in ranking.neighbours]
        # A score right at the floor may round to either side of it.
        if question.min_score is not None:
            near = {word for word, score in expected + found if abs(score - question.min_score) < 1e-5}
            expected = [item for item in expected if item[0] not in near]
            found = [item for item in found if item[0] not in near]
        assert [score for _, score in found] == pytest.approx(
            [score for _, score in expected], rel=1e-4, abs=1e-5
        )
        if (
            np.diff([score for _, score in expected]).size == 0
            or np.abs(np.diff([s for _, s in expected])).min() > 1e-4
        ):
            assert [word for word, _ in found] == [word for word, _ in expected]


def test_cosmul_is_the_formula_of_the_paper():
    """Levy and Goldberg 2014, equation 4, with one word on each side of the quotient and hand-made cosines."""
    king, man, woman = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]
    queen = [0.6, 0.0, 0.8]
    model = make([king, man, woman, queen, [0.0, 0.6, 0.8]], ["king", "man", "woman", "queen", "other"])
    [ranking] = answer(model, [ask_analogy("man", "king", "woman", method="3cosmul", top=2)])
    [first, second] = ranking.neighbours
    assert (first.word, second.word) == ("queen", "other")
    assert first.score == pytest.approx(0.8 * 0.9 / (0.5 + 0.001), rel=1e-5)
    assert second.score == pytest.approx(0.5 * 0.9 / (0.8 + 0.001), rel=1e-5)


def test_products_are_the_same_in_blocks_of_any_size(monkeypatch):
    # Of length 2 or 0: every product is exact, and many are equal, so that ties lie across blocks.
    vectors = np.random.default_rng(5).choice([-1, 1], size=(500, 4)).astype(np.float32)
    vectors[::9] = 0
    tokens = [f"w{number}" for number in range(500)]
    model = make(vectors, tokens)
    first = [token for token, vector in zip(tokens, vectors, strict=True) if vector.any()][:4]
    asked = [
        Question([Term(first[0])], [Term(first[1])], top=top, method="3cosmul", restrict_vocab=restrict)
        for top in (1, 7, 600)
        for restrict in (None, 33, 490)
    ] + [Question([Term(word)], top=5, method="3cosmul", exclude=tokens[100:200]) for word in first]
    whole = answer(model, asked)
    for rows in (1, 7, 64):
        monkeypatch.setattr("artifact.questions._LEAST_ROWS", 1)
        monkeypatch.setattr("artifact.questions._MOST_ROWS", rows)
        for ranking, expected in zip(answer(model, asked), whole, strict=True):
            assert [n.word for n in ranking.neighbours] == [n.word for n in expected.neighbours]
            assert [n.score for n in ranking.neighbours] == pytest.approx(
                [n.score for n in expected.neighbours]
            )


def test_suggestions_are_looked_for_a_few_times_only(model, monkeypatch):
    monkeypatch.setattr("artifact.questions.MOST_SUGGESTIONS", 2)
    found = answer(model, [Question([Term("w1x")])] * 4)
    assert [bool(error.suggestions) for error in found] == [True, True, False, False]


def test_several_questions_are_answered_as_one_by_one(model):
    asked = [
        Question([Term("w1")], top=3),
        Question([Term("w2")], [Term("w3")], top=7, restrict_vocab=20),
        ask_analogy("w1", "w2", "w3"),
        Question([Term("w4")], method="3cosmul"),
        Question([Term("w5")], among=["w1", "w9"]),
    ]
    together = answer(model, asked)
    for question, ranking in zip(asked, together, strict=True):
        [alone] = answer(model, [question])
        assert [n.word for n in alone.neighbours] == [n.word for n in ranking.neighbours]
        assert [n.score for n in alone.neighbours] == pytest.approx([n.score for n in ranking.neighbours])


def test_what_has_no_answer_leaves_the_others_theirs(model):
    found = answer(
        model,
        [
            Question([Term("w1")], [Term("w1")]),
            Question([Term("w1"), Term("x")], exclude=["y"], among=["z", "w2", "x"]),
            Question([Term("w1")]),
            Question(),
        ],
    )
    assert isinstance(found[0], EmptyQuery)
    assert isinstance(found[1], UnknownWords)
    assert found[1].oov == ["x", "y", "z"]
    assert len(found[2].neighbours) == 10
    assert isinstance(found[3], EmptyQuery)


def test_a_raw_vector_counts_by_its_direction_and_leaves_no_word_out(model):
    vector = model.vectors(["w7"])[0].astype(float)
    for scale in (1e-300, 1.0, 1e300):
        [ranking] = answer(model, [Question([Term((vector * scale).tolist())], top=1)])
        assert ranking.neighbours[0].word == "w7"
        assert ranking.neighbours[0].score == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("value", [[1.0], [1.0] * (D + 1), [float("nan")] * D, [float("inf")] * D])
def test_vectors_that_do_not_fit_are_refused(model, value):
    with pytest.raises(InputError):
        answer(model, [Question([Term(value)])])


@pytest.mark.parametrize("method", ["3cosadd", "3cosmul"])
def test_words_without_a_direction_are_never_answered(method):
    model = make([[1, 0], [0, 0], [-1, 0], [0, 1]], ["a", "zero", "b", "c"])
    for question in [
        Question([Term("a")], method=method),
        Question([Term("a")], method=method, among=["zero", "b", "c"]),
    ]:
        [ranking] = answer(model, [question])
        assert [n.word for n in ranking.neighbours] == ["c", "b"]
    [nothing] = answer(model, [Question([Term("zero")], method=method)])
    assert isinstance(nothing, EmptyQuery)


def test_a_question_may_leave_nothing_to_answer(model):
    for question in [
        Question([Term("w1")], among=["w1"]),
        Question([Term("w1")], exclude=["w2"], among=["w2"]),
        Question([Term("w1")], among=["w30"], restrict_vocab=30),
        Question([Term("w0")], restrict_vocab=1),
        Question([Term("w0")], restrict_vocab=1, method="3cosmul"),
        Question([Term("w0")], min_score=1.5),
    ]:
        [ranking] = answer(model, [question])
        assert ranking.neighbours == []


def test_other_searches_can_answer(model):
    asked = []

    def search(queries, **options):
        asked.append((queries.shape, options))
        return model.nearest(queries, **options)

    answer(model, [Question([Term("w1")], top=2), Question([Term("w2")], top=5)], search=search)
    assert asked == [((2, D), {"top": 5, "exclude": [[1], [2]], "restrict_vocab": None})]
