"""Phrases of a corpus: found pass by pass, or known already; joined; and the corpus written anew with them as tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from artifact.errors import InputError
from artifact.phrases import INDEX_FILE, PHRASES_FILE, Phrases, spell, write_line
from artifact.tokenizer import fits
from trainer.corpus.folder import COUNTS_FILE, IDS_FILE, LINES_FILE, VOCABULARY_FILE
from trainer.corpus.pair_kernels import MOST_UNITS
from trainer.corpus.pairs import Pairs, Text, count_pairs, join_pairs, rewrite
from trainer.corpus.phrase_settings import PhraseSettings
from trainer.corpus.report import CorpusReport

Tell = Callable[[int], None]
"""Told of so many more words that were gone over."""


def join_phrases(
    folder: Path, *, phrases: PhraseSettings | Phrases, min_count: int, report: CorpusReport, tell: Tell
) -> CorpusReport:
    """Rewrite the corpus in ``folder`` with phrases as tokens, and write the phrases beside it; gives its new report.

    Phrases are found as the settings say, or they are those given. Words and phrases that occur fewer than
    ``min_count`` times when all is joined are left out. A text without any phrase stays as it is.
    """
    units = Units.of_corpus(folder, phrases.joining.connectors)
    text = Text(folder / IDS_FILE, folder / LINES_FILE)
    lines: dict[str, int] = {}
    for number in range(1, phrases.joining.passes + 1):
        if isinstance(phrases, Phrases):
            pairs = units.find(phrases.of_pass(number))
        else:
            pairs = _select_pairs(text, units, phrases, min_count, tell)
        joined = Text(folder / f"joined-{number}.i32", folder / f"joined-{number}.i64")
        found = _join_pass(text, joined, units, pairs, 0 if isinstance(phrases, Phrases) else min_count, tell)
        lines |= {write_line(number, parts): times for parts, times in found}
        text = joined
    if isinstance(phrases, PhraseSettings):
        phrases = Phrases.from_lines(
            phrases.joining, list(lines), np.fromiter(lines.values(), np.int64, len(lines))
        )
    phrases.write(folder / PHRASES_FILE, folder / INDEX_FILE)
    return _write_corpus(folder, text, units, min_count, report)


@dataclass
class Units:
    """What the text is made of: words, and what was joined; ids in the order in which they came up."""

    spellings: list[str]
    counts: NDArray[np.int64]
    connectors: Sequence[str] = ()
    ids: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ids = {spelling: unit for unit, spelling in enumerate(self.spellings)}

    @classmethod
    def of_corpus(cls, folder: Path, connectors: Sequence[str]) -> Units:
        tokens = (folder / VOCABULARY_FILE).read_bytes().decode("utf-8").split("\n")[:-1]
        return cls(tokens, np.fromfile(folder / COUNTS_FILE, "<i8"), connectors)

    def number_connectors(self) -> NDArray[np.uint8]:
        """[units] the number of each connector, from 1; 0 for all else."""
        numbers = np.zeros(len(self.spellings), np.uint8)
        for number, word in enumerate(self.connectors, 1):
            if word in self.ids:
                numbers[self.ids[word]] = number
        return numbers

    def parts(self, pairs: Pairs) -> list[tuple[str, ...]]:
        """The words of each pair, with the connectors between."""
        inner = [
            tuple(self.connectors[number - 1] for number in (between >> 4, between & 15) if number)
            for between in pairs.between.tolist()
        ]
        ends = zip(pairs.first.tolist(), inner, pairs.last.tolist(), strict=True)
        return [(self.spellings[first], *words, self.spellings[last]) for first, words, last in ends]

    def find(self, phrases: Sequence[tuple[str, ...]]) -> Pairs:
        """The pairs that are ``phrases``; those of which the text lacks a word are left out."""
        numbers = {word: number for number, word in enumerate(self.connectors, 1)}
        rows = []
        for first, *inner, last in phrases:
            if first in self.ids and last in self.ids and all(word in numbers for word in inner):
                between = 0
                for word in inner:
                    between = between << 4 | numbers[word]
                rows.append((self.ids[first], between, self.ids[last]))
        columns = np.array(rows, np.int64).reshape(-1, 3)
        return Pairs(first=columns[:, 0], between=columns[:, 1], last=columns[:, 2])

    def add(self, spellings: Sequence[str]) -> NDArray[np.int64]:
        """The ids of units that may be new."""
        for spelling in spellings:
            if self.ids.setdefault(spelling, len(self.spellings)) == len(self.spellings):
                self.spellings.append(spelling)
        if len(self.spellings) > MOST_UNITS:
            raise InputError(
                f"--phrases: more than {MOST_UNITS:,} different words and phrases; raise min-count"
            )
        return np.array([self.ids[spelling] for spelling in spellings], np.int64)


def _select_pairs(text: Text, units: Units, settings: PhraseSettings, min_count: int, tell: Tell) -> Pairs:
    """The pairs that score high enough, in the order of their ids."""
    words = text.words
    parts = [Pairs.none()]
    counted = count_pairs(
        text,
        connector=units.number_connectors(),
        counts=units.counts,
        limits=settings.limits(units.counts, words=words, min_count=min_count),
        min_count=min_count,
        tell=tell,
    )
    for pairs, times in counted:
        scores = settings.score(
            pair=times,
            first=units.counts[pairs.first],
            last=units.counts[pairs.last],
            words=words,
            min_count=min_count,
        )
        parts.append(pairs[scores > settings.least_score])
    selected = Pairs.concatenate(parts)
    short = [fits(spell(parts)) for parts in units.parts(selected)]
    return selected[np.array(short, np.bool_)].sorted()


def _join_pass(
    text: Text, joined: Text, units: Units, pairs: Pairs, min_count: int, tell: Tell
) -> list[tuple[tuple[str, ...], int]]:
    """Join ``pairs`` but those that, beside the others, are joined fewer than ``min_count`` times.

    Gives the words of those that are, with how often, the most frequent first.
    """
    ids = units.add([spell(parts) for parts in units.parts(pairs)])
    while True:
        counts, times = join_pairs(
            text,
            joined,
            connector=units.number_connectors(),
            pairs=pairs,
            ids=ids,
            units=len(units.spellings),
            tell=tell,
        )
        enough = times >= min_count
        if enough.all():
            break
        # Without these others come together more often, or less.
        pairs, ids = pairs[enough], ids[enough]
        tell = _say_nothing
    units.counts = counts
    return sorted(zip(units.parts(pairs), times.tolist(), strict=True), key=lambda each: (-each[1], each[0]))


def _write_corpus(
    folder: Path, text: Text, units: Units, min_count: int, report: CorpusReport
) -> CorpusReport:
    counts = units.counts.tolist()
    kept = [unit for unit, count in enumerate(counts) if count >= min_count]
    kept.sort(key=lambda unit: (-counts[unit], units.spellings[unit]))
    new_ids = np.full(len(counts), -1, np.int32)
    new_ids[kept] = np.arange(len(kept))
    rewrite(text, folder / IDS_FILE, new_ids)
    text.lines_path.replace(folder / LINES_FILE)
    (folder / VOCABULARY_FILE).write_bytes("".join(f"{units.spellings[unit]}\n" for unit in kept).encode())
    (folder / COUNTS_FILE).write_bytes(units.counts[kept].astype("<i8").tobytes())
    return replace(
        report,
        words=text.words,
        kept_words=int(units.counts[kept].sum()),
        types=report.types - report.kept_types + int(np.count_nonzero(units.counts)),
        kept_types=len(kept),
    )


def _say_nothing(_: int) -> None:
    return
