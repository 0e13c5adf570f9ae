import numpy as np
import pytest
from language_serving.models import MIXTURE, make_ngrams, make_tokens, make_weights, publish_model

from artifact.errors import Corrupt, InputError, Unsupported, WrongKind
from artifact.language_files import write_language_model
from artifact.store import Store


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_what_is_published_answers(root, cell):
    version = publish_model(root, "news", cell=cell)
    model = Store(root).open("news").language_model()
    assert (model.name, model.version) == ("news", version)
    assert model.mixture == MIXTURE
    assert model.ngrams.order == 5
    assert not model.network._output.flags.owndata
    words, remaining = model.next_words(model.start(), top=3)
    assert len(words) == 3
    assert 0 < remaining < 1
    Store(root).verify("news", version)


def test_half_precision_answers_nearly_the_same(root):
    publish_model(root, "whole", tied=True)
    publish_model(root, "half", tied=True, dtype="float16")
    whole, half = (Store(root).open(name).language_model() for name in ("whole", "half"))
    np.testing.assert_allclose(half.predict([half.start()]), whole.predict([whole.start()]), atol=5e-3)
    sizes = [Store(root).open(name).manifest.files["weights"].bytes for name in ("whole", "half")]
    assert sizes[1] < 0.7 * sizes[0]


def test_kinds_are_not_mixed_up(root):
    publish_model(root, "news")
    with pytest.raises(WrongKind, match="is a language model, not an embedding"):
        Store(root).open("news").embedding()


def test_a_lie_in_the_recipe_is_refused(root):
    publish_model(root, "cell", recipe={"cell": "transformer"})
    with pytest.raises(Unsupported, match="transformer"):
        Store(root).open("cell").language_model()
    publish_model(root, "mixture", mixture=None, recipe={"mixture": {"network": 2.0}})
    with pytest.raises(Corrupt, match=r"mixture/.*mixture"):
        Store(root).open("mixture").language_model()
    publish_model(root, "ngrams", mixture=None, recipe={"mixture": MIXTURE.to_json()})
    with pytest.raises(Corrupt, match="has n-grams"):
        Store(root).open("ngrams").language_model()
    publish_model(root, "shape", tamper=lambda weights: weights.update({"layer0.b": weights["layer0.b"][1:]}))
    with pytest.raises(Corrupt, match=r"shape/.*layer0\.b"):
        Store(root).open("shape").language_model()


def test_what_cannot_be_served_is_not_written(root):
    rng = np.random.default_rng(0)
    tokens = make_tokens()
    whole = {
        "tokens": tokens,
        "counts": np.ones(len(tokens), np.int64),
        "weights": make_weights(rng, size=len(tokens)),
    }

    def refused(message, **change):
        with Store(root, create=True).draft("news") as draft, pytest.raises(InputError, match=message):
            write_language_model(draft, **{**whole, **change})

    refused("do not fit", tokens=tokens[1:])
    refused("do not fit", ngrams=make_ngrams(rng, tokens[:-1]))
    broken = {**whole["weights"], "output_bias": np.full(len(tokens), np.nan, np.float32)}
    refused("output_bias has a weight that is not finite", weights=broken)
    large = {**whole["weights"], "embedding": whole["weights"]["embedding"] * 1e6}
    refused("embedding has a weight that is not finite as float16", weights=large, dtype="float16")


def test_verifying_finds_what_hashes_cannot(root):
    def spoil(weights):
        weights["output_bias"][3] = np.inf

    with pytest.raises(InputError):
        publish_model(root, "news", tamper=spoil)
    version = publish_model(root, "news")
    Store(root).verify("news", version)
    path = root / "news" / version / "ngrams.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(Corrupt, match=r"ngrams\.safetensors"):
        Store(root).open("news")
