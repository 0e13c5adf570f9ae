"""The error tree. Every message is one clear line that says what is wrong and where.

WordkinError
├── InputError            a mistake in what the user gave: an option, a file, a text
├── StoreError            the store cannot do what was asked
│   ├── NameRefused       a name or version that does not match the allowed form
│   ├── NotFound          no such model, version or store
│   ├── StoreUnwritable   the store cannot be written (permissions, a full disk)
│   └── StoreUnreachable  the store cannot be read now (no network, no permission, a folder that went away)
├── ArtifactError         a published version that must not be used
│   ├── Corrupt           bytes that differ from what the manifest says
│   └── Unsupported       a format version or requirement that this release does not know
└── QueryError            a question that has no answer
    ├── UnknownWords      words that the vocabulary does not have
    │   └── UnknownText   a text of such words only
    ├── EmptyQuery        nothing to look for, or vectors that cancel out
    └── WrongKind         a question that this kind of model does not answer
"""

from __future__ import annotations

from collections.abc import Sequence


class WordkinError(Exception):
    """Any error whose message is meant for the user."""


class InputError(WordkinError):
    """A mistake in what the user gave: an option, a file, a text."""


class StoreError(WordkinError):
    """The store cannot do what was asked."""


class NameRefused(StoreError):
    """A name or version that does not match the allowed form."""


class NotFound(StoreError):
    """No such model, version or store."""


class StoreUnwritable(StoreError):
    """The store cannot be written."""


class StoreUnreachable(StoreError):
    """The store cannot be read now."""


class ArtifactError(WordkinError):
    """A published version that must not be used."""


class Corrupt(ArtifactError):
    """Bytes that differ from what the manifest says."""


class Unsupported(ArtifactError):
    """A format version or requirement that this release does not know."""


class QueryError(WordkinError):
    """A question that has no answer."""


class UnknownWords(QueryError):
    """Words that the vocabulary does not have; ``oov`` lists them as asked, ``suggestions`` known words close to them."""

    def __init__(self, oov: Sequence[str], suggestions: Sequence[str] = (), *, where: str = "") -> None:
        self.oov = list(oov)
        self.suggestions = list(suggestions)
        shown = ", ".join(repr(word[:40]) for word in self.oov[:5])  # repr: one line, whatever the word holds
        super().__init__(f"{where}not in the vocabulary: {shown}" + (" …" if len(self.oov) > 5 else ""))


class UnknownText(UnknownWords):
    """A text of which the vocabulary has no word; ``place`` is its place among the texts asked for, from 0."""

    def __init__(self, place: int, oov: Sequence[str], suggestions: Sequence[str] = ()) -> None:
        super().__init__(oov, suggestions, where=f"text {place} has no known word; ")
        self.place = place


class EmptyQuery(QueryError):
    """Nothing to look for, or vectors that cancel out."""


class WrongKind(QueryError):
    """A question that this kind of model does not answer."""
