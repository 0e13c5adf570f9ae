import numpy as np
import pytest
from small_texts import make_text


@pytest.fixture
def rng():
    return np.random.default_rng(20)


@pytest.fixture
def two_topics(rng):
    """Lines of words 0 to 9 or of words 10 to 19, never both, with a word outside the vocabulary now and then."""
    lines = []
    for _ in range(2000):
        line = rng.integers(0, 10, 8) + 10 * rng.integers(0, 2)
        lines.append(np.where(rng.random(8) < 0.05, -1, line))
    return make_text(lines, 20)
