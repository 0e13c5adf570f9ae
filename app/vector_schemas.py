"""What questions for vectors look like, and their answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from app.schemas import Answer, Body, Parameters, Words, show

Encoding = Annotated[
    Literal["float", "base64"],
    Field(
        description=(
            "How JSON holds a vector: `float`, a list of numbers; `base64`, the bytes of a little-endian float32 array, "
            "which is faster."
        )
    ),
]


class VectorParameters(Parameters):
    """The parameters of GET /vectors/{word}."""

    encoding: Encoding = "float"


class VectorsBody(Body):
    """The body of POST /vectors."""

    model_config = show({"words": ["car", "truck"]})

    words: Annotated[Words, Field(min_length=1)]
    encoding: Encoding = "float"


class WordVector(BaseModel):
    """A word as it was asked for, and its vector."""

    word: Annotated[str, Field(examples=["car"])]
    vector: Annotated[
        list[Annotated[float, Field(allow_inf_nan=False)]] | str,
        Field(description="As trained, not normalised; or its base64.", examples=[[0.125, -0.5, 0.75]]),
    ]
    oov: Annotated[
        bool,
        Field(
            description=(
                "True where the word is not in the vocabulary and the vector was composed from its character n-grams. "
                "Left out otherwise."
            ),
            examples=[True],
        ),
    ] = False
    matched: Annotated[
        str,
        Field(
            description="The spelling that was found, where the word is there in another case only. Left out otherwise.",
            examples=["Car"],
        ),
    ] = ""


class Vectors(Answer):
    """Vectors in the order of the words asked for."""

    results: list[WordVector]
