"""An n-gram model with interpolated smoothing: a trie of word ids, asked for one context or for a whole text.

What a context k words long knows of the next word is (Chen and Goodman 1998, section 4.1.6, equation 26)

    p(w | h_k) = s(w | h_k) + backoff(h_k) · p(w | h_{k-1})

where s is zero but for the words seen after h_k. Over the whole vocabulary p is therefore the unigram distribution, scaled
once, with a few sparse rows laid over it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.errors import Corrupt

MAX_ORDER = 16


class NGrams:
    """A trie in arrays, which may be memory maps; of order n there are M_n n-grams. M_1 is V: node i of order 1 is word i.

    ``unigram`` [V] float32: p(w), which sums to one.
    For each order n from 2, the n-grams in the order of (the node of their first n-1 words, their last word):
    ``order{n}.words`` [M_n]: the last word, uint16 or uint32; rising within one context.
    ``order{n}.probabilities`` [M_n] float32: s(last word | first n-1 words).
    ``order{n}.starts`` [M_{n-1}+1] uint32 or int64: the n-grams that go on from node i are starts[i] to starts[i+1].
    ``order{n}.backoffs`` [M_{n-1}] float32: the weight of the next shorter context; 1 where nothing goes on.

    Raises Corrupt where shapes or types do not fit.
    """

    def __init__(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        if "unigram" not in tensors:
            raise Corrupt("n-grams: unigram is missing")
        self.unigram: NDArray[np.float32] = tensors["unigram"]
        self.vocab_size = len(self.unigram)
        self._orders: list[_Order] = []
        previous = self.vocab_size
        for order in range(2, MAX_ORDER + 1):
            if f"order{order}.words" not in tensors:
                break
            found = _Order(tensors, order, contexts=previous)
            self._orders.append(found)
            previous = len(found.words)
        if self.unigram.dtype != np.float32 or self.unigram.ndim != 1 or not self.vocab_size:
            raise Corrupt("n-grams: unigram must be one row of float32")
        if len(tensors) != 1 + 4 * len(self._orders):
            raise Corrupt("n-grams: there are tensors that belong to no order")
        self.order = 1 + len(self._orders)
        self.tensors = dict(tensors)

    def predict(self, context: Sequence[int]) -> NDArray[np.float32]:
        """p(w | context) [V]; only the last ``order`` - 1 words of ``context`` count, and unseen ones are backed off from."""
        found: list[tuple[_Order, int]] = []
        for length in range(1, min(self.order - 1, len(context)) + 1):
            node = self._find(context[len(context) - length :])
            if node is not None:
                found.append((self._orders[length - 1], node))
        scale = 1.0
        rows: list[tuple[NDArray[Any], NDArray[np.float32]]] = []
        for order, node in reversed(found):
            start, stop = int(order.starts[node]), int(order.starts[node + 1])
            if start < stop:
                rows.append((order.words[start:stop], order.probabilities[start:stop] * np.float32(scale)))
                scale *= float(order.backoffs[node])
        result = self.unigram * np.float32(scale)
        for words, probabilities in rows:
            result[words] += probabilities
        return result

    def score(self, token_ids: NDArray[np.int32], *, context: Sequence[int] = ()) -> NDArray[np.float64]:
        """p of each of ``token_ids`` [N] after all before it and ``context``; [N], vectorised over the text."""
        before = np.asarray(context[-(self.order - 1) :] if self.order > 1 else (), dtype=np.int64)
        stream = np.concatenate([before, token_ids.astype(np.int64)])
        result: NDArray[np.float64] = self.unigram[stream].astype(np.float64)
        nodes = stream
        for order in self._orders:
            # The node before position i is the context of the word there; position 0 has none.
            contexts = np.concatenate([[-1], nodes[:-1]])
            nodes = order.find(contexts, stream)
            known = np.flatnonzero(contexts >= 0)
            result[known] *= order.backoffs[contexts[known]]
            seen = np.flatnonzero(nodes >= 0)
            result[seen] += order.probabilities[nodes[seen]]
        return result[len(before) :]

    def check(self) -> None:
        """Corrupt unless every index stays inside and every context's distribution sums to one."""
        if not (np.isfinite(self.unigram).all() and (self.unigram >= 0).all()):
            raise Corrupt("n-grams: a unigram probability is negative or not finite")
        if abs(float(self.unigram.sum(dtype=np.float64)) - 1) > 1e-3:
            raise Corrupt("n-grams: the unigram probabilities do not sum to one")
        for number, order in enumerate(self._orders, 2):
            order.check(where=f"n-grams of order {number}", vocab_size=self.vocab_size)

    def _find(self, words: Sequence[int]) -> int | None:
        node = words[0]
        if not 0 <= node < self.vocab_size:
            return None
        for order, word in zip(self._orders, words[1:], strict=False):
            start, stop = int(order.starts[node]), int(order.starts[node + 1])
            children = order.words[start:stop]
            # A scalar of the array's own type: anything else would make searchsorted convert the array.
            place = int(children.searchsorted(children.dtype.type(word)))
            if place == stop - start or children[place] != word:
                return None
            node = start + place
        return node


class _Order:
    """The n-grams of one order."""

    def __init__(self, tensors: Mapping[str, NDArray[Any]], order: int, *, contexts: int) -> None:
        where = f"n-grams of order {order}"
        try:
            self.words, self.probabilities, self.starts, self.backoffs = (
                tensors[f"order{order}.{part}"] for part in ("words", "probabilities", "starts", "backoffs")
            )
        except KeyError as error:
            raise Corrupt(f"{where}: {error.args[0]} is missing") from None
        count = len(self.words)
        shapes = [self.words.shape, self.probabilities.shape, self.starts.shape, self.backoffs.shape]
        if shapes != [(count,), (count,), (contexts + 1,), (contexts,)]:
            raise Corrupt(f"{where}: the shapes do not fit {contexts} contexts")
        if (
            self.words.dtype not in (np.uint16, np.uint32)
            or self.starts.dtype not in (np.uint32, np.int64)
            or self.probabilities.dtype != np.float32
            or self.backoffs.dtype != np.float32
        ):
            raise Corrupt(f"{where}: an element type is not the one it must be")
        if self.starts[0] != 0 or self.starts[-1] != count:
            raise Corrupt(f"{where}: the starts do not span the n-grams")

    def find(self, contexts: NDArray[np.int64], words: NDArray[np.int64]) -> NDArray[np.int64]:
        """The node [N] of each of ``words`` after the node of each of ``contexts`` (-1: none); -1 where there is none."""
        result = np.full(len(words), -1, dtype=np.int64)
        asked = np.flatnonzero(contexts >= 0)
        if not len(asked) or not len(self.words):
            return result
        wanted = words[asked]
        low = self.starts[contexts[asked]].astype(np.int64)
        stop = self.starts[contexts[asked] + 1].astype(np.int64)
        high = stop.copy()
        # One bisection for all at once: as many rounds as the longest row needs.
        for _ in range(int((high - low).max()).bit_length()):
            middle = (low + high) >> 1
            below = self.words[np.minimum(middle, len(self.words) - 1)] < wanted
            below &= low < high
            low = np.where(below, middle + 1, low)
            high = np.where(below, high, middle)
        hit = (low < stop) & (self.words[np.minimum(low, len(self.words) - 1)] == wanted)
        result[asked[hit]] = low[hit]
        return result

    def check(self, *, where: str, vocab_size: int) -> None:
        """Corrupt unless the rows are sorted, inside the vocabulary, and sum to one with their backoff."""
        starts = self.starts.astype(np.int64)
        if (np.diff(starts) < 0).any():
            raise Corrupt(f"{where}: the starts are not in order")
        if len(self.words) and int(self.words.max()) >= vocab_size:
            raise Corrupt(f"{where}: a word is outside the vocabulary")
        rising = np.diff(self.words.astype(np.int64)) > 0
        rising[starts[1:-1][(starts[1:-1] > 0) & (starts[1:-1] < len(self.words))] - 1] = True
        if not rising.all():
            raise Corrupt(f"{where}: the words after a context are not in order")
        if not (np.isfinite(self.probabilities).all() and np.isfinite(self.backoffs).all()):
            raise Corrupt(f"{where}: a probability is not finite")
        if (self.probabilities < 0).any() or (self.backoffs < 0).any():
            raise Corrupt(f"{where}: a probability is negative")
        sums = np.concatenate([[0.0], np.cumsum(self.probabilities, dtype=np.float64)])
        if (np.abs(sums[starts[1:]] - sums[starts[:-1]] + self.backoffs - 1) > 1e-3).any():
            raise Corrupt(f"{where}: what follows a context does not sum to one")
