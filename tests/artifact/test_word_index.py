import sys
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from artifact.embedding import Embedding
from artifact.errors import Corrupt, InputError
from artifact.questions import Question, Term, answer
from artifact.search import Search, to_units
from artifact.tokenizer import Tokenizer
from artifact.vocabulary import Vocabulary
from artifact.word_index import IndexFigures, WordIndex
from trainer.word_index import build_index

pytestmark = pytest.mark.peers

V, D = 3_000, 12
STILL = 7
TOKENS = [f"w{number}" for number in range(V)]
FIGURES = IndexFigures(50, 0.9, 100)


def make_vectors(dtype=np.float32):
    random = np.random.default_rng(3)
    centres = random.normal(size=(40, D))
    vectors = centres[random.integers(40, size=V)] + 0.6 * random.normal(size=(V, D))
    vectors[STILL] = 0
    return vectors.astype(dtype)


def make_model(vectors, index=None, threads=1):
    return Embedding(
        vectors=vectors,
        norms=np.linalg.norm(vectors.astype(np.float64), axis=1).astype(np.float32),
        vocabulary=Vocabulary.from_tokens(TOKENS, np.arange(V, 0, -1, dtype=np.int64)),
        tokenizer=Tokenizer("words"),
        index=index,
        threads=threads,
    )


@pytest.fixture(scope="module")
def indexed():
    pytest.importorskip("faiss")
    vectors = make_vectors()
    norms = np.linalg.norm(vectors, axis=1)
    return build_index(vectors, norms, progress=lambda *_: None, least_words=1)


@pytest.fixture(scope="module", params=[(np.float32, 1), (np.float16, 3)])
def model(request, indexed):
    dtype, threads = request.param
    return make_model(make_vectors(dtype), indexed.index, threads)


def draw_questions(count, **options):
    words = np.random.default_rng(9).choice(TOKENS[STILL + 1 :], (count, 3)).tolist()
    return [Question([Term(a), Term(b)], [Term(c)], **options) for a, b, c in words]


def test_it_finds_nearly_all_and_scores_as_an_exact_search_does(model, indexed):
    questions = draw_questions(200)
    exact = answer(model, questions)
    found = answer(model, [Question(**fields(question) | {"exact": False}) for question in questions])
    hits = 0
    for one, other in zip(exact, found, strict=True):
        assert one.recall is None
        assert other.recall == indexed.index.figures.recall
        scores = {each.word: each.score for each in one.neighbours}
        shared = [each for each in other.neighbours if each.word in scores]
        hits += len(shared)
        assert [each.score for each in shared] == [scores[each.word] for each in shared]
        assert [each.word for each in shared] == [word for word in scores if word in {e.word for e in shared}]
        falling = [each.score for each in other.neighbours]
        assert falling == sorted(falling, reverse=True)
        assert len(falling) == 10
    assert hits >= 0.95 * 10 * len(questions)


def fields(question):
    return {name: getattr(question, name) for name in question.__dataclass_fields__}


def test_the_recall_that_is_stated_is_that_which_is_found(indexed):
    assert 0.95 <= indexed.index.figures.recall <= 1
    assert indexed.to_json()["index"]["recall_at_10"] == round(indexed.index.figures.recall, 5)
    assert IndexFigures.from_json(indexed.to_json()["index"]).candidates == indexed.index.figures.candidates


def test_with_all_words_as_candidates_it_is_an_exact_search(indexed):
    everything = WordIndex(indexed.index.levels, indexed.index.codes, IndexFigures(V, 1.0, 1))
    model = make_model(make_vectors(), everything)
    queries = np.random.default_rng(1).normal(size=(130, D)).astype(np.float32)
    exclude = [[row, 2 * row, 3 * row] for row in range(130)]
    exact = model.nearest(queries, top=30, exclude=exclude)
    found = model.index.nearest(queries, top=30, exclude=exclude)
    np.testing.assert_array_equal(found[0], exact[0])
    np.testing.assert_array_equal(found[1], exact[1])
    last = model.index.nearest(queries[:1], top=V, exclude=[[0]])[0][0]
    assert set(last.tolist()) == set(range(1, V)) - {STILL} | {-1}


def test_what_is_left_out_does_not_cost_results(model):
    question = Question([Term("w100")], exact=False)
    [plain] = answer(model, [question])
    nearest = [each.word for each in plain.neighbours]
    [narrowed] = answer(model, [Question([Term("w100")], exclude=nearest, exact=False)])
    assert narrowed.recall is not None
    assert len(narrowed.neighbours) == 10
    assert not {each.word for each in narrowed.neighbours} & {*nearest, "w100"}
    [least] = answer(model, [Question([Term("w100")], min_score=plain.neighbours[4].score, exact=False)])
    assert least.neighbours == plain.neighbours[:5]


@pytest.mark.parametrize(
    "options",
    [
        {"exact": True},
        {"method": "3cosmul"},
        {"among": TOKENS[8:40]},
        {"restrict_vocab": V - 1},
        {"top": V // 2},
        {"exclude": TOKENS[8:1_500]},
    ],
)
def test_some_questions_are_searched_exactly(model, options):
    asked = {"exact": False} | options
    exact = {**asked, "exact": True}
    question = Question([Term("w100")], [Term("w200")], **asked)
    [found] = answer(model, [question])
    assert found.recall is None
    assert [found] == answer(model, [Question([Term("w100")], [Term("w200")], **exact)])


def test_all_words_are_no_restriction(model):
    [found] = answer(model, [Question([Term("w100")], restrict_vocab=V, exact=False)])
    assert found.recall is not None


def test_questions_of_many_kinds_are_answered_together(model):
    mixed = [
        *draw_questions(70, exact=False),
        *draw_questions(5, exact=True),
        *draw_questions(3, top=60, exact=False),
    ]
    together = answer(model, mixed)
    alone = [answer(model, [question])[0] for question in mixed]
    assert together == alone


def test_more_results_look_at_more_candidates(indexed):
    count = indexed.index.count_candidates
    candidates = indexed.index.figures.candidates
    assert count(10, excluded=0) == count(25, excluded=16) == candidates + 16
    assert count(26, excluded=17) == 2 * candidates + 32
    assert count(1_000, excluded=0) == 64 * candidates + 16
    assert count(10, excluded=1_000) >= candidates + 1_000


def test_a_small_vocabulary_needs_none():
    vectors = make_vectors()
    with pytest.raises(InputError, match="20,000 words"):
        build_index(vectors, np.linalg.norm(vectors, axis=1), progress=lambda *_: None)


def test_without_a_direction_there_is_nothing_to_index():
    pytest.importorskip("faiss")
    still = np.zeros((30, 4), dtype=np.float32)
    with pytest.raises(InputError, match="direction"):
        build_index(still, still[:, 0], progress=lambda *_: None, least_words=1)


def test_what_four_bits_do_not_tell_apart_is_searched_exactly():
    pytest.importorskip("faiss")
    vectors = np.random.default_rng(0).normal(size=(20_000, 2)).astype(np.float32)
    with pytest.raises(InputError, match="% of the nearest words only"):
        build_index(vectors, np.linalg.norm(vectors, axis=1), progress=lambda *_: None)


def test_an_odd_number_of_dimensions():
    pytest.importorskip("faiss")
    vectors = np.random.default_rng(0).normal(size=(2_000, 5)).astype(np.float32)
    norms = np.linalg.norm(vectors, axis=1)
    index = build_index(vectors, norms, progress=lambda *_: None, least_words=1).index
    assert index.codes.shape == (2_000, 3)
    index.check(vectors)
    units = to_units(vectors[:50]).astype(np.float32)
    best, _ = Search(vectors, norms).nearest(units, top=5, exclude=(), limit=2_000)
    found = index.open().scan(units, 200)
    assert np.mean([np.isin(best[row], found[row]).mean() for row in range(50)]) > 0.95


def test_codes_are_those_of_the_vectors(indexed):
    indexed.index.check(make_vectors())
    with pytest.raises(Corrupt, match=r"index\.safetensors"):
        indexed.index.check(make_vectors()[::-1])
    shuffled = WordIndex(indexed.index.levels, indexed.index.codes ^ 1, FIGURES)
    with pytest.raises(Corrupt, match=r"index\.safetensors"):
        shuffled.check(make_vectors())


LEVELS = np.zeros((4, 16), dtype=np.float32)
CODES = np.zeros((5, 2), dtype=np.uint8)


@pytest.mark.parametrize(
    "tensors",
    [
        {"levels": LEVELS},
        {"levels": LEVELS, "codes": CODES, "more": CODES},
        {"levels": LEVELS.astype(np.float64), "codes": CODES},
        {"levels": LEVELS[:, :8], "codes": CODES},
        {"levels": LEVELS[:2], "codes": CODES},
        {"levels": LEVELS[:0], "codes": CODES[:, :0]},
        {"levels": LEVELS + np.nan, "codes": CODES},
        {"levels": LEVELS, "codes": CODES.astype(np.int32)},
        {"levels": LEVELS, "codes": CODES[0]},
    ],
)
def test_tensors_that_do_not_fit_are_refused(tensors):
    with pytest.raises(Corrupt, match="index"):
        WordIndex.from_tensors(tensors, FIGURES)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"candidates": 100, "queries": 5},
        {"candidates": 0, "recall_at_10": 0.9, "queries": 5},
        {"candidates": True, "recall_at_10": 0.9, "queries": 5},
        {"candidates": 100, "recall_at_10": 1.1, "queries": 5},
        {"candidates": 100, "recall_at_10": float("nan"), "queries": 5},
        {"candidates": 100, "recall_at_10": "1", "queries": 5},
    ],
)
def test_figures_that_say_nothing_are_refused(value):
    with pytest.raises(Corrupt, match="index"):
        IndexFigures.from_json(value)


def test_an_index_of_other_words_is_refused():
    with pytest.raises(Corrupt, match="do not fit"):
        make_model(make_vectors(), WordIndex(LEVELS, CODES, FIGURES))


@pytest.mark.parametrize("broken", ["missing", "strange"])
def test_without_its_library_all_answers_are_exact(monkeypatch, broken):
    strange = type(sys)("faiss")
    monkeypatch.setitem(sys.modules, "faiss", None if broken == "missing" else strange)
    levels, codes = np.zeros((D, 16), dtype=np.float32), np.zeros((V, D // 2), dtype=np.uint8)
    model = make_model(make_vectors(), WordIndex(levels, codes, FIGURES))
    assert model.index is None
    [warning] = model.warnings
    assert "exact" in warning
    assert "faiss" in warning
    [found] = answer(model, [Question([Term("w100")], exact=False)])
    assert (found.recall, len(found.neighbours)) == (None, 10)


def test_any_number_of_threads_may_ask(model):
    questions = draw_questions(60, exact=False)
    alone = [answer(model, [question])[0] for question in questions]
    with ThreadPoolExecutor(12) as pool:
        together = list(pool.map(lambda question: answer(model, [question])[0], questions))
    assert together == alone


def test_what_nobody_holds_is_let_go(indexed):
    model = make_model(make_vectors(), indexed.index)
    answer(model, draw_questions(1, exact=False))
    gone = weakref.ref(model.index)
    del model
    assert gone() is None
