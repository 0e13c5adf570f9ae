import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from artifact.errors import InputError
from trainer import options
from trainer.options import Option, Parser, add_options, resolve

DIM = Option("dim", "length", parse=options.positive_number, default=100)
MIN_COUNT = Option("min-count", "least", parse=options.positive_number, default=5)
RECIPE = Option("recipe", "recipe")
SWITCH = Option("json", "lines", switch=True)
WORDS = Option("negative", "words", many=True, default=())
TOKENIZER = Option("tokenizer", "how", choices=("words", "letters"), default="words")
ALL = (DIM, MIN_COUNT, RECIPE, SWITCH, WORDS, TOKENIZER)


def parse(*arguments):
    parser = Parser(prog="test")
    add_options(parser, ALL)
    return vars(parser.parse_args(arguments))


def recipes(name):
    return {"small": {"dim": 8, "min_count": 1}}[name]


def arguments_for(*flags, environment=None):
    return resolve(ALL, flags=parse(*flags), environment=environment or {}, recipe=recipes)


def test_default_when_nothing_else_is_said():
    arguments = arguments_for()
    assert arguments["dim"] == 100
    assert arguments.sources["dim"] == "default"
    assert not arguments.given("dim")


def test_recipe_wins_over_default():
    arguments = arguments_for("--recipe", "small")
    assert arguments["dim"] == 8
    assert arguments.given("dim")
    assert not arguments.said("dim")


def test_environment_wins_over_recipe():
    arguments = arguments_for("--recipe", "small", environment={"WORDKIN_DIM": "9"})
    assert arguments["dim"] == 9
    assert arguments["min_count"] == 1
    assert arguments.said("dim")


def test_flag_wins_over_environment():
    environment = {"WORDKIN_DIM": "9", "WORDKIN_MIN_COUNT": "7"}
    arguments = arguments_for("--recipe", "small", "--dim", "10", environment=environment)
    assert (arguments["dim"], arguments["min_count"]) == (10, 7)
    assert arguments.sources == {
        **dict.fromkeys(arguments.sources, "default"),
        "dim": "flag",
        "recipe": "flag",
        "min_count": "environment",
    }


def test_recipe_from_the_environment():
    assert arguments_for(environment={"WORDKIN_RECIPE": "small"})["dim"] == 8


def test_empty_environment_variable_says_nothing():
    assert arguments_for(environment={"WORDKIN_DIM": ""})["dim"] == 100


@pytest.mark.parametrize(
    ("variable", "value", "key", "expected"),
    [
        ("WORDKIN_JSON", "1", "json", True),
        ("WORDKIN_JSON", "no", "json", False),
        ("WORDKIN_NEGATIVE", "a b", "negative", ["a", "b"]),
        ("WORDKIN_TOKENIZER", "letters", "tokenizer", "letters"),
    ],
)
def test_environment_values_of_each_kind(variable, value, key, expected):
    assert arguments_for(environment={variable: value})[key] == expected


@pytest.mark.parametrize(
    ("variable", "value"),
    [("WORDKIN_DIM", "ten"), ("WORDKIN_DIM", "0"), ("WORDKIN_JSON", "maybe"), ("WORDKIN_TOKENIZER", "runes")],
)
def test_a_mistake_in_the_environment_names_the_variable(variable, value):
    with pytest.raises(InputError, match=variable):
        arguments_for(environment={variable: value})


def test_switches_can_be_turned_off():
    assert arguments_for("--no-json", environment={"WORDKIN_JSON": "1"})["json"] is False


@pytest.mark.parametrize(
    "flags",
    [("--dimension", "3"), ("--di", "3"), ("--dim", "x"), ("--dim",), ("--tokenizer", "runes"), ("stray",)],
)
def test_mistakes_in_flags_are_one_line(flags):
    with pytest.raises(InputError) as caught:
        parse(*flags)
    assert "\n" not in str(caught.value)
    assert "--help" in str(caught.value)


def test_needed_options_are_named_together():
    needed = (Option("name", "name", needed=True), Option("store", "store", needed=True))
    with pytest.raises(InputError, match="--name and --store must be given"):
        resolve(needed, flags={}, environment={})
    assert resolve(needed, flags={"name": "a"}, environment={"WORDKIN_STORE": "b"})["store"] == "b"


@given(st.text())
@example("0\x1f")
@example(" +7\n")
def test_whole_numbers_are_digits_or_refused(text):
    try:
        assert options.whole_number(text) == int(text.strip())
    except ValueError as error:
        assert "whole number" in str(error)


def test_numbers_of_thousands_of_digits_are_refused():
    with pytest.raises(ValueError, match="whole number"):
        options.whole_number("9" * 5000)


def test_length_range():
    assert options.length_range("3-6") == (3, 6)
    for wrong in ("3", "3-", "-6", "3:6", "a-b", "3-6-9"):
        with pytest.raises(ValueError):
            options.length_range(wrong)


def test_decimal_numbers():
    assert options.decimal_number("1e-3") == 1e-3
    assert math.isnan(options.decimal_number("nan"))
    with pytest.raises(ValueError, match="number"):
        options.decimal_number("fast")
