import numpy as np
import pytest
from language_serving.models import make_model

from artifact.errors import InputError
from artifact.generation import Generation, generate
from artifact.sampling import Sampling


@pytest.fixture(scope="module")
def model():
    return make_model()


def spell(model, words, **options):
    """A generation that is led to draw ``words``; what it showed at each step."""
    options = {"max_tokens": 50, "sampling": Sampling(temperature=0), "seed": 0, **options}
    generation = Generation(model, **options)
    shown = []
    for word in words:
        wanted = np.zeros(len(model.vocabulary), np.float32)
        wanted[model.eos_id if word == "\n" else model.vocabulary.id(word)] = 1
        generation.take(wanted)
        shown.append(generation.show())
        if generation.finish_reason:
            break
    return generation, shown


def test_words_are_joined_by_spaces_and_lines_by_breaks(model):
    generation, shown = spell(model, ["the", "market", "\n", "\n", "it", "said"])
    assert generation.text == "the market\n\nit said" == "".join(shown)
    assert shown == ["the", " market", "\n", "\n", "it", " said"]


def test_ends_at_a_stop_which_is_not_shown(model):
    generation, shown = spell(model, ["the", "market", "said", "it"], stop=["Said"])
    assert generation.finish_reason == "stop"
    assert generation.text == "the market" == "".join(shown)
    generation, shown = spell(model, ["the", "market", "\n", "it"], stop=["\n"])
    assert (generation.text, generation.finish_reason) == ("the market", "stop")
    assert len(generation.token_ids) == 3


def test_what_may_become_a_stop_is_held_back(model):
    stop = ["said it would"]
    generation, shown = spell(model, ["the", "said", "it", "would"], stop=stop)
    assert shown == ["the", "", "", ""]
    assert generation.text == "the"
    generation, shown = spell(model, ["the", "said", "it", "said", "it", "buy"], stop=stop)
    assert shown == ["the", "", "", " said it", "", " said it buy"]
    generation, shown = spell(model, ["the", "said", "it"], stop=stop, max_tokens=3)
    assert "".join(shown) == generation.text == "the said it"
    assert generation.finish_reason == "length"


def test_ends_at_its_length_and_never_draws_unk(model):
    flat = np.full(len(model.vocabulary), 1e-3, np.float32)
    flat[model.unk_id] = 0.9
    generation = Generation(model, max_tokens=40, sampling=Sampling(), seed=1)
    while generation.finish_reason is None:
        generation.take(flat)
    assert len(generation.token_ids) == 40
    assert model.unk_id not in generation.token_ids
    assert flat[model.unk_id] == np.float32(0.9)


def test_the_same_seed_gives_the_same_text(model):
    texts = [generate(model, "the company", seed=seed, max_tokens=12).text for seed in (7, 7, 8)]
    assert texts[0] == texts[1] != texts[2]
    greedy = [generate(model, "the", seed=seed, sampling=Sampling(temperature=0)).text for seed in (1, 2)]
    assert greedy[0] == greedy[1]


def test_the_likeliest_word_comes_first_when_greedy(model):
    state = model.advance(model.start(), model.encode("the company said")[0])
    probabilities = model.predict([state], mixture=False)[0].copy()
    probabilities[model.unk_id] = 0
    generation = generate(
        model, "the company said", max_tokens=1, sampling=Sampling(temperature=0), mixture=False
    )
    assert generation.token_ids == [int(probabilities.argmax())]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"max_tokens": 0}, "max_tokens"), ({"stop": ["..."]}, "stop"), ({"stop": [""]}, "stop")],
)
def test_mistakes_are_named(model, options, message):
    with pytest.raises(InputError, match=message):
        generate(model, "the", **options)
