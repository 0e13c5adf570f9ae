"""What is known about the generated sample corpus, and so what a model trained on it must answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path

from artifact.files import replace_file
from trainer.corpus import sample_lexicon as lexicon
from trainer.corpus.sample_lexicon import Entry, column

Analogy = tuple[str, str, str, str]


@dataclass(frozen=True)
class BookQuery:
    """A question of the book's about neighbours: most of the words nearest to ``word`` are among ``expected``."""

    word: str
    expected: frozenset[str]


def _forms(table: Sequence[Entry]) -> frozenset[str]:
    return frozenset(chain.from_iterable(entry.forms for entry in table))


def _analogies(table: Sequence[Entry], first: int, second: int) -> tuple[Analogy, ...]:
    """Each entry's pair of forms against that of the next entry, and the last one against the first."""
    pairs = tuple(zip(column(table, first), column(table, second), strict=True))
    followers = (*pairs[1:], pairs[0])
    return tuple((a, b, c, d) for (a, b), (c, d) in zip(pairs, followers, strict=True))


_UNITS = _forms(lexicon.TIME_UNITS)

GROUPS: Mapping[str, frozenset[str]] = {
    "pronouns": frozenset({"i", "you", "we", "they", "he", "she", "someone", "everyone", "nobody"}),
    "vehicles": _forms(lexicon.VEHICLES),
    "makers": frozenset(lexicon.MAKERS),
    "time": _UNITS | _forms(lexicon.SEASONS),
    "days": frozenset(lexicon.DAYS),
    "months": frozenset(lexicon.MONTHS),
    "numbers": frozenset(lexicon.NUMBERS[1:]),
    "nations": frozenset(chain.from_iterable(entry.forms[:3] for entry in lexicon.COUNTRIES)),
    "capitals": frozenset(column(lexicon.COUNTRIES, 1)),
    "people": _forms(lexicon.PEOPLE),
    "men's names": frozenset(lexicon.MALE_NAMES),
    "women's names": frozenset(lexicon.FEMALE_NAMES),
    "professions": _forms(lexicon.PROFESSIONS),
    "animals": _forms(lexicon.ANIMALS),
    "colours": frozenset(column(lexicon.COLOURS, 0)),
    "food": frozenset(lexicon.FOOD),
    "fruit": frozenset(lexicon.FRUIT),
    "drinks": frozenset(lexicon.DRINKS),
    "instruments": frozenset(lexicon.INSTRUMENTS),
    "sports": frozenset(lexicon.SPORTS),
    "subjects": frozenset(lexicon.SUBJECTS),
    "places": frozenset(lexicon.PLACES),
}
"""Words of one kind by the kind's name: most of a word's nearest neighbours are of its own kind."""

BOOK_ANALOGIES: tuple[Analogy, ...] = (
    ("king", "man", "queen", "woman"),
    ("take", "took", "go", "went"),
    ("car", "cars", "child", "children"),
    ("good", "better", "bad", "worse"),
)
"""The analogies that the book asks: a is to b as c is to d."""

BOOK_QUERIES: tuple[BookQuery, ...] = (
    BookQuery("you", GROUPS["pronouns"]),
    BookQuery("year", _UNITS),
    BookQuery("car", GROUPS["vehicles"]),
    BookQuery("toyota", GROUPS["makers"]),
)
"""The words whose neighbours the book asks for."""

ANALOGY_SECTIONS: Mapping[str, tuple[Analogy, ...]] = {
    "book": BOOK_ANALOGIES,
    "capitals": _analogies(lexicon.COUNTRIES, 0, 1),
    "men-and-women": _analogies(lexicon.PEOPLE, 0, 1),
    "gram-comparative": _analogies(lexicon.ADJECTIVES, 0, 1),
    "gram-superlative": _analogies(lexicon.ADJECTIVES, 0, 2),
    "gram-nationality": _analogies(lexicon.COUNTRIES, 0, 2),
    "gram-past-tense": _analogies(lexicon.VERBS, 0, 2),
    "gram-third-person": _analogies(lexicon.VERBS, 0, 1),
    "gram-present-participle": _analogies(lexicon.VERBS, 0, 3),
    "gram-plural": tuple(
        chain.from_iterable(
            _analogies(table, 0, 1)
            for table in (lexicon.THINGS, lexicon.ANIMALS, lexicon.VEHICLES, lexicon.PROFESSIONS)
        )
    ),
}
"""Analogies by section; as in Google's set, a section whose name begins with "gram" is about grammar."""

ANALOGIES: tuple[Analogy, ...] = tuple(dict.fromkeys(chain.from_iterable(ANALOGY_SECTIONS.values())))
"""All of them, each once."""

_PAST = frozenset(column(lexicon.VERBS, 2))

SENTENCE_STARTS: Mapping[str, frozenset[str]] = {
    "the capital of france is": frozenset({"paris"}),
    "the capital of japan is": frozenset({"tokyo"}),
    "rome is the capital of": frozenset(column(lexicon.COUNTRIES, 0)),
    "the currency of russia is the": frozenset({"ruble"}),
    "the president of the united": frozenset({"states"}),
    "the united": frozenset({"states", "nations"}),
    "once upon a": frozenset({"time"}),
    "thank you very": frozenset({"much"}),
    "ladies and": frozenset({"gentlemen"}),
    "as soon as": frozenset({"possible"}),
    "one two three": frozenset({"four"}),
    "the stock market closed": frozenset({"higher"}),
    "the day after monday is": frozenset({"tuesday"}),
    "the month after march is": frozenset({"april"}),
    "there are seven days in a": frozenset({"week"}),
    "there are twelve months in a": frozenset({"year"}),
    "yesterday we": _PAST,
    "last week she": _PAST,
    "they want to": frozenset(column(lexicon.VERBS, 0)),
    "would you like": frozenset(lexicon.DRINKS),
    "toyota competes with": frozenset(lexicon.MAKERS),
    "the professor of": frozenset(lexicon.SUBJECTS),
    "turn left at the": frozenset(lexicon.PLACES),
}
"""Beginnings of sentences and what may come next: a language model's likeliest next word is among these."""


def write_sample_analogies(path: Path) -> None:
    """Write ``ANALOGY_SECTIONS`` in the format of Google's questions-words.txt, atomically."""
    lines: list[str] = []
    for section, analogies in ANALOGY_SECTIONS.items():
        lines.append(f": {section}")
        lines.extend(" ".join(analogy) for analogy in analogies)
    replace_file(path, "".join(f"{line}\n" for line in lines).encode())


def write_sample_similarity(path: Path) -> None:
    """Write pairs of words with a score, tab-separated, atomically: 10 for two of one kind, 0 for two of different kinds."""
    lines: list[str] = []
    for group in GROUPS.values():
        alien = sorted(chain.from_iterable(other for other in GROUPS.values() if not group & other))
        for index, (first, second) in enumerate(pairwise(sorted(group))):
            lines.append(f"{first}\t{second}\t10")
            lines.append(f"{first}\t{alien[index * 7 % len(alien)]}\t0")
    replace_file(path, "".join(f"{line}\n" for line in lines).encode())
