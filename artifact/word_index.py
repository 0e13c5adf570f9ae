"""An index of word vectors: every coordinate in 4 bits, and the one number that says how well they find what is near.

Each coordinate of a unit vector is rounded to one of 16 values, learned for that dimension: a product quantizer with a
subspace for each dimension (Jégou, Douze and Schmid 2011, "Product Quantization for Nearest Neighbor Search"). faiss adds up
many words at a time from tables in registers (André, Kermarrec and Le Scouarnec 2015, "Cache locality is not
enough"; faiss's fast scan). What stands in the file are plain tensors; faiss's own file format is not used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from artifact.errors import Corrupt, InputError
from artifact.search import to_units

ROLE = "index"
FILE = "index.safetensors"
LEVELS = 16
LEAST_WORDS = 20_000
"""A smaller vocabulary is searched exactly in about the time that an index takes."""
RECALL_AT = 10
"""Of how many nearest words the recall was measured, and for how many ``candidates`` are looked at."""
_TOP_OF_CANDIDATES = 25
"""Up to so many results the same candidates are enough."""
_BLOCK_WORDS = 64
"""In blocks of 32, its default, faiss takes another way, which is by a third slower for a hundred candidates and more."""
_CHECKED_WORDS = 256
_LEAST_ALIKE = 0.98
_SPARE = 16
"""Candidates more, in place of words that are not wanted."""


class Scanner(Protocol):
    """What finds candidates; any thread may ask."""

    def scan(self, units: NDArray[np.float32], count: int) -> NDArray[np.int64]:
        """Ids [Q, count] of the words that seem nearest to ``units`` [Q, D] of length 1; -1 where there are no more."""


@dataclass(frozen=True)
class IndexFigures:
    """How many candidates are looked at for ten results, and how many of the ten nearest words were among them.

    ``recall`` was measured on so many ``queries``, against exact search, when the index was made.
    """

    candidates: int
    recall: float
    queries: int

    @classmethod
    def from_json(cls, value: Any) -> IndexFigures:
        """What ``to_json`` said. Raises Corrupt."""
        if not isinstance(value, dict):
            raise Corrupt("the metrics do not tell the recall of the index")
        candidates, recall, queries = (value.get(key) for key in ("candidates", "recall_at_10", "queries"))
        counts = all(type(number) is int and number > 0 for number in (candidates, queries))
        if not counts or type(recall) not in (int, float) or not 0 <= float(recall or 0) <= 1:
            raise Corrupt("the metrics of the index must be candidates, recall_at_10 and queries")
        return cls(int(candidates or 0), float(recall or 0), int(queries or 0))

    def to_json(self) -> dict[str, Any]:
        """What the manifest's ``metrics`` say of it."""
        return {
            "candidates": self.candidates,
            f"recall_at_{RECALL_AT}": round(self.recall, 5),
            "queries": self.queries,
        }


@dataclass(frozen=True)
class WordIndex:
    """The index of V words: ``codes`` [V, ⌈D / 2⌉] uint8, two coordinates a byte, the first in the low bits.

    ``levels`` [D, 16] float32 are the values that the codes of each dimension stand for. Both may be memory maps.
    """

    levels: NDArray[np.float32]
    codes: NDArray[np.uint8]
    figures: IndexFigures

    def __post_init__(self) -> None:
        levels, codes = self.levels, self.codes
        if levels.dtype != np.float32 or levels.ndim != 2 or levels.shape[1] != LEVELS or not len(levels):
            raise Corrupt(f"the levels of the index must be float32, [D, {LEVELS}]")
        if codes.dtype != np.uint8 or codes.ndim != 2 or codes.shape[1] != math.ceil(len(levels) / 2):
            raise Corrupt("the codes of the index must be uint8, [V, D / 2]")
        if not np.isfinite(levels).all():
            raise Corrupt("a level of the index is not finite")

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]], figures: IndexFigures) -> WordIndex:
        """What ``to_tensors`` gave. Raises Corrupt."""
        if set(tensors) != {"levels", "codes"}:
            raise Corrupt("the index must be the tensors levels and codes")
        return cls(tensors["levels"], tensors["codes"], figures)

    def to_tensors(self) -> dict[str, NDArray[Any]]:
        """What is written to the file."""
        return {"levels": self.levels, "codes": self.codes}

    @property
    def words(self) -> int:
        """V, the number of words."""
        return len(self.codes)

    @property
    def dim(self) -> int:
        """D, the number of dimensions."""
        return len(self.levels)

    def count_candidates(self, top: int, *, excluded: int) -> int:
        """How many candidates a question for ``top`` words looks at, ``excluded`` words not being wanted.

        In steps, so that most questions are alike and can be answered together.
        """
        parts = math.ceil(top / _TOP_OF_CANDIDATES)
        return (self.figures.candidates << (parts - 1).bit_length()) + (
            _SPARE << (max(0, excluded - 1) // _SPARE).bit_length()
        )

    def suits(self, top: int, *, excluded: int) -> bool:
        """Whether candidates are few beside all words, which are else searched as fast."""
        return self.count_candidates(top, excluded=excluded) * 8 <= self.words

    def check(self, vectors: NDArray[Any]) -> None:
        """Corrupt unless the codes are those of ``vectors`` [V, D]; some are looked at."""
        some = np.unique(np.linspace(0, self.words - 1, _CHECKED_WORDS).astype(np.intp))
        units = to_units(vectors[some])
        nearest = np.abs(units[:, :, np.newaxis] - self.levels).argmin(axis=2)
        codes = np.stack([self.codes[some] & 15, self.codes[some] >> 4], axis=2).reshape(len(some), -1)
        # Where two levels are about as far, either is right.
        if (codes[:, : self.dim] == nearest).mean() < _LEAST_ALIKE:
            raise Corrupt(f"{FILE}: the index is not that of the vectors")

    def open(self) -> Scanner:
        """Ready to find candidates: a copy of the codes in memory, in the order in which they are added up.

        Raises InputError where faiss is missing, or is one that cannot do it.
        """
        faiss = load_faiss()
        try:
            quantizer = faiss.IndexPQ(self.dim, self.dim, 4, faiss.METRIC_INNER_PRODUCT)
            faiss.copy_array_to_vector(np.ascontiguousarray(self.levels).ravel(), quantizer.pq.centroids)
            faiss.copy_array_to_vector(np.ascontiguousarray(self.codes).ravel(), quantizer.codes)
            quantizer.ntotal, quantizer.is_trained = self.words, True
            return _FaissScanner(faiss, faiss.IndexPQFastScan(quantizer, _BLOCK_WORDS))
        except (AttributeError, TypeError, RuntimeError) as error:
            version = str(getattr(faiss, "__version__", "this release"))[:20]
            raise InputError(f"faiss {version} cannot hold the index ({type(error).__name__})") from None


@dataclass(frozen=True)
class _FaissScanner:
    """Codes as faiss holds them."""

    faiss: Any
    index: Any

    def scan(self, units: NDArray[np.float32], count: int) -> NDArray[np.int64]:
        # A setting of the calling thread: those that ask divide the work, and faiss's own would wait for each other, spinning.
        self.faiss.omp_set_num_threads(1)
        ids: NDArray[np.int64] = self.index.search(np.ascontiguousarray(units), count)[1]
        return ids


def load_faiss() -> Any:
    """The library. Raises InputError where it is not installed."""
    try:
        import faiss
    except ImportError:
        raise InputError("an index needs faiss: pip install 'wordkin[index]'") from None
    return faiss
