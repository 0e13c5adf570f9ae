import dataclasses

import numpy as np
import pytest

from artifact.errors import Corrupt
from artifact.mixture import Mixture

WHOLE = Mixture(
    network=0.4, ngrams=0.2, cache=0.1, pointer=0.3, cache_words=4, cache_decay=1.0, pointer_words=10
)


def test_weights_sum_to_one_and_caches_gain_theirs_as_they_fill():
    weights = WHOLE.weigh(np.arange(20))
    np.testing.assert_allclose(weights.sum(axis=0), 1)
    np.testing.assert_allclose(weights[:, 0], [2 / 3, 1 / 3, 0, 0])
    np.testing.assert_allclose(weights[:, 2], [0.89 * 2 / 3, 0.89 / 3, 0.05, 0.06])
    np.testing.assert_allclose(weights[:, 10], [0.4, 0.2, 0.1, 0.3])
    assert WHOLE.span == 10
    assert dataclasses.replace(WHOLE, pointer=0.0, network=0.7).span == 4
    assert Mixture().span == 0


def test_survives_json():
    assert Mixture.from_json(WHOLE.to_json()) == WHOLE
    one = Mixture.from_json({**Mixture().to_json(), "network": 1, "ngrams": 0})
    assert one == Mixture()
    assert type(one.network) is float


@pytest.mark.parametrize(
    "change",
    [
        {"network": 0.5},
        {"network": -0.1, "ngrams": 0.7},
        {"network": 0.0, "ngrams": 0.0, "cache": 0.7},
        {"cache_words": 0},
        {"pointer_words": 1 << 30},
        {"cache_decay": 0.0},
        {"cache_decay": 1.5},
        {"pointer_sharpness": float("inf")},
        {"network": "0.4"},
        {"cache_words": 4.0},
        {"cache_words": True},
        {"surprise": 1},
    ],
)
def test_values_that_make_no_sense_are_refused(change):
    with pytest.raises(Corrupt, match="mixture"):
        Mixture.from_json({**WHOLE.to_json(), **change})


def test_what_is_no_mixture_is_refused():
    for value in (None, [], {"network": 1.0}):
        with pytest.raises(Corrupt, match="mixture"):
            Mixture.from_json(value)
