"""The vectors of n-gram buckets, written to a draft as they come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from artifact.draft import Draft
from artifact.embedding_writer import Precision, convert_rows
from artifact.errors import InputError
from artifact.formats.foreign import NgramRows, Places
from artifact.subwords import REQUIREMENT
from artifact.tensor_stream import TensorStream


def write_ngram_rows(
    draft: Draft, subwords: NgramRows, *, dim: int, dtype: Precision, progress: Callable[[], object]
) -> dict[str, Any]:
    """Add the vectors of all buckets to ``draft``; returns what ``requires`` must say of them. Raises InputError."""
    buckets = subwords.ngrams.buckets
    with TensorStream(
        draft.add("subwords", "subwords.safetensors"),
        "rows",
        columns=dim,
        dtype=np.dtype(dtype),
        beside={"bucket_ids": np.dtype(np.int32)},
        expected=buckets,
    ) as stream:
        for block in subwords.blocks():
            name = Places("n-gram bucket", range(stream.rows, stream.rows + len(block)))
            stream.append(convert_rows(block, dtype, name=name))
            progress()
        if stream.rows != buckets:
            raise InputError(
                f"there are vectors of {stream.rows:,} n-gram buckets where {buckets:,} are said"
            )
        stream.finish({"bucket_ids": np.arange(buckets, dtype=np.int32)})
    return {REQUIREMENT: subwords.ngrams.to_json()}
