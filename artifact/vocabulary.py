"""Token <-> id over a mapped file: no dict of millions of strings in each process.

``vocabulary.txt`` holds a token a line, in id order. Its index, four arrays, is mapped beside it: ``offsets`` (where each
line starts), ``buckets`` and ``bucket_ids`` (token -> id by crc32, as compressed rows) and ``sorted_ids`` (ids in the byte
order of their tokens, for prefixes). The index is only a hint: every answer is checked against the token's own bytes.
"""

from __future__ import annotations

import bisect
import functools
import itertools
import mmap
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.errors import Corrupt, InputError
from artifact.suggestions import suggest
from artifact.vocabulary_index import check_index, compare_runs, encode_tokens, index_tokens

_MOST_RECENT = 32_768
_ONE_BY_ONE = 16
_MOST_A_BUCKET = 8
_MANY = 1 << 18
_FREQUENT = 4_096
_SEARCHED_BYTES = 4 << 20


class Vocabulary:
    """V tokens and their counts; ids fall by count. All arrays may be memory maps."""

    def __init__(
        self, data: bytes | mmap.mmap, index: Mapping[str, NDArray[Any]], counts: NDArray[np.int64]
    ) -> None:
        check_index(index, data_bytes=len(data), count=len(counts))
        self.counts = counts
        self._data = data
        self._bytes = np.frombuffer(data, np.uint8)
        self._count = len(counts)
        self._index = index
        # memoryviews give Python integers several times faster than NumPy scalars.
        self._offsets = np.ascontiguousarray(index["offsets"]).data
        self._buckets = np.ascontiguousarray(index["buckets"]).data
        self._bucket_ids = np.ascontiguousarray(index["bucket_ids"]).data
        self._sorted_ids = np.ascontiguousarray(index["sorted_ids"]).data
        self._mask = len(index["buckets"]) - 2
        self._recent: dict[str, int] = {}

    @classmethod
    def from_tokens(cls, tokens: Sequence[str], counts: NDArray[np.int64]) -> Vocabulary:
        """A vocabulary in memory; InputError for empty, repeated or unnormalised tokens."""
        if len(tokens) != len(counts):
            raise InputError(f"{len(tokens)} tokens but {len(counts)} counts")
        data = encode_tokens(tokens)
        return cls(data, index_tokens(data), counts)

    @classmethod
    def map(
        cls, path: Path, index: Mapping[str, NDArray[Any]] | None, counts: NDArray[np.int64]
    ) -> Vocabulary:
        """The vocabulary of ``path``, mapped; without ``index`` one is made in memory."""
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                raise Corrupt(f"{path.name}: empty")
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            return cls(data, index_tokens(data) if index is None else index, counts)
        except InputError as error:
            raise Corrupt(f"{path.name}: {error}") from None

    def __len__(self) -> int:
        return self._count

    def __contains__(self, token: object) -> bool:
        return isinstance(token, str) and self.id(token) is not None

    def __iter__(self) -> Iterator[str]:
        return map(self.token, range(self._count))

    def id(self, token: str) -> int | None:
        """The id of ``token`` as it stands, or None."""
        try:
            line = token.encode("utf-8")
        except UnicodeEncodeError:
            return None
        slot = zlib.crc32(line) & self._mask
        for position in range(self._buckets[slot], min(self._buckets[slot + 1], self._count)):
            token_id: int = self._bucket_ids[position]
            if 0 <= token_id < self._count and self._line(token_id) == line:
                return token_id
        return None

    def ids(self, tokens: Iterable[str]) -> list[int | None]:
        """An id or None for each token."""
        return [self.id(token) for token in tokens]

    def locate(self, tokens: Sequence[str]) -> NDArray[np.intp]:
        """An id for each token [n], -1 for one that is not here. What running text has: frequent ones are remembered."""
        recent = self._recent
        found = list(map(recent.get, tokens))
        if None in found:
            if len(recent) > _MOST_RECENT:
                recent.clear()
            places = [place for place, token_id in enumerate(found) if token_id is None]
            missed = [tokens[place] for place in places]
            for place, token_id in zip(places, self.search(missed).tolist(), strict=True):
                found[place] = token_id
                if token_id >= 0:
                    recent[tokens[place]] = token_id
        return np.array(found, dtype=np.intp)

    def search(self, tokens: Sequence[str]) -> NDArray[np.intp]:
        """An id for each token [n], -1 for one that is not here: for words of any kind, of which nothing is remembered."""
        try:
            lines = [token.encode("utf-8") for token in tokens]
        except UnicodeEncodeError:
            lines = []
        if len(lines) < _ONE_BY_ONE:
            return self._search_each(tokens)
        lengths = np.fromiter(map(len, lines), np.int64, len(lines))
        slots = np.array(list(map(zlib.crc32, lines))) & self._mask
        begins = self._index["buckets"].take(slots).astype(np.int64)
        ends = np.minimum(self._index["buckets"].take(slots + 1), self._count)
        counts = np.maximum(ends - begins, 0)
        if counts.sum() > _MOST_A_BUCKET * len(lines):
            return self._search_each(tokens)
        # All tokens of all buckets [c]: whose they may be, their ids, and where their bytes stand.
        places = np.repeat(np.arange(len(lines)), counts)
        shifts = np.repeat(begins - (np.cumsum(counts) - counts), counts)
        token_ids = self._index["bucket_ids"].take(np.arange(len(places)) + shifts).astype(np.int64)
        inside = (token_ids >= 0) & (token_ids < self._count)
        token_ids, places = token_ids[inside], places[inside]
        starts = self._index["offsets"].take(token_ids)
        sizes = self._index["offsets"].take(token_ids + 1) - 1 - starts
        fits = (sizes > 0) & (starts >= 0) & (starts + sizes <= len(self._data))
        fits &= sizes == lengths.take(places)
        token_ids, places, starts, sizes = token_ids[fits], places[fits], starts[fits], sizes[fits]
        asked = np.frombuffer(b"".join(lines), np.uint8)
        firsts = (np.cumsum(lengths) - lengths).take(places)
        same = compare_runs(self._bytes, starts, asked, firsts, sizes)
        found = np.full(len(lines), -1, dtype=np.intp)
        found[places[same]] = token_ids[same]
        return found

    def _search_each(self, tokens: Sequence[str]) -> NDArray[np.intp]:
        return np.array([-1 if found is None else found for found in self.ids(tokens)], dtype=np.intp)

    @property
    def has_counts(self) -> bool:
        """Whether ``counts`` tell tokens apart; imported vectors often come without any."""
        return self._total is not None

    def frequencies(self, token_ids: NDArray[np.intp]) -> NDArray[np.float64]:
        """The share [n] of the training text that each token has.

        Where there are no counts, by Zipf's law: in proportion to 1 / rank. Files of vectors list frequent words first.
        """
        total = self._total
        shares: NDArray[np.float64] = (
            self.counts[token_ids] / total
            if total is not None
            else 1 / ((token_ids + 1) * (np.log(self._count) + np.euler_gamma))
        )
        return shares

    @functools.cached_property
    def _total(self) -> int | None:
        counted = int(self.counts.min()) < int(self.counts.max())
        return int(self.counts.sum()) if counted else None

    def token(self, token_id: int) -> str:
        """The token with this id; IndexError outside 0 … V-1."""
        if not 0 <= token_id < self._count:
            raise IndexError(f"token id {token_id} is outside 0 … {self._count - 1}")
        return self._line(token_id).decode("utf-8", "replace")

    def tokens(self, token_ids: Iterable[int]) -> list[str]:
        """A token for each id; IndexError for one outside 0 … V-1."""
        token_ids = list(token_ids)
        if token_ids and not (min(token_ids) >= 0 and max(token_ids) < self._count):
            raise IndexError(f"a token id is outside 0 … {self._count - 1}")
        data, offsets = self._data, self._offsets
        return [
            data[offsets[token_id] : offsets[token_id + 1] - 1].decode("utf-8", "replace")
            for token_id in token_ids
        ]

    def with_prefix(self, prefix: str, top: int = 10) -> list[str]:
        """The ``top`` most frequent tokens that begin with ``prefix``, most frequent first."""
        return self.tokens(self.first_with_prefix(prefix, top).tolist())

    def ids_with_prefix(self, prefix: str) -> NDArray[np.int32]:
        """The ids of all tokens that begin with ``prefix``, in id order."""
        return np.sort(self._list_sorted(*self._find_span(_encode(prefix))))

    def first_with_prefix(self, prefix: str, most: int) -> NDArray[np.int32]:
        """The first ``most`` of the ids of tokens that begin with ``prefix``, in order: those of the most frequent ones."""
        start = _encode(prefix)
        first, last = self._find_span(start)
        if last - first > _MANY:
            # So many share this beginning that the first of all tokens most likely hold enough.
            early = (
                token_id
                for token_id in range(min(self._count, _FREQUENT))
                if self._line(token_id).startswith(start)
            )
            if len(found := list(itertools.islice(early, most))) == most:
                return np.array(found, dtype=np.int32)
        token_ids = self._list_sorted(first, last)
        if most < len(token_ids):
            token_ids = np.partition(token_ids, most)[:most]
        return np.sort(token_ids)

    def first_containing(self, part: str, most: int) -> list[int]:
        """The first ``most`` ids of tokens with ``part`` in them, of those that stand early in the vocabulary."""
        piece = _encode(part)
        found: list[int] = []
        position, end = 0, min(len(self._data), _SEARCHED_BYTES)
        while len(found) < most and (position := self._data.find(piece, position, end)) >= 0:
            token_id = bisect.bisect_right(self._offsets, position) - 1
            if not 0 <= token_id < self._count:
                break
            found.append(token_id)
            position = max(self._offsets[token_id + 1], position + 1)
        return found

    def suggest(self, word: str, top: int = 5) -> list[str]:
        """Known tokens that ``word`` may be a slip of, the closest first; see artifact.suggestions."""
        return suggest(self, word, top=top)

    def check(self) -> None:
        """Corrupt unless the tokens are proper and the index is what index_tokens makes of them."""
        try:
            made = index_tokens(self._data)
            encode_tokens(self._data[:].decode("utf-8").split("\n")[:-1])
        except (InputError, UnicodeDecodeError) as error:
            raise Corrupt(f"vocabulary: {error}") from None
        for name, array in made.items():
            if not np.array_equal(array, self._index[name]):
                raise Corrupt(f"vocabulary index: {name} does not belong to this vocabulary")

    def _line(self, token_id: int) -> bytes:
        return self._data[self._offsets[token_id] : self._offsets[token_id + 1] - 1]

    def _find_span(self, start: bytes) -> tuple[int, int]:
        """Where the tokens whose bytes begin with ``start`` stand in the order of bytes."""
        return self._bisect(start), self._bisect(start + b"\xff")

    def _list_sorted(self, first: int, last: int) -> NDArray[np.int32]:
        token_ids: NDArray[np.int32] = self._index["sorted_ids"][first:last]
        return token_ids[(token_ids >= 0) & (token_ids < self._count)]

    def _bisect(self, line: bytes) -> int:
        low, high = 0, self._count
        while low < high:
            middle = (low + high) // 2
            token_id = self._sorted_ids[middle]
            if 0 <= token_id < self._count and self._line(token_id) < line:
                low = middle + 1
            else:
                high = middle
        return low


def _encode(text: str) -> bytes:
    """UTF-8; a lone surrogate, which no token has, becomes bytes that no token has."""
    return text.encode("utf-8", "surrogatepass")
