"""Known words that an unknown one may be a slip of: other cases, one edit away, then those that share most of its subwords.

Everything is looked up in the vocabulary's mapped index; nothing is kept between questions, and the work for one word is
bounded however large the vocabulary is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from artifact.vocabulary import Vocabulary

_LONGEST = 40
_MOST_LETTERS = 64
_MOST_ALIKE = 200
_MOST_MEASURED = 50
_GRAM = 3
_LEAST_PART = 4
_LEAST_SHARED = 0.25
_ENOUGH_SHARED = 0.45


def suggest(vocabulary: Vocabulary, word: str, *, top: int = 5) -> list[str]:
    """At most ``top`` tokens close to ``word``, the closest first; among equals the more frequent."""
    word = word[:_LONGEST]
    found: dict[str, None] = {}
    for variant in (word.lower(), word.capitalize(), word.title(), word.upper()):
        if variant in vocabulary:
            found[variant] = None
    lower = word.lower()
    near = {token_id for edit in _edit(vocabulary, lower) if (token_id := vocabulary.id(edit)) is not None}
    found.update(dict.fromkeys(vocabulary.tokens(sorted(near)[:top])))
    if len(found) <= top:
        found.update(dict.fromkeys(_list_alike(vocabulary, lower)))
    found.pop(word, None)
    return list(found)[:top]


def measure_distance(a: str, b: str) -> int:
    """Insertions, deletions, substitutions and swaps of neighbours that lead from ``a`` to ``b``.

    Optimal string alignment: Damerau 1964 as Oommen and Loke 1997 restrict it, no piece edited twice.
    """
    before: list[int] = []
    last = list(range(len(b) + 1))
    for row, letter in enumerate(a, 1):
        now = [row]
        for column, other in enumerate(b, 1):
            cost = min(last[column] + 1, now[-1] + 1, last[column - 1] + (letter != other))
            if row > 1 and column > 1 and letter == b[column - 2] and other == a[row - 2]:
                cost = min(cost, before[column - 2] + 1)
            now.append(cost)
        before, last = last, now
    return last[-1]


def _edit(vocabulary: Vocabulary, word: str) -> Iterator[str]:
    """All that is one edit away from ``word``, with letters of its own and of the most frequent words."""
    frequent = vocabulary.tokens(range(min(len(vocabulary), 200)))
    letters = "".join(dict.fromkeys(word + "".join(frequent).lower()))[:_MOST_LETTERS]
    for place in range(len(word) + 1):
        head, tail = word[:place], word[place:]
        for letter in letters:
            yield head + letter + tail
            if tail:
                yield head + letter + tail[1:]
        if tail:
            yield head + tail[1:]
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]


def _list_alike(vocabulary: Vocabulary, word: str) -> list[str]:
    """Tokens that share a beginning or a part with ``word`` and many of its subwords, by edits, then by subwords shared."""
    half = max(_GRAM, len(word) // 2)
    token_ids: set[int] = set()
    for beginning in {word[:half], word[:half].capitalize()}:
        if len(beginning) >= _GRAM:
            token_ids.update(vocabulary.first_with_prefix(beginning, _MOST_ALIKE).tolist())
    for part in {word[len(word) // 2 :], word[len(word) // 4 : len(word) // 4 + half]}:
        if len(part) >= _LEAST_PART:
            token_ids.update(vocabulary.first_containing(part, _MOST_ALIKE))
    grams = _cut(word)
    shared: list[tuple[float, int, str]] = []
    for token_id in token_ids:
        token = vocabulary.token(token_id)
        others = _cut(token.lower())
        share = 2 * len(grams & others) / (len(grams) + len(others))
        if share >= _LEAST_SHARED:
            shared.append((-share, token_id, token))
    ranked = []
    for share, token_id, token in sorted(shared)[:_MOST_MEASURED]:
        distance = measure_distance(word, token.lower()[:_LONGEST])
        if distance <= max(1, len(word) // 4) or -share >= _ENOUGH_SHARED:
            ranked.append((distance, share, token_id, token))
    return [token for *_, token in sorted(ranked)]


def _cut(word: str) -> set[str]:
    """The character 3-grams of ``<word>``."""
    marked = f"<{word}>"
    return {marked[start : start + _GRAM] for start in range(max(1, len(marked) - _GRAM + 1))}
