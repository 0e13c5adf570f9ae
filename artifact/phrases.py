"""Phrases: words that belong together and were trained as one token, ``new york`` as ``new_york``.

Several passes go over a text. Each joins, from left to right, two units that stand in its list of phrases and next to each
other, or with a connector or two between them ("statue of liberty"). A unit is a word, or what an earlier pass joined, so
two passes make phrases of up to four words (Mikolov et al. 2013, arXiv 1310.4546, section 4). A phrase is spelled with _
between its words; spelled like a token that the text has anyway, it is that token.

``phrases.txt`` holds a phrase a line, the number of its pass before it: ``2 new_york city``. It is mapped beside its index,
as the vocabulary is; no token holds a space.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.errors import Corrupt, InputError, Unsupported
from artifact.tokenizer import fits
from artifact.vocabulary import Vocabulary
from artifact.vocabulary_index import INDEX_TENSORS, encode_tokens, index_tokens
from artifact.weights import map_tensors, write_tensors

REQUIREMENT = "phrases"
VERSION = 1
MARK = "_"
MOST_PASSES = 8
MOST_CONNECTORS = 15
MOST_BETWEEN = 2
"""Connectors that may stand between the two units of a phrase."""
PHRASES_FILE = "phrases.txt"
INDEX_FILE = "phrases.safetensors"


@dataclass(frozen=True)
class Joining:
    """How often a text is gone over, and which words may stand inside a phrase without beginning or ending one."""

    passes: int = 2
    connectors: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.passes <= MOST_PASSES:
            raise InputError(f"passes over phrases must be 1 to {MOST_PASSES}, not {self.passes}")
        if len(self.connectors) > MOST_CONNECTORS or len(set(self.connectors)) < len(self.connectors):
            raise InputError(f"connectors must be at most {MOST_CONNECTORS} different words")
        if bad := [word for word in self.connectors if word.split() != [word]]:
            raise InputError(f"connectors must be words, not {bad[0][:40]!r}")

    def to_json(self) -> dict[str, Any]:
        """What a manifest's ``requires`` says of it."""
        return {"version": VERSION, "passes": self.passes, "connectors": list(self.connectors)}

    @classmethod
    def from_json(cls, value: object) -> Joining:
        """What ``to_json`` wrote. Raises Unsupported for another version and Corrupt for anything else."""
        if not isinstance(value, dict) or type(value.get("version")) is not int:
            raise Corrupt("the requirement phrases is malformed")
        if value["version"] != VERSION:
            raise Unsupported(
                f"requires phrases in version {str(value['version'])[:20]}, which this release does not understand"
            )
        passes, connectors = value.get("passes"), value.get("connectors")
        if set(value) != {"version", "passes", "connectors"} or type(passes) is not int:
            raise Corrupt("the requirement phrases is malformed")
        if not isinstance(connectors, list) or not all(isinstance(word, str) for word in connectors):
            raise Corrupt("the requirement phrases is malformed")
        try:
            return cls(passes, tuple(connectors))
        except InputError as error:
            raise Corrupt(f"the requirement phrases: {str(error)[:200]}") from None


class Phrases:
    """The phrases of each pass, and how often each was joined in training (``counts``, int64)."""

    def __init__(self, joining: Joining, lines: Vocabulary | None) -> None:
        self.joining = joining
        self._lines = lines
        self._connectors = frozenset(joining.connectors)

    @classmethod
    def from_lines(cls, joining: Joining, lines: Sequence[str], counts: NDArray[np.int64]) -> Phrases:
        """Phrases in memory, from what ``write_line`` wrote; InputError for one that stands there twice."""
        return cls(joining, Vocabulary.from_tokens(lines, counts) if lines else None)

    @classmethod
    def map(cls, joining: Joining, path: Path, index_path: Path) -> Phrases:
        """What ``write`` wrote, mapped. Raises Corrupt where the two files do not fit."""
        tensors = map_tensors(index_path)
        counts = tensors.get("counts")
        if counts is None or counts.dtype != np.int64 or counts.ndim != 1:
            raise Corrupt(f"{index_path.name}: counts are missing or not a row of int64")
        if not len(counts):
            if path.stat().st_size:
                raise Corrupt(f"{path.name}: is not empty, as {index_path.name} says")
            return cls(joining, None)
        try:
            return cls(joining, Vocabulary.map(path, tensors, counts))
        except Corrupt as error:
            raise Corrupt(f"{path.name}: {error}") from None

    def write(self, path: Path, index_path: Path) -> None:
        """Write both files."""
        data = encode_tokens(list(self))
        path.write_bytes(data)
        index: Mapping[str, NDArray[Any]] = (
            index_tokens(data)
            if data
            else {name: np.zeros(0, dtype) for name, dtype in INDEX_TENSORS.items()}
        )
        write_tensors(index_path, {**index, "counts": self.counts})

    @property
    def counts(self) -> NDArray[np.int64]:
        """[phrases] how often training joined each, in the order of the lines."""
        return np.zeros(0, np.int64) if self._lines is None else self._lines.counts

    def __len__(self) -> int:
        return 0 if self._lines is None else len(self._lines)

    def __iter__(self) -> Iterator[str]:
        """The lines of phrases.txt."""
        return iter(()) if self._lines is None else iter(self._lines)

    def of_pass(self, number: int) -> list[tuple[str, ...]]:
        """The phrases that pass ``number`` (from 1) joins: the two units, and the connectors between them."""
        lines = (line.split(" ") for line in self)
        return [tuple(units) for of, *units in lines if of == str(number)]

    def join(self, tokens: Iterable[str]) -> list[str]:
        """The tokens of a line with phrases joined, as in training."""
        joined = list(tokens)
        for number in range(1, self.joining.passes + 1):
            joined = self._join_once(joined, number)
        return joined

    def _join_once(self, tokens: Iterable[str], number: int) -> list[str]:
        lines = self._lines
        if lines is None:
            return list(tokens)
        joined: list[str] = []
        held: list[str] = []  # a unit that may begin a phrase, and the connectors after it
        for token in tokens:
            if token in self._connectors:
                if held and len(held) <= MOST_BETWEEN:
                    held.append(token)
                else:
                    joined += [*held, token]
                    held = []
            elif held and write_line(number, [*held, token]) in lines:
                joined.append(spell([*held, token]))
                held = []
            else:
                joined += held
                held = [token]
        return joined + held

    def check(self) -> None:
        """Corrupt unless every line is a phrase of a pass that there is, and the index belongs to the lines."""
        if self._lines is None:
            return
        self._lines.check()
        if (self._lines.counts < 1).any():
            raise Corrupt(f"{PHRASES_FILE}: a phrase that was never joined")
        passes = {str(number) for number in range(1, self.joining.passes + 1)}
        for place, line in enumerate(self):
            of, *units = line.split(" ")
            inner = [unit in self._connectors for unit in units]
            good = of in passes and 2 <= len(units) <= 2 + MOST_BETWEEN and fits(spell(units))
            if not (
                good and line.split() == [of, *units] and inner == [False, *[True] * (len(units) - 2), False]
            ):
                raise Corrupt(f"{PHRASES_FILE}: line {place + 1} ({line[:40]!r}) is not a phrase")


def write_line(number: int, units: Sequence[str]) -> str:
    """The line of phrases.txt for what pass ``number`` joins."""
    return f"{number} {' '.join(units)}"


def spell(units: Sequence[str]) -> str:
    """The token that ``units`` become."""
    return MARK.join(units)
