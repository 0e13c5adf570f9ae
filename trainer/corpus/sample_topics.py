"""What the generated sample corpus is about, and how often: each topic joins templates to the words they are filled with."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.corpus import sample_lexicon as lexicon
from trainer.corpus import sample_templates as templates
from trainer.corpus.sample_grammar import Record, Topic
from trainer.corpus.sample_lexicon import Entry, column


def _record(entry: Entry, names: str) -> dict[str, Sequence[str]]:
    forms = {name: (form,) for name, form in zip(names.split(), entry.forms, strict=True)}
    return {**forms, "phrase": entry.phrases}


def _records(table: Sequence[Entry], names: str) -> tuple[Record, ...]:
    return tuple(_record(entry, names) for entry in table)


def _in_turn(words: Sequence[str], name: str) -> tuple[Record, ...]:
    followers = (*words[1:], words[0])
    return tuple(
        {name: (word,), "next": (follower,)} for word, follower in zip(words, followers, strict=True)
    )


# Slots that any template may use.
SHARED: Record = {
    "number": lexicon.NUMBERS[1:],
    "day": lexicon.DAYS,
    "month": lexicon.MONTHS,
    "food": lexicon.FOOD,
    "fruit": lexicon.FRUIT,
    "drink": lexicon.DRINKS,
    "instrument": lexicon.INSTRUMENTS,
    "sport": lexicon.SPORTS,
    "subject": lexicon.SUBJECTS,
    "place": lexicon.PLACES,
    "colour": column(lexicon.COLOURS, 0),
    "another_colour": column(lexicon.COLOURS, 0),
    "vehicle": column(lexicon.VEHICLES, 0),
    "vehicles": column(lexicon.VEHICLES, 1),
    "maker": lexicon.MAKERS,
    "country": column(lexicon.COUNTRIES, 0),
    "capital": column(lexicon.COUNTRIES, 1),
    "of_country": column(lexicon.COUNTRIES, 2),
    "animal": column(lexicon.ANIMALS, 0),
    "animals": column(lexicon.ANIMALS, 1),
    "name": (*lexicon.MALE_NAMES, *lexicon.FEMALE_NAMES),
    "we": ("i", "you", "we", "they"),
    "we_are": ("i am", "you are", "we are", "they are"),
    "he": ("he", "she", "someone", "everyone", "nobody", "{name}"),
    "she": ("he", "she", "someone", "everyone", "{name}"),
    "anyone": ("{we}", "{we}", "{he}"),
    "often": ("often", "usually", "always", "sometimes", "never"),
    "every_day": ("every day", "every week", "every month", "every year", "nowadays", "on {day}"),
    "some_day": ("tomorrow", "next week", "next month", "next year", "soon", "on {day}"),
    "one_day": (
        "yesterday",
        "last week",
        "last year",
        "recently",
        "{number} days ago",
        "{number} weeks ago",
        "on {day}",
    ),
}

_MALE: Record = {
    "he": ("he",), "his": ("his",), "him": ("him",), "himself": ("himself",), "title": ("mr",),
    "name": lexicon.MALE_NAMES, "garment": ("tie", "suit", "cap"), "surname": lexicon.SURNAMES,
}  # fmt: skip
_FEMALE: Record = {
    "he": ("she",), "his": ("her",), "him": ("her",), "himself": ("herself",), "title": ("mrs",),
    "name": lexicon.FEMALE_NAMES, "garment": ("dress", "skirt", "bracelet"), "surname": lexicon.SURNAMES,
}  # fmt: skip


def _people() -> tuple[Record, ...]:
    records: list[Record] = []
    for entry in lexicon.PEOPLE:
        man, woman, men, women = entry.forms
        records.append({**_MALE, "one": (man,), "several": (men,), "phrase": entry.phrases})
        records.append({**_FEMALE, "one": (woman,), "several": (women,), "phrase": entry.phrases})
    return tuple(records)


def _countries(*, with_known: str) -> tuple[Record, ...]:
    records = _records(lexicon.COUNTRIES, "country capital of_country currency continent")
    return tuple(record for record in records if record[with_known] != ("-",))


def _with_subjects(table: Sequence[Entry], names: str) -> tuple[Record, ...]:
    """Entries whose first phrase is a list of what they are said of; the other phrases may follow."""
    return tuple(
        {**_record(entry, names), "thing": tuple(entry.phrases[0].split(";")), "phrase": entry.phrases[1:]}
        for entry in table
    )


TOPICS: tuple[Topic, ...] = (
    Topic(20, templates.PEOPLE, _people()),
    Topic(28, templates.VERBS, _records(lexicon.VERBS, "base third past ing")),
    Topic(6, templates.VEHICLES, _records(lexicon.VEHICLES, "one several")),
    Topic(4, templates.ONE_AND_SEVERAL, _records(lexicon.VEHICLES, "one several")),
    Topic(3, templates.MAKERS),
    Topic(7, templates.ONE_AND_SEVERAL, _records(lexicon.ANIMALS, "one several")),
    Topic(6, templates.ANIMALS, _records(lexicon.ANIMALS, "one several")),
    Topic(12, templates.ONE_AND_SEVERAL, _records(lexicon.THINGS, "one several")),
    Topic(7, templates.PROFESSIONS, _records(lexicon.PROFESSIONS, "one several")),
    Topic(14, templates.COUNTRIES, _countries(with_known="country")),
    Topic(1.5, templates.CURRENCIES, _countries(with_known="currency")),
    Topic(7, templates.TIME_UNITS, _records(lexicon.TIME_UNITS, "one several")),
    Topic(2, templates.SEASONS, _records(lexicon.SEASONS, "season")),
    Topic(2.5, templates.DAYS, _in_turn(lexicon.DAYS, "day")),
    Topic(2.5, templates.MONTHS, _in_turn(lexicon.MONTHS, "month")),
    Topic(12, templates.ADJECTIVES, _with_subjects(lexicon.ADJECTIVES, "plain compared highest")),
    Topic(2.5, templates.COLOURS, _with_subjects(lexicon.COLOURS, "colour")),
    Topic(1.5, templates.FOOD),
    Topic(1.5, templates.DRINKS),
    Topic(3, templates.PASTIMES),
    Topic(1.5, templates.PLACES),
    Topic(4, templates.PRONOUNS),
    Topic(3, templates.SAYINGS),
)
