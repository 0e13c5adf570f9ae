"""A folder that ``model2vec.StaticModel.from_pretrained`` loads: a tokenizer of whole words, and a vector for each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.embedding import Embedding
from artifact.formats.model2vec import CONFIG_FILE, TOKENIZER_FILE, WEIGHTS_FILE
from artifact.tensor_stream import TensorStream
from artifact.tokenizer import DIGIT_WORDS, Tokenizer

_UNKNOWN = "[UNK]"
_SIDE, _FIRST, _INNER = r"[\p{L}\p{M}]", r"[\p{L}\p{N}]", r"[\p{L}\p{M}\p{N}]"
_WORDS = rf"{_FIRST}{_INNER}*(?:(?<={_SIDE})['\x{{200c}}\x{{200d}}](?={_SIDE}){_INNER}+)*"


def write_model2vec(
    folder: Path,
    blocks: Iterator[tuple[Sequence[str], NDArray[np.float32]]],
    *,
    embedding: Embedding,
    dtype: np.dtype[Any],
) -> None:
    """Write config, tokenizer and vectors to ``folder``.

    A text's vector there is the plain mean of its words'. A word that nothing is known of is ``[UNK]``, with a vector of
    zeros, which model2vec leaves out of the mean. Vectors of subwords do not go along.
    """
    vocabulary = embedding.vocabulary
    unknown = vocabulary.id(_UNKNOWN)
    with TensorStream(
        folder / WEIGHTS_FILE,
        "embeddings",
        columns=embedding.dim,
        dtype=dtype,
        beside={},
        expected=len(vocabulary) + (unknown is None),
    ) as stream:
        for _, vectors in blocks:
            stream.append(vectors.astype(dtype))
        if unknown is None:
            stream.append(np.zeros((1, embedding.dim), dtype))
        stream.finish({})
    config = {
        "model_type": "model2vec",
        "architectures": ["StaticModel"],
        "hidden_dim": embedding.dim,
        "seq_length": 1_000_000,
        "normalize": False,
    }
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n")
    _write_tokenizer(folder / TOKENIZER_FILE, embedding, len(vocabulary) if unknown is None else unknown)


def _write_tokenizer(path: Path, embedding: Embedding, unknown: int) -> None:
    """The file format of the ``tokenizers`` library, its vocabulary a word at a time."""
    head = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": unknown,
                "content": _UNKNOWN,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
        ],
        "normalizer": _describe_normalizer(embedding.tokenizer),
        "pre_tokenizer": _describe_splitting(embedding.tokenizer),
        "post_processor": None,
        "decoder": None,
    }
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(head, ensure_ascii=False)[:-1])
        file.write(', "model": {"type": "WordLevel", "vocab": {')
        file.write(f'"{_UNKNOWN}": {unknown}')
        for token_id, token in enumerate(embedding.vocabulary):
            if token_id != unknown:
                file.write(f",\n{json.dumps(token, ensure_ascii=False)}: {token_id}")
        file.write(f'}}, "unk_token": "{_UNKNOWN}"}}}}\n')


def _describe_normalizer(tokenizer: Tokenizer) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"type": "NFC"}]
    if tokenizer.name == "letters":
        steps += [
            {"type": "Replace", "pattern": {"String": str(digit)}, "content": f" {word} "}
            for digit, word in enumerate(DIGIT_WORDS)
        ]
    if tokenizer.name == "words":
        steps += [
            {"type": "Replace", "pattern": {"String": "’"}, "content": "'"},
            {"type": "Replace", "pattern": {"String": "\u00ad"}, "content": ""},
        ]
    if tokenizer.name != "whitespace":
        steps += [{"type": "Lowercase"}, {"type": "NFC"}]
    return {"type": "Sequence", "normalizers": steps}


def _describe_splitting(tokenizer: Tokenizer) -> dict[str, Any]:
    if tokenizer.name == "whitespace":
        return {"type": "WhitespaceSplit"}
    pattern = _WORDS if tokenizer.name == "words" else "[a-z]+"
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Removed", "invert": True}
