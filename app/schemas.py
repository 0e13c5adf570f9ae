"""What requests and answers look like. Requests refuse fields they do not know; answers name their model and version."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, FailFast, Field, StringConstraints

MAX_WORD_CHARACTERS = 1_000
SCORE_DECIMALS = 7

# `x-limit` names the setting that bounds a field; app.openapi writes its value into the published schema.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Word = Annotated[str, StringConstraints(min_length=1, max_length=MAX_WORD_CHARACTERS)]
Words = Annotated[list[Word], FailFast(), Field(json_schema_extra={"x-limit": {"maxItems": "max_words"}})]
Top = Annotated[
    int,
    Field(
        ge=1,
        description="How many results to give, best first.",
        json_schema_extra={"x-limit": {"maximum": "max_top"}},
    ),
]
Model = Annotated[
    Name | None,
    Field(
        description="The model to ask. Without it: the only one of the kind, else the server's default.",
    ),
]
Version = Annotated[
    Name | None,
    Field(
        description="The version to ask. Without it: the newest one that is served.",
    ),
]
Score = Annotated[
    float, AfterValidator(lambda score: round(score, SCORE_DECIMALS)), Field(allow_inf_nan=False)
]


Oov = Annotated[
    bool,
    Field(
        description=(
            "True where a word of the question is not in the vocabulary and its vector was composed from character "
            "n-grams. Left out otherwise."
        ),
        examples=[True],
    ),
]


def _show(example: dict[str, Any]) -> ConfigDict:
    """A whole body as an example: what the documentation page sends at the press of a button."""
    return ConfigDict(json_schema_extra={"examples": [example]})


class Parameters(BaseModel):
    """Query parameters that every question takes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Model = None
    version: Version = None


class SimilarParameters(Parameters):
    """The parameters of GET /similar."""

    word: Annotated[Word, Field(description="The word to start from.", examples=["car"])]
    top: Top = 10


class SimilarityParameters(Parameters):
    """The parameters of GET /similarity."""

    a: Annotated[Word, Field(description="One word.", examples=["car"])]
    b: Annotated[Word, Field(description="The other word.", examples=["truck"])]


class Body(BaseModel):
    """Fields that every question in a body takes. Numbers are numbers: "10" and true are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    model: Model = None
    version: Version = None


class SimilarBody(Body):
    """The body of POST /similar."""

    model_config = _show({"positive": ["king", "woman"], "negative": ["man"], "top": 5})

    positive: Annotated[Words, Field(description="Words to move towards.")] = []
    negative: Annotated[Words, Field(description="Words to move away from.")] = []
    top: Top = 10


class AnalogyBody(Body):
    """The body of POST /analogy: `a` is to `b` as `c` is to what?"""

    model_config = _show({"a": "king", "b": "man", "c": "queen", "top": 5})

    a: Word
    b: Word
    c: Word
    top: Top = 5


class VectorsBody(Body):
    """The body of POST /vectors."""

    model_config = _show({"words": ["car", "truck"]})

    words: Annotated[Words, Field(min_length=1)]


class SimilarityBody(Body):
    """The body of POST /similarity."""

    model_config = _show({"a": ["car"], "b": ["truck", "king"]})

    a: Annotated[Words, Field(min_length=1, description="The rows of the answer.")]
    b: Annotated[Words, Field(min_length=1, description="Its columns.")]


class Answer(BaseModel):
    """What every answer carries: where it came from."""

    model: Annotated[str, Field(description="The model that answered.", examples=["sample"])]
    version: Annotated[str, Field(description="Its version.", examples=["20260102T030405Z-0a1b2c3d"])]


class ScoredWord(BaseModel):
    """A word and its cosine with what was asked for."""

    word: Annotated[str, Field(examples=["truck"])]
    score: Annotated[Score, Field(description="Cosine, -1 to 1.", examples=[0.83])]


class Neighbours(Answer):
    """Words by falling cosine; ties stand in the order of the vocabulary."""

    results: list[ScoredWord]
    oov: Oov = False


class WordVector(BaseModel):
    """A word as it was asked for, and its vector."""

    word: Annotated[str, Field(examples=["car"])]
    vector: Annotated[
        list[Annotated[float, Field(allow_inf_nan=False)]],
        Field(description="As trained, not normalised.", examples=[[0.125, -0.5, 0.75]]),
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


class Vectors(Answer):
    """Vectors in the order of the words asked for."""

    results: list[WordVector]


class Similarity(Answer):
    """The cosine of two words."""

    score: Annotated[Score, Field(description="Cosine, -1 to 1.", examples=[0.76])]
    oov: Oov = False


class SimilarityMatrix(Answer):
    """The cosines of every word of `a` (rows) with every word of `b` (columns)."""

    scores: Annotated[list[list[Score]], Field(examples=[[[0.76, 0.71]]])]
    oov: Oov = False


class VersionFault(BaseModel):
    """A version in the store that cannot be served, and why."""

    model: str
    version: Annotated[str | None, Field(description="Null where even the newest version could not be told.")]
    reason: Literal["corrupt", "unsupported", "unreadable"]
    detail: str


class ModelSummary(BaseModel):
    """A model that is served."""

    name: Annotated[str, Field(examples=["sample"])]
    kind: Annotated[Literal["embedding", "language-model"], Field(examples=["embedding"])]
    version: Annotated[
        str, Field(description="The version that answers.", examples=["20260102T030405Z-0a1b2c3d"])
    ]
    versions: Annotated[list[str], Field(description="Every published version, oldest first.")]
    default: Annotated[bool, Field(description="Whether it answers where a request names no model.")]
    created: Annotated[str, Field(description="UTC.", examples=["20260102T030405Z"])]
    words: Annotated[int, Field(description="The size of the vocabulary.", examples=[4096])]
    dimensions: Annotated[int | None, Field(description="Null for a language model.", examples=[100])]
    tokenizer: Annotated[str, Field(examples=["words"])]
    license: str
    provenance: str


class Models(BaseModel):
    """The models that are served, and the versions in the store that cannot be."""

    models: list[ModelSummary]
    faults: list[VersionFault]


class ModelDetail(ModelSummary):
    """A model with all that its manifest says."""

    recipe: Annotated[dict[str, Any], Field(description="The settings it was trained with.")]
    metrics: Annotated[dict[str, Any], Field(description="What was measured of it.")]
    bytes: Annotated[int, Field(description="The size of its files.")]
    faults: list[VersionFault]


class Alive(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Ready(BaseModel):
    """Models are open and answer. `degraded`: they do, but not every newest version is among them."""

    status: Literal["ready", "degraded"]
    models: Annotated[
        dict[str, str],
        Field(description="Name to version.", examples=[{"sample": "20260102T030405Z-0a1b2c3d"}]),
    ]
    faults: list[VersionFault]


class FieldError(BaseModel):
    """One part of a request that is wrong. Never the value itself."""

    location: Annotated[list[str | int], Field(description="Where it stands.", examples=[["body", "top"]])]
    message: Annotated[str, Field(examples=["Input should be greater than or equal to 1"])]


class Problem(BaseModel):
    """An error (RFC 9457). `type` tells errors apart; the members after `detail` come with some types only."""

    type: Annotated[str, Field(examples=["urn:wordkin:problem:unknown-word"])]
    title: Annotated[str, Field(examples=["A word is not in the vocabulary"])]
    status: Annotated[int, Field(ge=400, le=599, examples=[404])]
    detail: Annotated[str, Field(examples=["not in the vocabulary: automobil"])]
    oov: Annotated[list[str], Field(description="unknown-word: every word that is unknown.")] = []
    suggestions: Annotated[
        list[str], Field(description="unknown-word: known words close to the first unknown one.")
    ] = []
    errors: Annotated[list[FieldError], Field(description="invalid-request: each part that is wrong.")] = []
    choices: Annotated[
        list[str], Field(description="model-choice, wrong-kind: the models to choose from.")
    ] = []
    limit: Annotated[int | None, Field(description="What the limit is, where one was passed.")] = None
