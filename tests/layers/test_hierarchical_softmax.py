import heapq
import itertools

import numpy as np
import pytest
from gradients import check_gradients
from hypothesis import given
from hypothesis import strategies as st

from artifact.errors import InputError
from trainer.backend import numpy_backend
from trainer.layers.hierarchical_softmax import HierarchicalSoftmaxLoss, HuffmanTree

CPU = numpy_backend()


def code_lengths(counts):
    paths = HuffmanTree(counts, backend=CPU).paths(np.arange(len(counts)))
    return paths.present.sum(axis=1)


def least_total_length(counts):
    heap = list(counts)
    heapq.heapify(heap)
    total = 0
    while len(heap) > 1:
        joined = heapq.heappop(heap) + heapq.heappop(heap)
        total += joined
        heapq.heappush(heap, joined)
    return total


@given(st.lists(st.integers(1, 10**9), min_size=2, max_size=40))
def test_codes_are_a_shortest_prefix_code(counts):
    paths = HuffmanTree(counts, backend=CPU).paths(np.arange(len(counts)))
    lengths = paths.present.sum(axis=1)
    assert int(np.dot(lengths, counts)) == least_total_length(counts)
    ways = set()
    for nodes, codes, length in zip(paths.nodes, paths.codes, lengths, strict=True):
        assert nodes[length - 1] == len(counts) - 2  # the root
        assert set(nodes[:length].tolist()) <= set(range(len(counts) - 1))
        ways.add(tuple(codes[:length][::-1].tolist()))
    assert not any(a != b and b[: len(a)] == a for a, b in itertools.product(ways, ways))
    assert len(ways) == len(counts)


def test_frequent_words_have_short_codes():
    assert code_lengths([8, 4, 2, 1, 1]).tolist() == [1, 2, 3, 4, 4]


@pytest.mark.parametrize("counts", [[], [4]])
def test_one_word_has_no_tree(counts):
    with pytest.raises(InputError, match="at least 2 words"):
        HuffmanTree(counts, backend=CPU)


@pytest.fixture
def case(rng):
    tree = HuffmanTree([9, 3, 3, 2, 2, 1], backend=CPU)
    W, h = rng.standard_normal((5, 4)), rng.standard_normal((4, 4))
    return HierarchicalSoftmaxLoss(W, tree=tree, backend=CPU), W, h


def test_probabilities_of_all_words_add_up_to_one(case):
    layer, _, h = case
    losses = layer.forward(np.tile(h[:1], (6, 1)), targets=np.arange(6))
    assert np.exp(-losses).sum() == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_gradient(case, rng, weighted):
    layer, W, h = case
    inputs = {"targets": np.array([0, 5, 3, 5]), "example_weights": rng.random(4) if weighted else None}
    layer.forward(h, **inputs)
    d_h, d_W = layer.backward()
    check_gradients(
        lambda: float(layer.forward(h, **inputs).sum()),
        parameters={"W": W, "h": h},
        gradients={"W": d_W, "h": d_h},
    )
