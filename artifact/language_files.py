"""The files of a language model: weights, vocabulary and n-grams, added to a version in the making."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from artifact.draft import Draft
from artifact.errors import InputError
from artifact.ngrams import NGrams
from artifact.vocabulary_index import encode_tokens, index_tokens
from artifact.weights import write_tensors


def write_language_model(
    draft: Draft,
    *,
    tokens: Sequence[str],
    counts: NDArray[np.int64],
    weights: Mapping[str, NDArray[Any]],
    ngrams: NGrams | None = None,
    dtype: Literal["float16", "float32"] = "float32",
) -> None:
    """Add to ``draft`` the ``weights`` (see Network), the vocabulary (``tokens`` and ``counts`` [V]) and ``ngrams``.

    Raises InputError for sizes that do not fit and for weights that are not finite (in float16: beyond 65,504).
    """
    sizes = {len(tokens), len(counts), len(weights["embedding"]), len(weights["output_bias"])}
    if len(sizes) > 1 or (ngrams is not None and ngrams.vocab_size not in sizes):
        raise InputError(f"{len(tokens)} tokens, {len(counts)} counts and the weights or n-grams do not fit")
    stored: dict[str, NDArray[Any]] = {"counts": counts.astype(np.int64, copy=False)}
    for name, array in weights.items():
        with np.errstate(over="ignore"):
            stored[name] = array.astype(dtype, copy=False)
        if not np.isfinite(stored[name]).all():
            raise InputError(f"{name} has a weight that is not finite as {dtype}")
    data = encode_tokens(tokens)
    index = index_tokens(data)
    draft.add("vocabulary", "vocabulary.txt", data)
    write_tensors(draft.add("vocabulary-index", "vocabulary.safetensors"), index)
    write_tensors(draft.add("weights", "weights.safetensors"), stored)
    if ngrams is not None:
        write_tensors(draft.add("ngrams", "ngrams.safetensors"), ngrams.tensors)
