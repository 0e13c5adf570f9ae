"""How the generated sample corpus is made: topics, templates and slots, and drawing a sentence from them.

A topic holds templates and records. To make a sentence, a topic, one of its records and one of its templates are drawn,
and every ``{slot}`` is filled from the record or, failing that, from the word lists shared by all topics.
What fills a slot may itself hold slots. The regularities that a model can learn are in here alone: words of one kind
fill the same slots, and the two words of a pair (king and queen, take and took, car and cars) differ by the same slots.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain

Record = Mapping[str, Sequence[str]]
"""What may fill a slot, by the slot's name."""
Draw = Callable[[], float]
"""Gives a number in [0, 1), as ``random.Random.random`` does."""

_SLOT = re.compile(r"\{(\w+)\}")
_A_BEFORE_VOWEL = re.compile(r"\ba (?=(?:[aeio](?!ne\b|uro)|hour|u(?!ni|se)))")


@dataclass(frozen=True)
class Topic:
    """Sentences about one thing; ``weight`` is its share of the text in arbitrary units.

    Records that stand first are drawn more often, as some words of any language are more common than others: the
    first one three times as often as one far down.
    """

    weight: float
    templates: tuple[str, ...]
    records: tuple[Record, ...] = ({},)


def _texts(record: Record) -> tuple[str, ...]:
    return tuple(chain.from_iterable(record.values()))


def _draw_index(ends: Sequence[float], draw: Draw) -> int:
    """An index drawn by weight; ``ends`` are the weights summed up."""
    return min(bisect(ends, draw() * ends[-1]), len(ends) - 1)


class Grammar:
    """Draws sentences from topics. Templates are cut into their pieces once, so that a sentence takes microseconds."""

    def __init__(self, topics: Sequence[Topic], shared: Record) -> None:
        self._topics = topics
        self._shared = shared
        self._topic_ends = list(accumulate(topic.weight for topic in topics))
        self._record_ends = {
            len(topic.records): list(accumulate(1 + 2 / rank for rank in range(1, len(topic.records) + 1)))
            for topic in topics
        }
        self._pieces: dict[str, list[str]] = {}

    def sentence(self, draw: Draw) -> str:
        """One sentence: lower case, no punctuation, no line end. ``draw`` gives the randomness."""
        topic = self._topics[_draw_index(self._topic_ends, draw)]
        record = topic.records[_draw_index(self._record_ends[len(topic.records)], draw)]
        template = topic.templates[int(draw() * len(topic.templates))]
        return _A_BEFORE_VOWEL.sub("an ", self._fill(template, record, draw))

    def vocabulary(self) -> frozenset[str]:
        """Every word that a sentence can hold."""
        records = chain([self._shared], *(topic.records for topic in self._topics))
        texts = chain(*(topic.templates for topic in self._topics), *map(_texts, records))
        return frozenset(word for text in texts for word in _SLOT.sub(" ", text).split()) - {"-"} | {"an"}

    def _fill(self, template: str, record: Record, draw: Draw) -> str:
        pieces = self._pieces.get(template)
        if pieces is None:
            pieces = self._pieces[template] = _SLOT.split(template)
        if len(pieces) == 1:
            return template
        filled = pieces.copy()
        for index in range(1, len(pieces), 2):  # odd pieces are the slots
            choices = record.get(pieces[index]) or self._shared[pieces[index]]
            chosen = int(draw() * len(choices))
            filled[index] = self._fill(choices[chosen], record, draw)
            if filled[index] in filled[1:index:2]:  # "tennis or tennis" is no choice
                filled[index] = self._fill(choices[(chosen + 1) % len(choices)], record, draw)
        return "".join(filled)
