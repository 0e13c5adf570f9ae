"""Static embeddings of tokenizer entries: model2vec's folders and sentence-transformers' StaticEmbedding.

A ``model.safetensors`` with one row a token, and the ``tokenizer.json`` (of the ``tokenizers`` library) that numbers them.
Of the tokenizer only its vocabulary is read: words stay words, and pieces of words are entries named as WordPiece names
them, ``##ing``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.errors import InputError, WordkinError
from artifact.formats.foreign import Foreign, Places, Rows, rows_at_once
from artifact.formats.remarks import Remarks
from artifact.formats.token_names import name_tokens
from artifact.weights import map_tensors

FORMAT = "model2vec"
WEIGHTS_FILE, TOKENIZER_FILE, CONFIG_FILE = "model.safetensors", "tokenizer.json", "config.json"
_TENSORS = ("embeddings", "embedding.weight")
_FLOATS = (np.float16, np.float32, np.float64)
_MOST_TOKENIZER_BYTES = 1 << 30


def open_model2vec(path: Path) -> Foreign:
    """The words and vectors of the folder at ``path``, or of a safetensors file beside its tokenizer.json. Raises InputError."""
    weights_path, tokenizer_path = _find_files(path)
    try:
        tensors = map_tensors(weights_path)
    except WordkinError as error:
        raise InputError(str(error)) from None
    table = _find_table(tensors, name=weights_path.name)
    mapping, weights = tensors.get("mapping"), tensors.get("weights")
    tokenizer = _read_json(tokenizer_path)
    tokens, pieces = name_tokens(tokenizer, name=tokenizer_path.name)
    rows = len(table) if mapping is None else len(mapping)
    _check_sizes(tokens, rows, table=table, mapping=mapping, weights=weights, name=weights_path.name)
    remarks = Remarks()
    if pieces:
        remarks.say(
            "pieces", f"{pieces:,} tokens are pieces of words; they are named as in ##ing", count=pieces
        )
    if unnamed := rows - len(tokens):
        remarks.say("unnamed-rows", f"{unnamed:,} rows belong to no token; they were left out", count=unnamed)
    unknown = tokenizer["model"].get("unk_token")
    tokens = {
        token_id: word
        for token_id, word in tokens.items()
        # What stands for words that nothing is known of, and so has no direction, is no word.
        if word.decode() != unknown or table[token_id if mapping is None else mapping[token_id]].any()
    }
    done = [0]
    return Foreign(
        format=FORMAT,
        dim=int(table.shape[1]),
        words=len(tokens),
        blocks=_read(sorted(tokens.items()), table, mapping, weights, done),
        precision="float16" if table.dtype == np.float16 and weights is None else "float32",
        progress=lambda: (done[0], rows * table.shape[1] * table.dtype.itemsize),
        remarks=remarks,
    )


def _find_files(path: Path) -> tuple[Path, Path]:
    if not path.is_dir():
        weights = path
        folders = [path.parent]
    else:
        folders = [path, *sorted(child for child in path.iterdir() if child.is_dir())]
        found = [folder / WEIGHTS_FILE for folder in folders if (folder / WEIGHTS_FILE).is_file()]
        if not found:
            raise InputError(f"{path.name}: no {WEIGHTS_FILE} in this folder: not a {FORMAT} model")
        weights = found[0]
        folders = [weights.parent, path]
    for folder in folders:
        if (folder / TOKENIZER_FILE).is_file():
            return weights, folder / TOKENIZER_FILE
    raise InputError(f"{path.name}: no {TOKENIZER_FILE} beside {weights.name}")


def _read_json(path: Path) -> Any:
    try:
        if path.stat().st_size > _MOST_TOKENIZER_BYTES:
            raise InputError(f"{path.name}: larger than {_MOST_TOKENIZER_BYTES:,} bytes")
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise InputError(f"{path.name}: not JSON") from None


def _find_table(tensors: dict[str, NDArray[Any]], *, name: str) -> NDArray[Any]:
    tables = {
        key: array
        for key, array in tensors.items()
        if array.ndim == 2 and array.dtype in _FLOATS and array.size
    }
    for key in _TENSORS:
        if key in tables:
            return tables[key]
    if len(tables) != 1:
        raise InputError(f"{name}: there is no tensor {' or '.join(_TENSORS)} with one row a token")
    return next(iter(tables.values()))


def _check_sizes(
    tokens: dict[int, bytes],
    rows: int,
    *,
    table: NDArray[Any],
    mapping: NDArray[Any] | None,
    weights: NDArray[Any] | None,
    name: str,
) -> None:
    if mapping is not None and (
        mapping.ndim != 1
        or mapping.dtype.kind not in "iu"
        or not ((mapping >= 0) & (mapping < len(table))).all()
    ):
        raise InputError(f"{name}: the tensor mapping does not name rows of the embeddings")
    if weights is not None and (weights.shape != (rows,) or weights.dtype not in _FLOATS):
        raise InputError(f"{name}: the tensor weights has not one number for each of {rows:,} tokens")
    beyond = [token_id for token_id in tokens if token_id >= rows]
    if beyond:
        raise InputError(
            f"{name}: there are {rows:,} rows, but the tokenizer has a token with id {max(beyond):,}"
        )


def _read(
    tokens: list[tuple[int, bytes]],
    table: NDArray[Any],
    mapping: NDArray[Any] | None,
    weights: NDArray[Any] | None,
    done: list[int],
) -> Iterator[Rows]:
    step = rows_at_once(table.shape[1])
    for first in range(0, len(tokens), step):
        block = tokens[first : first + step]
        ids = np.array([token_id for token_id, _ in block])
        vectors = table[ids if mapping is None else mapping[ids]]
        if weights is not None:
            vectors = vectors * weights[ids, np.newaxis]
        done[0] = int(ids[-1] + 1) * table.shape[1] * table.dtype.itemsize
        yield Rows([word for _, word in block], vectors, where=Places("token", ids.tolist()))
