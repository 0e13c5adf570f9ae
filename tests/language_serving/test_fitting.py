import numpy as np
import pytest
from language_serving.models import make_model

from artifact.errors import InputError
from artifact.language import LanguageModel
from trainer.mixture import fit_mixture, fit_weights


def test_weights_are_those_of_the_source():
    rng = np.random.default_rng(0)
    tables = rng.dirichlet(np.full(30, 0.2), size=3)
    source = np.array([0.6, 0.3, 0.1]) @ tables
    words = rng.choice(30, size=20_000, p=source / source.sum())
    parts = np.vstack([tables[:, words], np.zeros(len(words))])
    weights, perplexity = fit_weights(parts)
    np.testing.assert_allclose(weights, [0.6, 0.3, 0.1, 0], atol=0.03)
    assert weights.sum() == pytest.approx(1)
    for other in ([0.7, 0.2, 0.1, 0], [0.5, 0.3, 0.2, 0]):
        assert perplexity < np.exp(-np.log(np.array(other) @ parts).mean())


@pytest.fixture(scope="module")
def model():
    return make_model()


def fit(model, words, **options):
    return fit_mixture(model.network, model.ngrams, words, eos_id=model.eos_id, **options)


def test_is_better_than_each_part_and_measured_as_it_is_served(model):
    rng = np.random.default_rng(1)
    # A text that returns to what it said: the caches are of use.
    topics = [rng.dirichlet(np.full(len(model.vocabulary), 0.2)) for _ in range(6)]
    words = np.concatenate([rng.choice(len(topic), size=500, p=topic) for topic in topics]).astype(np.int32)
    seen = []
    fitted = fit(model, words, progress=lambda done, total: seen.append((done, total)))
    assert fitted.mixture_perplexity < min(fitted.network_perplexity, fitted.ngrams_perplexity)
    assert fitted.mixture.cache + fitted.mixture.pointer > 0.3
    assert seen[-1] == (3000, 3000)
    served = LanguageModel(
        network=model.network,
        vocabulary=model.vocabulary,
        tokenizer=model.tokenizer,
        ngrams=model.ngrams,
        mixture=fitted.mixture,
    )
    reading = served.read(served.start(), words)
    assert np.exp(-np.log(reading.mixture).mean()) == pytest.approx(fitted.mixture_perplexity, rel=1e-4)
    assert np.exp(-np.log(reading.parts[0]).mean()) == pytest.approx(fitted.network_perplexity, rel=1e-4)


def test_short_and_long_texts(model):
    with pytest.raises(InputError, match="held-out"):
        fit(model, np.empty(0, np.int32))
    assert fit(model, np.array([3], np.int32)).mixture.network > 0
    words = np.random.default_rng(2).integers(0, len(model.vocabulary), size=300).astype(np.int32)
    assert fit(model, words, max_words=100) == fit(model, words[:100])
