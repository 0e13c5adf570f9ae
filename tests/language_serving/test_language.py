import dataclasses

import numpy as np
import pytest
from language_serving.models import MIXTURE, make_model

from artifact.errors import Corrupt, EmptyQuery, InputError
from artifact.language import compute_perplexity
from artifact.mixture import Mixture

TEXT = "The company said it would buy shares of the company.\nThe stock market\n"


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def plain():
    return make_model(mixture=None)


def test_lines_end_with_eos_and_the_last_may_stay_open(model):
    eos, the, market = model.eos_id, model.vocabulary.id("the"), model.vocabulary.id("market")
    assert model.encode("The market") == ([the, market], [])
    assert model.encode("the market\n") == ([the, market, eos], [])
    assert model.encode("\n\nthe\r\n \n\nmarket") == ([the, eos, market], [])
    assert model.encode("") == model.encode(" \n ") == ([], [])


def test_unknown_words_are_read_as_unk_and_listed(model):
    ids, unknown = model.encode("the zebra, the gnu: the zebra")
    assert unknown == ["zebra", "gnu"]
    assert ids.count(model.unk_id) == 3
    literal = make_model(tokenizer="whitespace")
    assert literal.encode("the <unk>") == ([literal.vocabulary.id("the"), literal.unk_id], [])


def test_without_unk_unknown_words_are_left_out_and_listed():
    model = make_model(unknown=False)
    assert model.unk_id is None
    assert model.encode("the zebra said") == (model.encode("the said")[0], ["zebra"])
    score = model.score("the zebra said")
    assert [token.log_probability is None for token in score.tokens] == [False, True, False]
    assert score.perplexity == pytest.approx(model.score("the said").perplexity)
    with pytest.raises(EmptyQuery):
        model.score("zebra")


def test_words_that_are_all_unknown_still_have_a_score(model):
    score = model.score("zebra gnu")
    assert score.unknown == ["zebra", "gnu"]
    assert [token.token for token in score.tokens] == ["zebra", "gnu"]
    assert np.isfinite(score.perplexity)


@pytest.mark.parametrize("mixture", [True, False])
def test_distributions_sum_to_one(model, mixture):
    state = model.start()
    for word in [None, *model.encode(TEXT)[0]]:
        state = state if word is None else model.advance(state, [word])
        assert model.predict([state], mixture=mixture).sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("mixture", [True, False])
def test_reading_a_text_is_asking_word_by_word(model, mixture, monkeypatch):
    monkeypatch.setattr("artifact.language._WORDS_AT_ONCE", 5)
    ids = model.encode(TEXT * 3)[0]
    reading = model.read(model.start(), ids)
    state = model.start()
    expected = []
    for word in ids:
        expected.append(model.predict([state], mixture=mixture)[0][word])
        state = model.advance(state, [word])
    np.testing.assert_allclose(reading.mixture if mixture else reading.parts[0], expected, rtol=1e-4)
    np.testing.assert_allclose(reading.state.h, state.h, atol=1e-5)
    np.testing.assert_array_equal(reading.state.recent, state.recent)
    assert reading.state.context == state.context
    # The parts that are served are those that the mixture is made of.
    weights = MIXTURE.weigh(np.minimum(np.arange(len(ids)), MIXTURE.span))
    np.testing.assert_allclose((weights * reading.parts).sum(axis=0), reading.mixture)
    assert (reading.parts[2:, -1] > 0).all()


def test_states_go_on_from_each_other(model):
    ids = model.encode(TEXT)[0]
    for cut in range(len(ids) + 1):
        state = model.advance(model.advance(model.start(), ids[:cut]), ids[cut:])
        whole = model.advance(model.start(), ids)
        np.testing.assert_allclose(state.h, whole.h, atol=1e-6)
        np.testing.assert_array_equal(state.recent, whole.recent)
        np.testing.assert_allclose(state.trail, whole.trail, atol=1e-6)
        assert state.context == whole.context
    assert len(whole.recent) == len(whole.trail) == MIXTURE.span
    assert len(whole.context) == 4
    assert whole.nbytes > whole.trail.nbytes


def test_states_that_step_together_are_as_each_alone(model):
    texts = [model.encode(text)[0] for text in (TEXT, "the", "", "said it would")]
    together = model.advance_all([model.start()] * 4, texts)
    rows = model.predict(together)
    for state, row, text in zip(together, rows, texts, strict=True):
        alone = model.advance(model.start(), text)
        np.testing.assert_allclose(state.trail, alone.trail, atol=1e-6)
        np.testing.assert_allclose(row, model.predict([alone])[0], atol=1e-6)


def test_without_a_mixture_the_network_answers_alone(model, plain):
    ids = model.encode(TEXT)[0]
    alone = plain.predict([plain.advance(plain.start(), ids)])
    mixed_off = model.predict([model.advance(model.start(), ids)], mixture=False)
    np.testing.assert_allclose(alone, mixed_off, atol=1e-6)
    assert np.abs(alone - model.predict([model.advance(model.start(), ids)])).max() > 0.01
    assert len(plain.advance(plain.start(), ids).recent) == 0


def test_the_beginning_of_a_text_is_the_beginning_of_a_line(model):
    after_a_line = model.advance(model.start(), model.encode("the market\n")[0])
    assert model.start().context == after_a_line.context[-1:] == (model.eos_id,)
    np.testing.assert_array_equal(
        model.ngrams.predict(model.start().context), model.ngrams.predict(after_a_line.context)
    )


def test_next_words_are_the_likeliest_with_their_probabilities(model):
    state = model.advance(model.start(), model.encode("the company said")[0])
    probabilities = model.predict([state])[0]
    words, remaining = model.next_words(state, top=4)
    assert [word for word, _ in words] == sorted(
        (word for word in model.vocabulary if word not in {"<eos>", "<unk>"}),
        key=lambda word: -probabilities[model.vocabulary.id(word)],
    )[:4]
    for word, probability in words:
        assert probability == pytest.approx(probabilities[model.vocabulary.id(word)])
    assert remaining == pytest.approx(1 - sum(probability for _, probability in words))
    everything, rest = model.next_words(state, top=1000)
    assert len(everything) == len(model.vocabulary) - 2
    assert rest == pytest.approx(probabilities[model.eos_id] + probabilities[model.unk_id], abs=1e-5)


def test_a_word_begun_is_completed(model):
    state = model.advance(model.start(), model.encode("the company")[0])
    everything = dict(model.next_words(state, top=1000)[0])
    words, remaining = model.next_words(state, top=10, prefix="SA")
    assert {word for word, _ in words} == {"said", "saying"}
    assert dict(words) == pytest.approx({word: everything[word] for word in ("said", "saying")})
    assert remaining == pytest.approx(1 - sum(probability for _, probability in words))
    assert [word for word, _ in model.next_words(state, top=10, prefix="서")[0]] == ["서울"]
    assert model.next_words(state, top=10, prefix="zz") == ([], 1.0)
    assert model.next_words(state, top=10, prefix="<")[0] == []


def test_ties_fall_in_id_order(model):
    flat = np.full(len(model.vocabulary), 0.01, np.float32)
    words, _ = model.list_words(flat, top=3)
    assert [word for word, _ in words] == ["the", "company", "said"]
    with pytest.raises(InputError, match="top"):
        model.list_words(flat, top=0)


def test_a_score_has_every_word_and_the_perplexity(model):
    score = model.score(TEXT)
    assert [token.token for token in score.tokens].count("<eos>") == 2
    logs = [token.log_probability for token in score.tokens]
    assert score.perplexity == pytest.approx(np.exp(-np.mean(logs)))
    assert score.perplexity != model.score(TEXT, mixture=False).perplexity
    with pytest.raises(EmptyQuery):
        model.score(" \n")
    assert compute_perplexity(np.array([0.25, 0.0625])) == pytest.approx(8)


def test_parts_that_do_not_fit_are_refused(model, plain):
    whole = {"network": model.network, "vocabulary": model.vocabulary, "tokenizer": model.tokenizer}
    other = make_model(unknown=False)

    def refused(message, **change):
        with pytest.raises(Corrupt, match=message):
            type(model)(**{**whole, **change})

    refused("network over 16", network=other.network)
    refused("n-grams over 16", ngrams=other.ngrams)
    refused("has n-grams", mixture=Mixture(network=0.5, ngrams=0.5))
    tokens = [f"word{number}" for number in range(17)]
    refused("lacks <eos>", vocabulary=type(model.vocabulary).from_tokens(tokens, np.ones(17, np.int64)))
    model.check()


@pytest.mark.parametrize("part", ["cache", "pointer"])
def test_one_cache_alone_serves(part):
    mixture = dataclasses.replace(MIXTURE, **{"network": 0.7, "cache": 0.0, "pointer": 0.0, part: 0.1})
    model = make_model(mixture=mixture)
    state = model.advance(model.start(), model.encode(TEXT)[0])
    assert len(state.trail) == (7 if part == "pointer" else 0)
    assert model.predict([state]).sum() == pytest.approx(1, abs=1e-5)
