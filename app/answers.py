"""Answers written once: what a route has computed becomes bytes without passing through a model of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response

from app.schemas import SCORE_DECIMALS
from artifact.embedding import Neighbour

JSON = "application/json"


def respond_json(content: Mapping[str, Any]) -> Response:
    """``content`` as JSON; numbers must be finite and texts free of lone surrogates."""
    return Response(to_json(content), media_type=JSON)


def list_scored(neighbours: Sequence[Neighbour]) -> list[dict[str, Any]]:
    """Words and scores as the answers have them."""
    return [
        {"word": neighbour.word, "score": round(neighbour.score, SCORE_DECIMALS)} for neighbour in neighbours
    ]


def mark_words(composed: Sequence[str], matched: Mapping[str, str]) -> dict[str, Any]:
    """The members that say how words were found; none where all are in the vocabulary as asked."""
    return ({"oov": True} if composed else {}) | ({"matched": dict(matched)} if matched else {})


def mark_path(recall: float | None) -> dict[str, Any]:
    """The members that say that an index answered, and its recall; none where the answer is exact."""
    return {} if recall is None else {"path": "index", "recall": recall}
