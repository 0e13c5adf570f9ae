"""The bytes of answers to /v1/embeddings. Vectors go from NumPy to JSON without a model of each number in between."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json

from app.vector_encodings import encode_rows


def write_embeddings(
    vectors: NDArray[np.float32],
    *,
    base64: bool,
    model: str,
    version: str,
    settings: dict[str, Any],
    tokens: int,
) -> bytes:
    """The answer for ``vectors`` [N, D]: each as a list of numbers, or in base64 as little-endian float32."""
    if base64:
        texts, filling = encode_rows(vectors)
        written = [b'"%b%b"' % (text, filling) for text in texts]
    else:
        written = [to_json(row) for row in vectors.tolist()]
    data = b",".join(
        b'{"object":"embedding","index":%d,"embedding":%b}' % (index, vector)
        for index, vector in enumerate(written)
    )
    rest = {
        "model": model,
        "version": version,
        "settings": settings,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    return b'{"object":"list","data":[%b],%b' % (data, to_json(rest)[1:])
