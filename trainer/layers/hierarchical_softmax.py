"""HierarchicalSoftmaxLoss: a word is a path of yes-or-no answers down a Huffman tree."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from artifact.errors import InputError
from trainer.backend import Array, Backend
from trainer.layers.embedding_dot import EmbeddingDot
from trainer.layers.gradients import RowGradient
from trainer.layers.sigmoid_with_loss import SigmoidWithLoss


class Paths(NamedTuple):
    """The way from each word up to the root.

    ``nodes`` [B, L] are rows of the node table, ``codes`` [B, L] the branch taken below each (0 or 1),
    ``present`` [B, L] is false past the root.
    """

    nodes: Array
    codes: Array
    present: Array


class HuffmanTree:
    """The binary tree with the shortest mean path (Huffman 1952), built in O(V) after sorting as word2vec.c does.

    V words have V - 1 inner nodes; inner node i is row i of the node table, the root the last one.
    Memory is 5 bytes for each of 2V - 1 nodes: paths are climbed when they are asked for.
    """

    def __init__(self, counts: ArrayLike, *, backend: Backend) -> None:
        """``counts`` [V], in any order. Raises InputError for fewer than two words."""
        leaves = np.asarray(counts, np.int64)
        size = len(leaves)
        if size < 2:
            raise InputError(f"hierarchical softmax needs at least 2 words, not {size}")
        parent, code = _join(leaves)
        self.size = size
        self.backend = backend
        self._parent, self._code = backend.asarray(parent), backend.asarray(code)

    def paths(self, token_ids: Array) -> Paths:
        """The paths of ``token_ids`` [B], padded to the longest."""
        xp = self.backend.xp
        root = 2 * self.size - 2
        nodes: list[Array] = []
        codes: list[Array] = []
        present: list[Array] = []
        at = token_ids
        while not nodes or bool((at != root).any()):
            above = self._parent[at]
            nodes.append(above - self.size)
            codes.append(self._code[at])
            present.append(at != root)
            at = above
        return Paths(xp.stack(nodes, axis=1), xp.stack(codes, axis=1), xp.stack(present, axis=1))


def _join(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Parent [2V - 1] int32 (the root is its own) and branch code [2V - 1] int8 of leaves 0..V-1 and inner nodes."""
    size = len(counts)
    leaf_order = np.argsort(counts, kind="stable").tolist()
    weight = [*counts.tolist(), *([0] * (size - 1))]
    parent = list(range(2 * size - 1))
    code = bytearray(2 * size - 1)
    next_leaf, next_inner = 0, size  # both queues rise in weight, so the smallest two stand in front
    for made in range(size, 2 * size - 1):
        for branch in (0, 1):
            if next_inner >= made or (
                next_leaf < size and weight[leaf_order[next_leaf]] <= weight[next_inner]
            ):
                child = leaf_order[next_leaf]
                next_leaf += 1
            else:
                child = next_inner
                next_inner += 1
            weight[made] += weight[child]
            parent[child] = made
            code[child] = branch
    return np.array(parent, np.int32), np.frombuffer(bytes(code), np.int8)


class HierarchicalSoftmaxLoss:
    """``-log p(target)``, p the product of ``σ(±h·w_node)`` along the target's path.

    Morin and Bengio 2005; Mikolov et al. 2013, arXiv 1310.4546, eq. 3, with the sign of word2vec.c: code 0
    is the answer yes. The p of all words add up to 1.
    """

    def __init__(self, W: Array, *, tree: HuffmanTree, backend: Backend) -> None:
        """``W`` [V - 1, D] are the inner nodes' vectors, kept by reference."""
        self.W = W
        self.tree = tree
        self.backend = backend
        self._dot = EmbeddingDot(W, backend=backend)
        self._sigmoid = SigmoidWithLoss(backend=backend)

    def forward(
        self,
        h: Array,
        *,
        targets: Array,
        negatives: Array | None = None,
        example_weights: Array | None = None,
    ) -> Array:
        """Losses [B] in nats for ``h`` [B, D], ``targets`` [B] and ``example_weights`` [B]; takes no negatives."""
        if negatives is not None:
            raise ValueError("hierarchical softmax takes no negatives")
        path = self.tree.paths(targets)
        weights = path.present.astype(h.dtype)
        if example_weights is not None:
            weights *= example_weights[:, None]
        scores = self._dot.forward(h, path.nodes)
        return self._sigmoid.forward(scores, (1 - path.codes).astype(h.dtype), weights=weights).sum(axis=1)

    def backward(self) -> tuple[Array, RowGradient]:
        """``d_h`` [B, D] and the gradient of the inner nodes' vectors, both of the summed losses."""
        return self._dot.backward(self._sigmoid.backward())
