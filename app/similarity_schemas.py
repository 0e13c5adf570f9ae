"""What questions for how alike words, sets of words and texts are look like, and their answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Discriminator, FailFast, Field, Tag

from app.batches import AT_MOST_A_BATCH, MANY, Failure
from app.openai_schemas import Weighting
from app.schemas import Answer, Body, Matched, Oov, Score, Strict, Words, show

WordSets = Annotated[
    list[Annotated[Words, Field(min_length=1)]],
    FailFast(),
    Field(min_length=1, json_schema_extra={"x-limit": {"maxItems": "max_words"}}),
]
Texts = Annotated[
    list[
        Annotated[
            str, Field(min_length=1, json_schema_extra={"x-limit": {"maxLength": "max_text_characters"}})
        ]
    ],
    FailFast(),
    Field(min_length=1, json_schema_extra={"x-limit": {"maxItems": "max_texts"}}),
]


class WordsSimilarity(Strict):
    """Words against words."""

    mode: Annotated[Literal["words"], Field(description="What `a` and `b` hold: words.")] = "words"
    a: Annotated[Words, Field(min_length=1, description="The rows of the answer.")]
    b: Annotated[Words, Field(min_length=1, description="Its columns.")]


class SetsSimilarity(Strict):
    """Sets of words against sets of words."""

    mode: Annotated[
        Literal["sets"],
        Field(
            description="What `a` and `b` hold: sets of words, compared by the means of their unit vectors."
        ),
    ]
    a: Annotated[WordSets, Field(description="The rows of the answer.")]
    b: Annotated[WordSets, Field(description="Its columns.")]


class TextsSimilarity(Strict):
    """Texts against texts."""

    mode: Annotated[
        Literal["texts"],
        Field(
            description=(
                "What `a` and `b` hold: texts, tokenized as in training and compared by the means of their words' vectors, "
                "frequent words weighing less."
            )
        ),
    ]
    a: Annotated[Texts, Field(description="The rows of the answer.")]
    b: Annotated[Texts, Field(description="Its columns.")]
    smoothing: Annotated[
        float,
        Field(
            gt=0,
            le=1_000,
            allow_inf_nan=False,
            description="A word whose share of the training text is p weighs smoothing / (smoothing + p).",
        ),
    ] = 1e-3


class WordsSimilarityBody(WordsSimilarity, Body):
    """The body of POST /similarity, for words."""

    model_config = show({"a": ["car"], "b": ["truck", "king"]})


class SetsSimilarityBody(SetsSimilarity, Body):
    """The body of POST /similarity, for sets of words."""

    model_config = show({"mode": "sets", "a": [["car", "truck"]], "b": [["king", "queen"], ["bus"]]})


class TextsSimilarityBody(TextsSimilarity, Body):
    """The body of POST /similarity, for texts."""

    model_config = show({"mode": "texts", "a": ["the king"], "b": ["a queen", "a car and a truck"]})


def _tell_mode(body: Any) -> str:
    mode = body.get("mode", "words") if isinstance(body, dict) else "words"
    return f"<{mode}>" if mode in ("sets", "texts") else "<words>"


def _tell_body(body: Any) -> str:
    return MANY if isinstance(body, dict) and "queries" in body else _tell_mode(body)


SimilarityQuery = Annotated[
    Annotated[WordsSimilarity, Tag("<words>")]
    | Annotated[SetsSimilarity, Tag("<sets>")]
    | Annotated[TextsSimilarity, Tag("<texts>")],
    Discriminator(_tell_mode),
]


class SimilarityBatch(Body):
    """The body of POST /similarity with several questions."""

    model_config = show({"queries": [{"a": ["car"], "b": ["truck"]}]})

    queries: Annotated[list[SimilarityQuery], FailFast(), AT_MOST_A_BATCH]


SimilarityRequest = Annotated[
    Annotated[WordsSimilarityBody, Tag("<words>")]
    | Annotated[SetsSimilarityBody, Tag("<sets>")]
    | Annotated[TextsSimilarityBody, Tag("<texts>")]
    | Annotated[SimilarityBatch, Tag(MANY)],
    Discriminator(_tell_body),
]


class SimilarityResult(BaseModel):
    """The cosines of everything in `a` (rows) with everything in `b` (columns)."""

    scores: Annotated[list[list[Score]], Field(examples=[[[0.76, 0.71]]])]
    settings: Annotated[
        Weighting | None, Field(description="How texts became vectors. Left out for words and sets.")
    ] = None
    oov: Oov = False
    matched: Matched = {}


class SimilarityMatrix(SimilarityResult, Answer):
    """The cosines of everything in `a` (rows) with everything in `b` (columns)."""


class SimilarityMatrices(Answer):
    """An answer for each of the queries, in their order."""

    answers: list[SimilarityResult | Failure]
