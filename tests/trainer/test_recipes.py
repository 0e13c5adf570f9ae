import dataclasses
from dataclasses import replace

import pytest

from artifact.errors import InputError
from trainer.capabilities import WORD_VECTOR_ENGINES, Choice
from trainer.recipes import RECIPES, WordVectorSettings, recipe_options


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("model", "glove"),
        ("dim", 0),
        ("dim", 10**9),
        ("window", 0),
        ("negatives", 0),
        ("subsample", -1e-3),
        ("subsample", float("nan")),
        ("epochs", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("inf")),
        ("learning_rate", float("nan")),
        ("threads", 0),
        ("seed", -1),
        ("batch_size", 0),
        ("output_weight", float("nan")),
        ("shared_negatives", 0),
        ("context_gradient", -0.1),
        ("loss", "hinge"),
        ("engine", "warp"),
        ("optimizer", "lbfgs"),
        ("subwords", (6, 3)),
        ("subwords", (0, 3)),
    ],
)
def test_settings_that_make_no_sense_name_their_option(option, value):
    with pytest.raises(InputError, match=option.replace("_", ".")):
        WordVectorSettings(**{option: value})


def test_settings_survive_json():
    settings = WordVectorSettings(model="skipgram", subwords=(3, 6), learning_rate=0.05, threads=2)
    restored = WordVectorSettings.from_json(settings.to_json())
    assert restored == replace(settings, output_weight=settings.output_share)


def test_settings_of_another_release_are_refused():
    with pytest.raises(InputError, match="momentum"):
        WordVectorSettings.from_json({**WordVectorSettings().to_json(), "momentum": 0.9})


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_explains_itself_and_holds(name):
    recipe = RECIPES[name]
    assert recipe.__doc__
    for model in recipe.models:
        options = recipe_options(name, model=model)
        assert options
        known = {each.name for each in dataclasses.fields(WordVectorSettings)} | {"tokenizer", "min_count"}
        assert set(options) <= known
        assert "model" not in options


def test_a_recipe_gives_only_what_it_sets():
    assert "window" not in recipe_options("sample", model="cbow")
    assert recipe_options("book", model="cbow")["learning_rate"] == 0.001


def test_unknown_recipe_and_wrong_model():
    with pytest.raises(InputError, match="sample"):
        recipe_options("secret", model="cbow")
    with pytest.raises(InputError, match="not for skipgram"):
        recipe_options("book", model="skipgram")


@pytest.mark.parametrize(
    ("settings", "share"),
    [
        ({}, 1.0),
        ({"model": "skipgram"}, 0.0),
        ({"loss": "hierarchical-softmax"}, 0.0),
        ({"subwords": (3, 6)}, 0.0),
        ({"output_weight": 0.0}, 0.0),
        ({"model": "skipgram", "output_weight": 0.25}, 0.25),
    ],
)
def test_how_much_of_the_output_vectors_is_published(settings, share):
    assert WordVectorSettings(**settings).output_share == share


@pytest.mark.parametrize(
    ("options", "on_cpu", "on_gpu"),
    [
        ({}, 16, 16),
        ({"model": "skipgram"}, 16, 32),
        ({"model": "skipgram", "dim": 128}, 16, 32),
        ({"model": "skipgram", "dim": 129}, 16, 16),
        ({"model": "skipgram", "shared_negatives": 8}, 8, 8),
    ],
)
def test_how_many_negatives_are_shared_hangs_on_the_device(options, on_cpu, on_gpu):
    settings = WordVectorSettings(**options)
    assert (settings.count_shared(on_gpu=False), settings.count_shared(on_gpu=True)) == (on_cpu, on_gpu)
    for device, count in (("cpu", on_cpu), ("gpu", on_gpu)):
        for engine in WORD_VECTOR_ENGINES:
            if device in engine.devices:
                settled = Choice(engine, device).settle(settings)
                expected = count if engine.name == "fast" else settings.shared_negatives
                assert (settled.engine, settled.shared_negatives) == (engine.name, expected)
