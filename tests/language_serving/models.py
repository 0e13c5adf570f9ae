"""Small language models with random weights, whole but for training."""

import numpy as np

from artifact.language import EOS, UNK, LanguageModel
from artifact.language_files import write_language_model
from artifact.mixture import Mixture
from artifact.store import Store
from artifact.tokenizer import Tokenizer
from artifact.vocabulary import Vocabulary
from trainer.ngrams import build_ngrams

WORDS = [
    "the",
    "company",
    "said",
    "it",
    "would",
    "buy",
    "shares",
    "of",
    "a",
    "market",
    "sell",
    "stock",
    "서울",
    "naïve",
    "saying",
]
MIXTURE = Mixture(
    network=0.5,
    ngrams=0.2,
    cache=0.1,
    pointer=0.2,
    cache_words=12,
    cache_decay=0.9,
    pointer_words=7,
    pointer_sharpness=0.5,
)
GATES = {"rnn": 1, "lstm": 4, "gru": 3}


def make_tokens(*, unknown=True, words=WORDS):
    return [EOS, *words[:3], *([UNK] if unknown else []), *words[3:]]


def make_weights(rng, *, size, cell="lstm", layers=2, hidden=8, inputs=None, tied=False, scale=0.5):
    """Random weights, named as in an artifact."""
    widths = [inputs or hidden, *[hidden] * layers]
    weights = {"embedding": rng.normal(size=(size, widths[0]))}
    for number in range(layers):
        wide = GATES[cell] * hidden
        weights[f"layer{number}.w_x"] = rng.normal(size=(widths[number], wide)) * scale
        weights[f"layer{number}.w_h"] = rng.normal(size=(hidden, wide)) * scale
        weights[f"layer{number}.b"] = rng.normal(size=wide) * scale
        if cell == "gru":
            weights[f"layer{number}.b_h"] = rng.normal(size=wide) * scale
    if not tied:
        weights["output"] = rng.normal(size=(hidden, size))
    weights["output_bias"] = rng.normal(size=size)
    return {name: array.astype(np.float32) for name, array in weights.items()}


def make_ngrams(rng, tokens):
    stream = (rng.random(3000) ** 2 * len(tokens)).astype(np.int32)
    return build_ngrams(stream, vocab_size=len(tokens), eos_id=tokens.index(EOS))


def make_model(*, seed=1, mixture=MIXTURE, unknown=True, tokenizer="words", **shape):
    rng = np.random.default_rng(seed)
    tokens = make_tokens(unknown=unknown)
    cell = shape.get("cell", "lstm")
    return LanguageModel.from_tensors(
        make_weights(rng, size=len(tokens), **shape),
        recipe={"cell": cell, **({"mixture": mixture.to_json()} if mixture else {})},
        ngrams=make_ngrams(rng, tokens).tensors if mixture else None,
        vocabulary=Vocabulary.from_tokens(tokens, np.arange(len(tokens), 0, -1, dtype=np.int64)),
        tokenizer=Tokenizer(tokenizer),
        name="small",
    )


def publish_model(
    root,
    name,
    *,
    seed=1,
    mixture=MIXTURE,
    dtype="float32",
    unknown=True,
    recipe=None,
    tamper=None,
    created=None,
    **shape,
):
    """A small language model in the store at ``root``; returns its version. ``tamper`` may change its weights."""
    rng = np.random.default_rng(seed)
    tokens = make_tokens(unknown=unknown)
    weights = make_weights(rng, size=len(tokens), **shape)
    if tamper:
        tamper(weights)
    recipe = {"cell": shape.get("cell", "lstm"), **(recipe or {})}
    if mixture:
        recipe["mixture"] = mixture.to_json()
    with Store(root, create=True).draft(name) as draft:
        write_language_model(
            draft,
            tokens=tokens,
            counts=np.arange(len(tokens), 0, -1, dtype=np.int64),
            weights=weights,
            ngrams=make_ngrams(rng, tokens) if mixture else None,
            dtype=dtype,
        )
        return draft.publish(
            kind="language-model",
            tokenizer=Tokenizer("words"),
            recipe=recipe,
            metrics={"valid_perplexity": 9.5},
            created=created,
        )
