"""A corpus as one stream of words with line ends, and the stream as lanes that are read side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from artifact.errors import InputError

END_OF_LINE = "<eos>"
UNKNOWN = "<unk>"
IGNORED = -1


class Lines(Protocol):
    """What is needed of a corpus."""

    @property
    def token_ids(self) -> NDArray[np.int32]: ...  # [N], -1 for words outside the vocabulary

    @property
    def line_starts(self) -> NDArray[np.int64]: ...  # [L + 1]

    @property
    def tokens(self) -> Sequence[str]: ...  # [V]

    @property
    def counts(self) -> NDArray[np.int64]: ...  # [V]


@dataclass(frozen=True, eq=False)
class Words:
    """The vocabulary of a language model: ids by falling count, ties in code-point order of the tokens."""

    tokens: list[str]
    counts: NDArray[np.int64]
    end_of_line: int
    """The id of ``<eos>``."""
    unknown: int | None
    """The id of ``<unk>``, None where no word of the training text stands for the unknown ones."""

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True, eq=False)
class Stream:
    """A text as ids, each line followed by ``<eos>``."""

    token_ids: NDArray[np.int32]
    left_out: int = 0
    """Unknown words that are not in the stream because the vocabulary has no ``<unk>``."""
    unknown: int = 0
    """Words that became ``<unk>``."""


def extend_vocabulary(corpus: Lines, *, first: int = 0, last: int | None = None) -> Words:
    """The words of lines ``first`` to ``last`` of ``corpus``, with ``<eos>``, and ``<unk>`` where words were dropped.

    A word of the corpus that is in none of these lines is left out. An ``<eos>`` or ``<unk>`` in the text itself
    counts as the same token. Raises InputError where fewer than two words are left.
    """
    ids, lines = _cut(corpus, first, last)
    found = np.bincount(ids[ids >= 0], minlength=len(corpus.tokens))
    dropped = int(np.count_nonzero(ids < 0))
    counts = {token: int(count) for token, count in zip(corpus.tokens, found, strict=True) if count}
    if len(counts) < 2:
        raise InputError(f"a vocabulary of {len(counts)} words cannot be trained: 2 are the least")
    counts[END_OF_LINE] = counts.get(END_OF_LINE, 0) + lines
    if dropped:
        counts[UNKNOWN] = counts.get(UNKNOWN, 0) + dropped
    tokens = sorted(counts, key=lambda token: (-counts[token], token))
    index = {token: token_id for token_id, token in enumerate(tokens)}
    return Words(
        tokens=tokens,
        counts=np.array([counts[token] for token in tokens], np.int64),
        end_of_line=index[END_OF_LINE],
        unknown=index.get(UNKNOWN),
    )


def read_stream(corpus: Lines, words: Words, *, first: int = 0, last: int | None = None) -> Stream:
    """Lines ``first`` to ``last`` of ``corpus`` in the ids of ``words``, which may come from another text.

    Words that ``words`` does not have become ``<unk>``, or are left out where it has none. Raises InputError where
    no word is left.
    """
    start, end = _span(corpus, first, last)
    index = {token: token_id for token_id, token in enumerate(words.tokens)}
    unknown = IGNORED if words.unknown is None else words.unknown
    table = np.array([*(index.get(token, unknown) for token in corpus.tokens), unknown], np.int32)
    ids = table[corpus.token_ids[start:end]]  # -1 takes the last entry
    strange = np.append([token not in index for token in corpus.tokens], True)[corpus.token_ids[start:end]]
    ends = np.asarray(corpus.line_starts[first : len(corpus.line_starts) if last is None else last + 1])[1:]
    token_ids = np.insert(ids, ends - start, words.end_of_line).astype(np.int32)
    kept = token_ids[token_ids != IGNORED]
    if len(kept) == len(ends):
        raise InputError("there is no word of the model's vocabulary in it")
    number = int(np.count_nonzero(strange))
    return Stream(
        token_ids=kept,
        left_out=number if words.unknown is None else 0,
        unknown=0 if words.unknown is None else number,
    )


def cut_lanes(
    token_ids: NDArray[np.int32], *, batch_size: int, first_input: int, shift: int = 0, pad: bool = False
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """``inputs`` and ``targets`` [L, B]: lane b begins b * L words into the stream, L = N // B (the book, 5.5.2).

    Each target follows its input in the text; ``first_input`` stands before the first word. ``shift`` begins that
    many words later and comes round. With ``pad`` no word is left over: L is rounded up, and what is missing at the
    end of the last lane is ``IGNORED`` as a target.
    """
    n = len(token_ids)
    length = -(-n // batch_size) if pad else n // batch_size
    if length < 1:
        raise InputError(f"a text of {n} words is too short for {batch_size} lanes: lower --batch-size")
    places = np.arange(length * batch_size).reshape(batch_size, length).T
    shifted = (places + shift) % n
    before = np.concatenate([[first_input], token_ids[:-1]]).astype(np.int32)
    targets = np.where(places < n, token_ids[shifted], IGNORED)
    return np.ascontiguousarray(before[shifted]), np.ascontiguousarray(targets.astype(np.int32))


def cut_blocks(
    length: int, *, time_steps: int, generator: np.random.Generator | None = None
) -> list[tuple[int, int]]:
    """Where blocks of ``time_steps`` begin and end in lanes of ``length``.

    A ``generator`` varies them: around ``time_steps``, now and then around half of it, deviation 5, at least 5
    (Merity et al. 2017, arXiv 1708.02182, section 4.1). A rest shorter than that joins the block before it.
    """
    blocks, start = [], 0
    while start < length:
        steps = time_steps
        if generator is not None:
            around = time_steps if generator.random() < 0.95 else time_steps / 2
            steps = max(5, int(generator.normal(around, 5)))
        end = min(start + steps, length)
        if generator is not None and length - end < 5:
            end = length
        blocks.append((start, end))
        start = end
    return blocks


def _span(corpus: Lines, first: int, last: int | None) -> tuple[int, int]:
    starts = corpus.line_starts
    return int(starts[first]), int(starts[len(starts) - 1 if last is None else last])


def _cut(corpus: Lines, first: int, last: int | None) -> tuple[NDArray[np.int32], int]:
    start, end = _span(corpus, first, last)
    lines = (len(corpus.line_starts) - 1 if last is None else last) - first
    return np.asarray(corpus.token_ids[start:end]), lines
