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
Matched = Annotated[
    dict[str, str],
    Field(
        description=(
            "Words of the question that the vocabulary has in another case only, and the spelling that answered for each. "
            "Left out where there are none."
        ),
        examples=[{"CAR": "car"}],
    ),
]


Exact = Annotated[
    bool,
    Field(
        description=(
            "Look at every word, where the model has an index too, by which a word may be missed. What `among`, "
            "`restrict_vocab` or `3cosmul` narrow or change is searched exactly anyway."
        )
    ),
]
Path = Annotated[
    Literal["index"] | None,
    Field(
        description=(
            "`index` where an index found the words: the scores are exact, but a word may be missing. Left out where the "
            "answer is exact."
        ),
        examples=["index"],
    ),
]
Recall = Annotated[
    float | None,
    Field(
        ge=0,
        le=1,
        description=(
            "With `path`: the share of the ten nearest words that this index finds, as measured when it was made."
        ),
        examples=[0.9991],
    ),
]


def show(example: dict[str, Any]) -> ConfigDict:
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
    exact: Exact = False


class SimilarityParameters(Parameters):
    """The parameters of GET /similarity."""

    a: Annotated[Word, Field(description="One word.", examples=["car"])]
    b: Annotated[Word, Field(description="The other word.", examples=["truck"])]


class Strict(BaseModel):
    """A part of a body, read strictly. Numbers are numbers: "10" and true are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Body(Strict):
    """Fields that every question in a body takes."""

    model: Model = None
    version: Version = None


class Answer(BaseModel):
    """What every answer carries: where it came from."""

    model: Annotated[str, Field(description="The model that answered.", examples=["sample"])]
    version: Annotated[str, Field(description="Its version.", examples=["20260102T030405Z-0a1b2c3d"])]


class ScoredWord(BaseModel):
    """A word and how near it is to what was asked for."""

    word: Annotated[str, Field(examples=["truck"])]
    score: Annotated[
        Score, Field(description="Cosine, -1 to 1; with `3cosmul` the quotient, 0 or more.", examples=[0.83])
    ]


class NeighbourList(BaseModel):
    """Words by falling score; ties stand in the order of the vocabulary."""

    results: list[ScoredWord]
    oov: Oov = False
    matched: Matched = {}
    path: Path = None
    recall: Recall = None


class Neighbours(NeighbourList, Answer):
    """Words by falling score; ties stand in the order of the vocabulary."""


class Similarity(Answer):
    """The cosine of two words."""

    score: Annotated[Score, Field(description="Cosine, -1 to 1.", examples=[0.76])]
    oov: Oov = False
    matched: Matched = {}


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
    pinned: Annotated[
        str | None, Field(description="The version it is held to. Null: the newest good one is served.")
    ]
    default: Annotated[bool, Field(description="Whether it answers where a request names no model.")]
    created: Annotated[str, Field(description="UTC.", examples=["20260102T030405Z"])]
    words: Annotated[int, Field(description="The size of the vocabulary.", examples=[4096])]
    dimensions: Annotated[int | None, Field(description="Null for a language model.", examples=[100])]
    tokenizer: Annotated[str, Field(examples=["words"])]
    license: str
    provenance: str
    warnings: Annotated[
        list[str], Field(description="What of the version this server cannot make use of, and why.")
    ] = []


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
        list[str], Field(description="unknown-word: known words close to the first few unknown ones.")
    ] = []
    errors: Annotated[list[FieldError], Field(description="invalid-request: each part that is wrong.")] = []
    choices: Annotated[
        list[str],
        Field(
            description="model-choice, wrong-kind: the models to choose from; not-acceptable: the media types."
        ),
    ] = []
    limit: Annotated[int | None, Field(description="What the limit is, where one was passed.")] = None
