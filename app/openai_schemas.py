"""What OpenAI's clients send and read. Answers have a few more fields, which those clients pass over."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

_ONE_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}


def _list_texts(value: Any) -> Any:
    """One text as a list of one. Raises PydanticCustomError with a message of its own for what is no text."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        first = value[0] if value else ""
        if isinstance(first, str):
            return value
        if isinstance(first, int | list) and not isinstance(first, bool):
            raise PydanticCustomError(
                "token_ids",
                "Token ids are not read, since they number the words of another model: send texts "
                "(in LangChain: check_embedding_ctx_length=False)",
            )
    raise PydanticCustomError("texts", "Input should be a text or a list of texts")


Texts = Annotated[
    list[Annotated[str, StringConstraints(min_length=1)]],
    FailFast(),
    Field(min_length=1),
    BeforeValidator(_list_texts),
    WithJsonSchema(
        {
            "anyOf": [
                _ONE_TEXT,
                {"type": "array", "items": _ONE_TEXT, "minItems": 1, "x-limit": {"maxItems": "max_texts"}},
            ]
        }
    ),
]


class EmbeddingsBody(BaseModel):
    """The body of POST /v1/embeddings."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        json_schema_extra={"examples": [{"model": "sample", "input": ["the king", "a car and a truck"]}]},
    )

    model: Annotated[
        str,
        Field(
            min_length=1,
            max_length=200,
            description="The model to ask: NAME, or NAME@VERSION.",
            examples=["sample"],
        ),
    ]
    input: Annotated[
        Texts,
        Field(description="One text, or several. Arrays of token ids are refused.", examples=["the king"]),
    ]
    encoding_format: Annotated[
        Literal["float", "base64"],
        Field(
            description="`base64`: the bytes of a little-endian float32 array; fast, and what clients ask for."
        ),
    ] = "float"
    dimensions: Annotated[
        int | None,
        Field(ge=1, description="The number of dimensions that the model has; vectors are not cut short."),
    ] = None
    user: Annotated[str | None, Field(description="Passed over.")] = None


class TextEmbedding(BaseModel):
    """The vector of one text."""

    object: Literal["embedding"]
    index: Annotated[int, Field(ge=0, description="The place of the text in `input`.")]
    embedding: Annotated[
        list[float] | str,
        Field(description="The vector, of length 1; or its base64.", examples=[[0.6, -0.8]]),
    ]


class Usage(BaseModel):
    """What was read."""

    prompt_tokens: Annotated[int, Field(ge=0, description="The words of all texts.", examples=[7])]
    total_tokens: Annotated[int, Field(ge=0, description="The same.", examples=[7])]


class Weighting(BaseModel):
    """How the vector of a text was made of those of its words."""

    weighting: Annotated[
        Literal["smooth-inverse-frequency"],
        Field(
            description="The mean of the words' vectors, each weighing a / (a + p): Arora, Liang and Ma 2017."
        ),
    ]
    a: Annotated[float, Field(gt=0, examples=[0.001])]
    frequencies: Annotated[
        Literal["counts", "rank"],
        Field(
            description="Where p came from: the words' counts in training, or, without any, their place in the vocabulary."
        ),
    ]
    normalised: Annotated[bool, Field(description="Whether the vectors have length 1.", examples=[True])]


class TextEmbeddings(BaseModel):
    """The answer of POST /v1/embeddings."""

    object: Literal["list"]
    data: list[TextEmbedding]
    model: Annotated[str, Field(description="The model that answered.", examples=["sample"])]
    version: Annotated[str, Field(description="Its version.", examples=["20260102T030405Z-0a1b2c3d"])]
    settings: Weighting
    usage: Usage


class OpenAIModel(BaseModel):
    """A model that /v1/embeddings can be asked with."""

    id: Annotated[str, Field(examples=["sample"])]
    object: Literal["model"] = "model"
    created: Annotated[
        int, Field(description="When it was made, in seconds since 1970.", examples=[1767323045])
    ]
    owned_by: Annotated[str, Field(examples=["wordkin"])] = "wordkin"
    version: Annotated[str, Field(examples=["20260102T030405Z-0a1b2c3d"])]
    dimensions: Annotated[int, Field(ge=1, examples=[100])]


class OpenAIModels(BaseModel):
    """The answer of GET /v1/models."""

    object: Literal["list"] = "list"
    data: list[OpenAIModel]


class OpenAIErrorDetail(BaseModel):
    """What went wrong."""

    message: Annotated[str, Field(examples=["there is no model news; /models lists what there is"])]
    type: Annotated[str, Field(examples=["invalid_request_error"])]
    param: Annotated[str | None, Field(description="The field that is wrong.", examples=["model"])] = None
    code: Annotated[str | None, Field(examples=["model_not_found"])] = None


class OpenAIError(BaseModel):
    """Every error under /v1."""

    error: OpenAIErrorDetail
