"""From a foreign file to a draft: words cleaned, repeated ones left out, vectors written as they come."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.draft import Draft
from artifact.embedding_writer import EmbeddingWriter, Precision
from artifact.errors import InputError
from artifact.formats.foreign import Foreign, Rows
from artifact.formats.remarks import Remarks
from artifact.formats.subword_rows import write_ngram_rows
from artifact.tokenizer import TOKENIZER_NAMES, Tokenizer, fits

Progress = Callable[[int, int | None], object]
_SHOWN_WORDS = 3000


@dataclass(frozen=True)
class Intake:
    """What became of a foreign file."""

    words: int
    first_tokens: Sequence[str]
    """Some thousands, to choose examples from."""
    has_counts: bool
    changed: dict[str, int]
    """How many words each tokenizer would spell otherwise, and so never find."""
    requires: dict[str, Any]
    """What the manifest must say of what was written."""

    def choose_tokenizer(self) -> Tokenizer:
        """``words`` where all but one word in a thousand can be found under it, else ``whitespace``, which finds all."""
        return Tokenizer("words" if 1000 * self.changed["words"] <= self.words else "whitespace")


def take_in(draft: Draft, foreign: Foreign, *, dtype: Precision, progress: Progress) -> Intake:
    """Write the words, vectors and subwords of ``foreign`` to ``draft``, in the file's order.

    Words are brought to NFC; the first of those that are then the same stays. Oddities are counted in
    ``foreign.remarks``. Raises InputError with the place of what cannot be used.
    """
    words = _Words(foreign.remarks)
    has_counts = False
    # A header may say any number; a number takes a byte or more, even packed a quarter of one.
    most = 4 * (foreign.progress()[1] or 0) // foreign.dim
    expected = min(foreign.words or 0, most)
    with EmbeddingWriter(draft, dim=foreign.dim, dtype=dtype, expected=expected) as writer:
        for rows in foreign.blocks:
            tokens, kept = words.clean(rows)
            _check_finite(rows)
            vectors = rows.vectors if len(kept) == len(rows.words) else rows.vectors[kept]
            counts = None if rows.counts is None else rows.counts[kept]
            has_counts |= counts is not None and bool(counts.any())
            writer.append(tokens, vectors, counts)
            progress(*foreign.progress())
        if not writer.words:
            raise InputError("no word could be read")
        words.forget()
        writer.finish()
    requires: dict[str, Any] = {}
    if foreign.subwords is not None:
        requires = write_ngram_rows(
            draft,
            foreign.subwords,
            dim=foreign.dim,
            dtype=dtype,
            progress=lambda: progress(*foreign.progress()),
        )
    return Intake(
        words=writer.words,
        first_tokens=words.first,
        has_counts=has_counts,
        changed=words.changed,
        requires=requires,
    )


class _Words:
    """Decodes words and tells which to keep."""

    def __init__(self, remarks: Remarks) -> None:
        self.first: list[str] = []
        self.changed = dict.fromkeys(TOKENIZER_NAMES, 0)
        self._tokenizers = [Tokenizer(name) for name in TOKENIZER_NAMES]
        self._remarks = remarks
        self._seen: set[str] = set()

    def clean(self, rows: Rows) -> tuple[list[str], NDArray[np.intp]]:
        """The tokens to keep and their places in ``rows``."""
        tokens: list[str] = []
        kept: list[int] = []
        seen = self._seen
        for row, word in enumerate(rows.words):
            token = self._decode(word, rows, row)
            if token is None:
                continue
            if token in seen:
                self._remarks.count("duplicate-word", f"{rows.where(row)}: {token[:40]!r}")
                continue
            seen.add(token)
            tokens.append(token)
            kept.append(row)
        for tokenizer in self._tokenizers:
            spelled = map(tokenizer.word, tokens)
            self.changed[tokenizer.name] += sum(a != b for a, b in zip(spelled, tokens, strict=True))
        if len(self.first) < _SHOWN_WORDS:
            self.first += tokens[: _SHOWN_WORDS - len(self.first)]
        return tokens, np.array(kept, dtype=np.intp)

    def forget(self) -> None:
        """Give back the memory that the words took."""
        self._seen = set()

    def _decode(self, word: bytes, rows: Rows, row: int) -> str | None:
        """``word`` in NFC, or None for one that no vocabulary can hold."""
        try:
            token = word.decode()
        except UnicodeDecodeError:
            token = word.decode(errors="replace")
            self._remarks.count("broken-utf-8", f"{rows.where(row)}: {token[:40]!r}")
        if not token.isascii():
            token = unicodedata.normalize("NFC", token)
        if not token:
            self._remarks.count("empty-word", rows.where(row))
            return None
        if token.split() != [token]:
            if "\n" in token:
                self._remarks.count("line-break", f"{rows.where(row)}: {token[:40]!r}")
                return None
            self._remarks.count("white-space", f"{rows.where(row)}: {token[:40]!r}")
        if not fits(token):
            self._remarks.count("long-word", f"{rows.where(row)}: {token[:40]!r}")
            return None
        return token


def _check_finite(rows: Rows) -> None:
    finite = np.isfinite(rows.vectors).all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite))
        word = rows.words[row].decode(errors="replace")[:40]
        raise InputError(f"{rows.where(row)}: the vector of {word!r} is not finite")
