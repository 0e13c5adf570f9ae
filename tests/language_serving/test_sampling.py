import numpy as np
import pytest

from artifact.errors import InputError
from artifact.sampling import Sampling

P = np.array([0.1, 0.4, 0.0, 0.3, 0.2], dtype=np.float32)


def frequencies(sampling, draws=4000):
    random = np.random.default_rng(1)
    return np.bincount([sampling.draw(P, random) for _ in range(draws)], minlength=5) / draws


def test_draws_by_probability_and_never_what_has_none():
    np.testing.assert_allclose(frequencies(Sampling()), P, atol=0.03)
    assert frequencies(Sampling(temperature=50.0))[2] == 0


def test_temperature_sharpens_and_flattens():
    powered = P.astype(float) ** 2
    np.testing.assert_allclose(frequencies(Sampling(temperature=0.5)), powered / powered.sum(), atol=0.03)
    assert frequencies(Sampling(temperature=0.01), draws=50)[1] == 1
    assert frequencies(Sampling(temperature=1e-320), draws=50)[1] == 1


def test_zero_temperature_is_greedy_and_ties_go_to_the_lower_id():
    assert Sampling(temperature=0).draw(P, np.random.default_rng(0)) == 1
    assert Sampling(temperature=0).draw(np.array([0.2, 0.4, 0.4], np.float32), np.random.default_rng(0)) == 1


def test_top_k_and_top_p_cut_the_tail():
    np.testing.assert_allclose(frequencies(Sampling(top_k=2)), [0, 4 / 7, 0, 3 / 7, 0], atol=0.03)
    np.testing.assert_allclose(frequencies(Sampling(top_p=0.6)), [0, 4 / 7, 0, 3 / 7, 0], atol=0.03)
    np.testing.assert_allclose(frequencies(Sampling(top_p=0.75)), [0, 4 / 9, 0, 3 / 9, 2 / 9], atol=0.03)
    assert frequencies(Sampling(top_p=1e-9), draws=20)[1] == 1
    assert frequencies(Sampling(top_k=100))[0] > 0


def test_the_same_seed_draws_the_same():
    draws = [
        [Sampling().draw(P, random) for _ in range(20)] for random in map(np.random.default_rng, (3, 3, 4))
    ]
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"temperature": 1e9},
        {"top_k": 0},
        {"top_p": 0},
        {"top_p": 1.1},
    ],
)
def test_mistakes_are_named(options):
    with pytest.raises(InputError, match=next(iter(options))):
        Sampling(**options)


def test_nothing_to_draw_from_is_said():
    with pytest.raises(InputError, match="no word"):
        Sampling().draw(np.zeros(3, np.float32), np.random.default_rng(0))
