"""A corpus on disk: token ids in one flat file, where its lines start, and the words with their counts.

corpus.json      canonical JSON, written last: format_version, kind, tokenizer, min_count, report, and every file's bytes
vocabulary.txt   line i (split on LF alone) is the token with id i, UTF-8, NFC
counts.i64       [V] how often each token occurs, little-endian
ids.i32          [N] the text, a token id for each word, -1 for words below min_count
lines.i64        [L+1] where each line starts in ids.i32; the last element is N

Where phrases were joined, corpus.json says how, and phrases.txt and phrases.safetensors hold them (artifact.phrases).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from artifact.canonical import decode_json, encode_json
from artifact.errors import Corrupt, InputError, Unsupported
from artifact.phrases import INDEX_FILE, PHRASES_FILE, Joining, Phrases
from artifact.tokenizer import Tokenizer
from trainer.corpus.phrase_settings import PhraseSettings
from trainer.corpus.report import CorpusReport

FORMAT_VERSION = 1
DESCRIPTION_FILE = "corpus.json"
VOCABULARY_FILE = "vocabulary.txt"
COUNTS_FILE = "counts.i64"
IDS_FILE = "ids.i32"
LINES_FILE = "lines.i64"
DATA_FILES = (VOCABULARY_FILE, COUNTS_FILE, IDS_FILE, LINES_FILE)
PHRASE_FILES = (PHRASES_FILE, INDEX_FILE)


@dataclass(frozen=True, eq=False)
class Corpus:
    """A text as token ids. The arrays are read-only memory maps, so any number of processes may share them."""

    path: Path
    tokenizer: Tokenizer
    min_count: int
    token_ids: NDArray[np.int32]
    """[N] every word in order; -1 for one below min_count."""
    line_starts: NDArray[np.int64]
    """[L+1] line i is ``token_ids[line_starts[i]:line_starts[i + 1]]``; no line is empty."""
    tokens: Sequence[str]
    """[V] the token of each id, loaded when first used."""
    counts: NDArray[np.int64]
    """[V] falling; equal counts are in code-point order of their tokens."""
    report: CorpusReport
    phrases: Phrases | None = None
    """The phrases that are tokens; None where none were joined."""
    phrase_settings: PhraseSettings | None = None
    """How they were found; None where they were given."""


class StoredTokens(Sequence[str]):
    """The ``length`` tokens of a vocabulary file, read when the first one is asked for."""

    def __init__(self, path: Path, length: int) -> None:
        self._path = path
        self._length = length
        self._tokens: list[str] | None = None

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        return self._load()[index]

    def __iter__(self) -> Iterator[str]:
        return iter(self._load())

    def _load(self) -> list[str]:
        if self._tokens is None:
            try:
                tokens = self._path.read_bytes().decode("utf-8").split("\n")
            except (OSError, UnicodeDecodeError) as error:
                raise Corrupt(f"{self._path}: cannot be read as a list of words ({error})") from None
            if tokens.pop() or len(tokens) != self._length:
                raise Corrupt(f"{self._path}: must hold {self._length} words, each on a line")
            self._tokens = tokens
        return self._tokens


def is_corpus(path: Path) -> bool:
    """Whether a folder was written by ``build_corpus`` (it may still be damaged)."""
    return (Path(path) / DESCRIPTION_FILE).is_file()


def open_corpus(path: Path) -> Corpus:
    """The corpus in a folder, its arrays mapped.

    Raises ``InputError`` where there is none, ``Unsupported`` for a format of another release, and ``Corrupt``,
    naming the file, where one is missing, truncated or does not fit the others.
    """
    path = Path(path)
    description = _read_description(path)
    try:
        tokenizer = Tokenizer.from_json(description["tokenizer"])
        report = CorpusReport.from_json(description["report"])
        min_count, sizes = description["min_count"], description["files"]
        joining, phrase_settings = _read_joining(description.get("phrases"))
        data_files = DATA_FILES if joining is None else (*DATA_FILES, *PHRASE_FILES)
        if type(min_count) is not int or set(sizes) != set(data_files):
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise Corrupt(f"{path / DESCRIPTION_FILE}: not a description of a corpus") from None
    for name in data_files:
        _check_size(path / name, sizes[name])
    counts = _map(path / COUNTS_FILE, "<i8", report.kept_types)
    token_ids = _map(path / IDS_FILE, "<i4", report.words)
    line_starts = _map(path / LINES_FILE, "<i8", report.lines + 1)
    if line_starts[0] != 0 or line_starts[-1] != len(token_ids):
        raise Corrupt(f"{path / LINES_FILE}: its lines do not span {IDS_FILE}")
    if int(counts.sum()) != report.kept_words:
        raise Corrupt(f"{path / COUNTS_FILE}: does not add up to {report.kept_words} words")
    return Corpus(
        path=path,
        tokenizer=tokenizer,
        min_count=min_count,
        token_ids=token_ids,
        line_starts=line_starts,
        tokens=StoredTokens(path / VOCABULARY_FILE, len(counts)),
        counts=counts,
        report=report,
        phrases=None if joining is None else _map_phrases(path, joining),
        phrase_settings=phrase_settings,
    )


def describe(
    folder: Path,
    *,
    tokenizer: Tokenizer,
    min_count: int,
    phrases: PhraseSettings | Phrases | None,
    report: CorpusReport,
) -> bytes:
    """The bytes of corpus.json for the data files that lie in ``folder``."""
    names: tuple[str, ...] = DATA_FILES
    joined: dict[str, Any] = {}
    if phrases is not None:
        names += PHRASE_FILES
        found = phrases.to_json() if isinstance(phrases, PhraseSettings) else None
        joined = {"phrases": {"joining": phrases.joining.to_json(), "settings": found}}
    return encode_json(
        {
            "format_version": FORMAT_VERSION,
            "kind": "corpus",
            "tokenizer": tokenizer.to_json(),
            "min_count": min_count,
            "report": report.to_json(),
            "files": {name: (folder / name).stat().st_size for name in names},
            **joined,
        }
    )


def _read_joining(value: Any) -> tuple[Joining | None, PhraseSettings | None]:
    if value is None:
        return None, None
    settings = value["settings"]
    return Joining.from_json(value["joining"]), None if settings is None else PhraseSettings.from_json(
        settings
    )


def _map_phrases(path: Path, joining: Joining) -> Phrases:
    try:
        return Phrases.map(joining, path / PHRASES_FILE, path / INDEX_FILE)
    except Corrupt as error:
        raise Corrupt(f"{path}/{error}") from None


def _read_description(path: Path) -> dict[str, Any]:
    file = path / DESCRIPTION_FILE
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: not a corpus folder ({DESCRIPTION_FILE}: {error.strerror})") from None
    description = decode_json(data, where=str(file))
    if not isinstance(description, dict) or description.get("kind") != "corpus":
        raise Corrupt(f"{file}: not a description of a corpus")
    version = description.get("format_version")
    if type(version) is not int or version != FORMAT_VERSION:
        raise Unsupported(f"{file}: format version {version!r:.20} is not known to this release")
    return description


def _check_size(file: Path, size: object) -> None:
    try:
        found = file.stat().st_size
    except OSError as error:
        raise Corrupt(f"{file}: {error.strerror}") from None
    if found != size:
        raise Corrupt(
            f"{file}: has {found} bytes where corpus.json says {size!r:.20}; build the corpus again"
        )


def _map(file: Path, dtype: str, length: int) -> NDArray[Any]:
    if length < 1 or file.stat().st_size != length * np.dtype(dtype).itemsize:
        raise Corrupt(f"{file}: does not hold {length} numbers")
    return np.asarray(np.memmap(file, dtype=dtype, mode="r"))
