"""Servers to compare with: a bare FastAPI route that returns a constant, and gensim's KeyedVectors behind FastAPI.

Both are written as a person would write them who knows FastAPI well.
"""

from __future__ import annotations

import os
from pathlib import Path

from fastapi import FastAPI, Response
from pydantic import BaseModel


def make_constant():
    """GET /similar answers with the bytes of the file CONSTANT, whatever is asked: the least that FastAPI can do."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    body = Path(os.environ["CONSTANT"]).read_bytes()

    @app.get("/similar")
    async def similar():
        return Response(body, media_type="application/json")

    return app


class Asked(BaseModel):
    positive: list[str] = []
    negative: list[str] = []
    top: int = 10


def make_gensim():
    """GET and POST /similar answer with ``most_similar`` of the KeyedVectors in the file VECTORS."""
    from gensim.models import KeyedVectors

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    vectors = KeyedVectors.load(os.environ["VECTORS"], mmap="r")
    vectors.fill_norms()

    def answer(found):
        return {"results": [{"word": word, "score": score} for word, score in found]}

    @app.get("/similar")
    def get_similar(word: str, top: int = 10):
        return answer(vectors.most_similar(word, topn=top))

    @app.post("/similar")
    def post_similar(asked: Asked):
        return answer(vectors.most_similar(positive=asked.positive, negative=asked.negative, topn=asked.top))

    return app
