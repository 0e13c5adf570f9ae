import asyncio
import threading

import numpy as np
import pytest
from language_serving.models import make_model

from app.asks import Advance
from app.batching import Batcher
from app.errors import ProblemError
from app.jobs import Job
from app.kept_states import KeptStates
from app.language_questions import ask_generate, ask_next, ask_score
from artifact.errors import EmptyQuery
from artifact.sampling import Sampling

TEXTS = ["the company said", "", "it would buy shares of the company", "said " * 200, "market\n", "zebra the"]


@pytest.fixture(scope="module")
def model():
    return make_model()


def next_question(model, text, *, kept=None, mixture=True):
    return ask_next(
        model, text, kept=KeptStates(max_bytes=0) if kept is None else kept, top=5, prefix="", mixture=mixture
    )


def run(batcher, *questions):
    """The answers to questions that arrive together; an exception stands for itself."""

    async def ask():
        return await asyncio.gather(*map(batcher.answer, questions), return_exceptions=True)

    with batcher:
        return asyncio.run(ask())


def listed(answer):
    return [(word, pytest.approx(probability, rel=1e-4)) for word, probability in answer.words]


def alone(model, text, *, mixture=True):
    state = model.advance(model.start(), model.encode(text)[0])
    return list(model.next_words(state, top=5, mixture=mixture)[0])


def test_questions_that_arrive_together_are_answered_as_each_alone(model):
    other = make_model(seed=9, cell="gru")
    asked = [
        (which, text, mixture) for which in (model, other) for text in TEXTS for mixture in (True, False)
    ]
    answers = run(Batcher(), *(next_question(which, text, mixture=mixture) for which, text, mixture in asked))
    for answer, (which, text, mixture) in zip(answers, asked, strict=True):
        assert listed(answer) == alone(which, text, mixture=mixture)
    assert answers[-1].unknown == ["zebra"]


def test_questions_that_arrive_together_share_their_steps(model):
    batcher = Batcher()
    run(batcher, *(next_question(model, f"the company said {text}") for text in TEXTS * 3))
    # The long text takes several rounds, the others one, whenever they joined.
    assert batcher.steps > 2 * batcher.rounds


def test_a_long_text_does_not_hold_up_a_short_one(model):
    finished = []

    async def ask(name, question):
        await batcher.answer(question)
        finished.append(name)

    async def race():
        await asyncio.gather(
            ask("long", next_question(model, "the market " * 2000)),
            ask("score", ask_score(model, "the market " * 2000, mixture=True)),
            ask("short", next_question(model, "the market")),
        )

    with (batcher := Batcher()):
        asyncio.run(race())
    assert finished[0] == "short"


def test_scores_and_generations_run_side_by_side(model):
    kept = KeptStates(max_bytes=1 << 20)
    questions = [
        ask_score(model, "the company said\n" * 60, mixture=True),
        *(
            ask_generate(
                model, "the", kept=kept, max_tokens=12, sampling=Sampling(), seed=seed, stop=(), mixture=True
            )
            for seed in (1, 2, 1)
        ),
    ]
    score, *texts = run(Batcher(words_a_round=8), *questions)
    assert score.perplexity == pytest.approx(model.score("the company said\n" * 60).perplexity, rel=1e-4)
    assert texts[0].text == texts[2].text != texts[1].text


def test_a_question_that_fails_fails_alone(model):
    def broken():
        yield Advance(model, model.start(), [1])
        raise EmptyQuery("nothing in it")

    answers = run(Batcher(), broken(), next_question(model, "the"), ask_score(model, "", mixture=True))
    assert isinstance(answers[0], EmptyQuery)
    assert listed(answers[1]) == alone(model, "the")
    assert isinstance(answers[2], EmptyQuery)


def test_a_batch_that_fails_fails_all_in_it_and_the_thread_lives(model):
    other = make_model(seed=9)

    def wild():
        yield Advance(model, model.start(), [10_000])

    with (batcher := Batcher()):

        async def ask():
            first = await asyncio.gather(
                batcher.answer(wild()), batcher.answer(next_question(other, "the")), return_exceptions=True
            )
            return first, await batcher.answer(next_question(model, "the"))

        first, second = asyncio.run(ask())
    assert isinstance(first[0], IndexError)
    assert listed(first[1]) == alone(other, "the")
    assert listed(second) == alone(model, "the")


class Met(Job):
    """A job whose owner waits until someone helps."""

    def __init__(self, pieces):
        super().__init__(pieces)
        self.helped = threading.Event()

    def help(self, *, is_wanted):
        self.helped.set()
        super().help(is_wanted=is_wanted)

    def finish(self):
        assert self.helped.wait(20), "nobody came"
        super().finish()


def test_threads_that_are_free_help_with_a_question(model, monkeypatch):
    monkeypatch.setattr("app.batching.Job", Met)
    text = "the company said it would buy shares of the market"
    batcher = Batcher(threads=2)
    [answer] = run(batcher, next_question(model, text))
    assert listed(answer) == alone(model, text)
    [score] = run(Batcher(threads=3), ask_score(model, text, mixture=True))
    assert score.perplexity == pytest.approx(model.score(text).perplexity, rel=1e-4)
    assert not batcher._jobs


def test_a_thread_by_itself_waits_for_no_help(model, monkeypatch):
    monkeypatch.setattr("app.batching.Job", Met)
    [answer] = run(Batcher(threads=1), next_question(model, "the company said it would buy"))
    assert listed(answer) == alone(model, "the company said it would buy")


def test_what_fails_with_a_helper_fails_the_question_and_the_threads_live(model, monkeypatch):
    monkeypatch.setattr("app.batching.Job", Met)
    other = make_model(seed=9)

    def fail(*_):
        raise ValueError("broken")

    monkeypatch.setattr(other.network._layers[-1], "run", fail)
    texts = ["the company said it would buy shares of the market"] * 2
    batcher = Batcher(threads=2)

    async def ask():
        first = await asyncio.gather(
            batcher.answer(ask_score(other, texts[0], mixture=True)), return_exceptions=True
        )
        return first, await batcher.answer(next_question(model, texts[1]))

    with batcher:
        [failed], answer = asyncio.run(ask())
    assert isinstance(failed, ValueError)
    assert listed(answer) == alone(model, texts[1])


def test_who_goes_away_is_not_computed_for(model):
    drawn = []

    async def leave():
        stream = batcher.stream(
            lambda show: ask_generate(
                model,
                "",
                kept=KeptStates(max_bytes=0),
                max_tokens=100_000,
                sampling=Sampling(),
                seed=1,
                stop=(),
                mixture=True,
                show=show,
            )
        )
        async for piece in stream:
            drawn.append(piece)
            if len(drawn) == 3:
                break
        await stream.aclose()
        await batcher.answer(next_question(model, "the"))
        steps = batcher.steps
        await batcher.answer(next_question(model, "the"))
        return batcher.steps - steps

    with (batcher := Batcher()):
        assert asyncio.run(asyncio.wait_for(leave(), timeout=30)) <= 2
    assert len(drawn) == 3


def test_too_many_waiting_are_turned_away(model):
    gate, begun = threading.Event(), threading.Event()

    def slow():
        begun.set()
        gate.wait(20)
        yield Advance(model, model.start(), [])

    async def crowd():
        first = asyncio.ensure_future(batcher.answer(slow()))
        await asyncio.to_thread(begun.wait, 20)
        rest = [asyncio.ensure_future(batcher.answer(next_question(model, "the"))) for _ in range(5)]
        # Each of them has run as far as its wait.
        await asyncio.sleep(0)
        gate.set()
        return await asyncio.gather(first, *rest, return_exceptions=True)

    with (batcher := Batcher(most_waiting=3)):
        answers = asyncio.run(crowd())
    refused = [answer for answer in answers if isinstance(answer, ProblemError)]
    assert len(refused) == 2
    assert (refused[0].status_code, refused[0].headers) == (503, {"retry-after": "1"})


def test_stopping_ends_what_is_under_way(model):
    async def ask():
        endless = ask_generate(
            model,
            "",
            kept=KeptStates(max_bytes=0),
            max_tokens=10**9,
            sampling=Sampling(),
            seed=1,
            stop=(),
            mixture=True,
        )
        with Batcher() as batcher:
            task = asyncio.ensure_future(batcher.answer(endless))
            await asyncio.sleep(0.05)
        return await asyncio.gather(task, return_exceptions=True)

    [answer] = asyncio.run(asyncio.wait_for(ask(), timeout=30))
    assert isinstance(answer, ProblemError)


def test_kept_states_go_on_where_a_text_left_off(model):
    kept = KeptStates(max_bytes=1 << 20)
    texts = ["the company", "the company said it", "the company said", "the company said it would", "it"]
    batcher = Batcher(kept=kept)
    with batcher:
        answers = [asyncio.run(batcher.answer(next_question(model, text, kept=kept))) for text in texts]
    for text, answer in zip(texts, answers, strict=True):
        assert listed(answer) == alone(model, text)
    ids = model.encode("the company said it would buy")[0]
    assert kept.find(model, ids)[1] == 5
    assert kept.find(model, ids[:3])[1] == 3
    assert kept.find(model, [4, 4, 4])[1] == 0


def test_kept_states_are_bounded_and_the_oldest_go(model):
    state = model.start()
    room = KeptStates(max_bytes=10 * (state.nbytes + 700))
    for word in range(40):
        room.keep(model, [word % 17, word], state)
        assert room.nbytes <= room.max_bytes
        room.find(model, [0, 0])
    assert 5 < len(room) < 20
    assert room.find(model, [0, 0]) is not None
    assert room.find(model, [1, 1]) is None
    room.keep(model, [5], state)
    before = room.nbytes
    room.keep(model, [5], state)
    assert room.nbytes == before
    KeptStates(max_bytes=10).keep(model, [1], state)


def test_models_and_versions_do_not_share_states(model):
    room = KeptStates(max_bytes=1 << 20)
    room.keep(model, [1], model.start())
    other = make_model()
    other.version = "another"
    assert room.find(other, [1]) is None
    assert room.find(model, [1])[1] == 1


def test_equal_hashes_are_told_apart(model):
    room = KeptStates(max_bytes=1 << 20)
    room.keep(model, [3], model.start())
    [(place, kept)] = room._kept.items()
    room._kept[(*place[:3], hash((0, 4)))] = kept
    assert room.find(model, [4]) is None
    np.testing.assert_array_equal(room.find(model, [3])[0].h, model.start().h)
