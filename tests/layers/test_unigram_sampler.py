import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from artifact.errors import InputError
from trainer.backend import numpy_backend
from trainer.layers.unigram_sampler import UnigramSampler

CPU = numpy_backend()


def test_the_book_raises_to_three_quarters():
    sampler = UnigramSampler([0.7, 0.29, 0.01], backend=CPU)
    np.testing.assert_allclose(sampler.probabilities, [0.64196878, 0.33150408, 0.02652714], atol=5e-9)


def test_draws_follow_the_probabilities():
    sampler = UnigramSampler([70, 29, 1, 400], backend=CPU, exclude_target=False)
    drawn = sampler.draw(np.zeros(20_000, np.int32), 10, CPU.generator(3))
    assert drawn.shape == (20_000, 10)
    assert drawn.dtype == np.int32
    counts = np.bincount(drawn.ravel(), minlength=4)
    assert chisquare(counts, sampler.probabilities * drawn.size).pvalue > 0.001


@pytest.mark.parametrize("target", range(4))
def test_without_the_target_the_others_keep_their_proportions(target):
    sampler = UnigramSampler([70, 29, 1, 400], backend=CPU)
    drawn = sampler.draw(np.full(20_000, target), 10, CPU.generator(3))
    counts = np.bincount(drawn.ravel(), minlength=4)
    assert counts[target] == 0
    others = np.delete(sampler.probabilities, target)
    assert chisquare(np.delete(counts, target), others / others.sum() * drawn.size).pvalue > 0.001


@given(
    st.lists(st.integers(1, 10**12), min_size=2, max_size=30), st.integers(1, 20), st.integers(0, 2**63 - 1)
)
def test_the_target_is_never_drawn_whatever_the_counts(counts, k, seed):
    targets = np.arange(len(counts))
    drawn = UnigramSampler(counts, backend=CPU).draw(targets, k, CPU.generator(seed))
    assert drawn.min() >= 0
    assert drawn.max() < len(counts)
    assert not np.any(drawn == targets[:, None])


def test_the_ends_of_the_range_are_words_too():
    class Edge:
        def __init__(self, value):
            self.value = value

        def random(self, shape):
            return np.full(shape, self.value)

    sampler = UnigramSampler([5, 5, 5], backend=CPU)
    targets = np.arange(3)
    assert sampler.draw(targets, 1, Edge(0.0))[:, 0].tolist() == [1, 0, 0]
    assert sampler.draw(targets, 1, Edge(np.nextafter(1, 0)))[:, 0].tolist() == [2, 2, 1]


def test_the_same_seed_draws_the_same():
    sampler = UnigramSampler(np.arange(1, 1000), backend=CPU)
    a, b, c = (sampler.draw(np.arange(50), 5, CPU.generator(seed)) for seed in (1, 1, 2))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


@pytest.mark.parametrize("counts", [[], [3], [3, 0], [3, -1]])
def test_nothing_to_draw_from(counts):
    with pytest.raises(InputError, match="cannot draw negative words"):
        UnigramSampler(counts, backend=CPU)
