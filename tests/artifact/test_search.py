import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from artifact.embedding import compute_norms
from artifact.joining import Joiner
from artifact.search import Search


def answer_plainly(vectors, query, top, exclude):
    """Cosines in float64, rounded to float32; best first, ties in id order, vectors of zeros left out."""
    wide, query = vectors.astype(np.float64), query.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1) * np.linalg.norm(query)
    with np.errstate(invalid="ignore"):
        cosines = np.clip(wide @ query / lengths, -1, 1).astype(np.float32)
    order = np.lexsort((np.arange(len(wide)), -cosines))
    found = [row for row in order if row not in exclude and wide[row].any()][:top]
    return found, cosines[found]


@settings(max_examples=150)
@given(
    vectors=arrays.arrays(
        np.float32, st.tuples(st.integers(1, 40), st.integers(1, 4)), elements=st.integers(-2, 2)
    ),
    exclude=st.lists(st.integers(0, 39), max_size=4),
    top=st.integers(1, 50),
    limit=st.integers(1, 40),
)
def test_a_search_is_the_float64_answer_ties_and_all(vectors, exclude, top, limit):
    limit = min(limit, len(vectors))
    search = Search(vectors, compute_norms(vectors), threads=2)
    queries = vectors[np.flatnonzero(vectors.any(axis=1))]
    ids, cosines = search.nearest(
        queries,
        top=top,
        exclude=[[row for row in exclude if row < len(vectors)]] * len(queries),
        limit=limit,
    )
    for query, row_ids, row_cosines in zip(queries, ids, cosines, strict=True):
        expected, scores = answer_plainly(vectors[:limit], query, top, exclude)
        rest = top - len(expected)
        assert row_ids.tolist() == expected + [-1] * rest
        np.testing.assert_allclose(row_cosines, [*scores, *[0] * rest], atol=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("threads", [1, 3])
def test_many_rows_close_together(dtype, threads):
    """Differences below float32's rounding error of a product decide here."""
    random = np.random.default_rng(1)
    vectors = (1 + 1e-3 * random.normal(size=(40_000, 60))).astype(dtype)
    vectors[20_000:] = vectors[:20_000]
    search = Search(vectors, compute_norms(vectors), threads=threads)
    queries = vectors[:90].astype(np.float32)
    ids, _ = search.nearest(queries, top=20, exclude=[[row] for row in range(90)], limit=40_000)
    for row in range(0, 90, 9):
        assert ids[row].tolist() == answer_plainly(vectors, queries[row], 20, [row])[0]


def test_answers_do_not_depend_on_what_is_asked_together():
    random = np.random.default_rng(2)
    vectors = random.normal(size=(5_000, 30)).astype(np.float32)
    search = Search(vectors, compute_norms(vectors))
    queries = random.normal(size=(150, 30)).astype(np.float32)
    ids, cosines = search.nearest(queries, top=9, exclude=(), limit=5_000)
    for row in range(0, 150, 7):
        alone = search.nearest(queries[row : row + 1], top=9, exclude=(), limit=5_000)
        np.testing.assert_array_equal(alone[0][0], ids[row])
        np.testing.assert_array_equal(alone[1][0], cosines[row])


def test_questions_of_several_threads_are_told_apart():
    random = np.random.default_rng(3)
    vectors = random.normal(size=(3_000, 16)).astype(np.float32)
    search = Search(vectors, compute_norms(vectors), threads=2)
    failures = []

    def ask(seed):
        random = np.random.default_rng(seed)
        for _ in range(30):
            row, top, limit = (int(random.integers(*span)) for span in ((3_000,), (1, 40), (1, 3_001)))
            ids, _ = search.nearest(vectors[row : row + 1], top=top, exclude=[[row]], limit=limit)
            expected = answer_plainly(vectors[:limit], vectors[row], top, [row])[0]
            if ids[0][ids[0] >= 0].tolist() != expected:
                failures.append((row, top, limit))

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_no_queries_and_queries_without_a_direction():
    vectors = np.eye(3, dtype=np.float32)
    search = Search(vectors, compute_norms(vectors))
    assert search.nearest(np.empty((0, 3), np.float32), top=2, exclude=(), limit=3)[0].shape == (0, 2)
    ids, cosines = search.nearest(np.zeros((1, 3), np.float32), top=2, exclude=(), limit=3)
    assert ids.tolist() == [[0, 1]]
    assert cosines.tolist() == [[0, 0]]


class Held:
    """A computation that waits until it is let go, and remembers what came together."""

    def __init__(self):
        self.together = []
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self, questions):
        self.together.append(list(questions))
        self.begun.set()
        assert self.go.wait(20)
        if "bad" in questions:
            raise ValueError("bad")
        return [question.upper() for question in questions]


def ask_in_threads(joiner, questions):
    answers = {}

    def ask(question):
        try:
            answers[question] = joiner.ask(question)
        except ValueError as error:
            answers[question] = error

    threads = [threading.Thread(target=ask, args=(question,)) for question in questions]
    for thread in threads:
        thread.start()
    return threads, answers


def wait_until_waiting(joiner, count):
    while len(joiner._waiting) < count:
        pass


def test_what_arrives_meanwhile_is_computed_at_once():
    held = Held()
    joiner = Joiner(held, most=3)
    sizes = []
    joiner.observe = lambda questions: sizes.append(len(questions))
    first, answers = ask_in_threads(joiner, ["a"])
    assert held.begun.wait(20)
    rest, more = ask_in_threads(joiner, ["b", "c", "d", "e"])
    wait_until_waiting(joiner, 4)
    held.go.set()
    for thread in (*first, *rest):
        thread.join(20)
    assert [len(questions) for questions in held.together] == sizes == [1, 3, 1]
    assert answers | more == {question: question.upper() for question in "abcde"}
    assert joiner.ask("f") == "F"


def test_an_observer_that_fails_harms_nobody_who_asks(caplog):
    joiner = Joiner(lambda questions: [question.upper() for question in questions])
    joiner.observe = [].remove
    assert joiner.ask("a") == "A"
    assert joiner.ask("b") == "B"
    assert caplog.text.count("an observer of joined questions failed") == 2


def test_a_failure_reaches_all_who_asked_together_and_nobody_else():
    held = Held()
    joiner = Joiner(held)
    first, answers = ask_in_threads(joiner, ["a"])
    assert held.begun.wait(20)
    rest, more = ask_in_threads(joiner, ["bad", "b"])
    wait_until_waiting(joiner, 2)
    held.go.set()
    for thread in (*first, *rest):
        thread.join(20)
    assert answers == {"a": "A"}
    assert all(isinstance(answer, ValueError) for answer in more.values())
    assert joiner.ask("c") == "C"
