"""What questions for words nearest to others look like, and their answers: one question in a body, or `queries`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Discriminator, FailFast, Field, Tag

from app.batches import AT_MOST_A_BATCH, MANY, ONE, ONE_OR_MANY, Failure
from app.schemas import (
    MAX_WORD_CHARACTERS,
    Answer,
    Body,
    Exact,
    Matched,
    NeighbourList,
    Oov,
    Parameters,
    ScoredWord,
    Strict,
    Top,
    Word,
    Words,
    show,
)

MAX_WEIGHT = 1_000.0
MAX_DIMENSIONS = 65_536
LEAST_TO_MATCH = 3

Weight = Annotated[
    float,
    Field(gt=0, le=MAX_WEIGHT, allow_inf_nan=False, description="How much it counts beside the others."),
]
Method = Annotated[
    Literal["3cosadd", "3cosmul"],
    Field(
        description=(
            "`3cosadd`: the cosine with the weighted sum of the unit vectors. `3cosmul`: the product of the cosines with "
            "`positive`, brought to 0 to 1, over that with `negative` plus 0.001 (Levy and Goldberg 2014); weights are "
            "exponents there."
        )
    ),
]
RestrictVocab = Annotated[
    int | None,
    Field(ge=1, le=2**31 - 1, description="Look at this many words only, the most frequent ones."),
]


class WeightedWord(Strict):
    """A word that counts more or less than others."""

    model_config = show({"word": "car", "weight": 0.5})

    word: Word
    weight: Weight = 1.0


class WeightedVector(Strict):
    """A raw vector, of which the direction counts."""

    vector: Annotated[
        list[Annotated[float, Field(allow_inf_nan=False)]],
        FailFast(),
        Field(
            min_length=1,
            max_length=MAX_DIMENSIONS,
            description="As many numbers as the model has dimensions.",
        ),
    ]
    weight: Weight = 1.0


def _tell_apart(entry: Any) -> str | None:
    if isinstance(entry, str):
        return "<word>"
    if isinstance(entry, dict):
        return "<vector>" if "vector" in entry else "<weighted>"
    return None


Entry = Annotated[
    Annotated[Word, Tag("<word>")]
    | Annotated[WeightedWord, Tag("<weighted>")]
    | Annotated[WeightedVector, Tag("<vector>")],
    Discriminator(
        _tell_apart,
        custom_error_type="entry",
        custom_error_message="Input should be a word, a weighted word or a weighted vector",
    ),
]
Entries = Annotated[list[Entry], FailFast(), Field(json_schema_extra={"x-limit": {"maxItems": "max_words"}})]


class SimilarQuery(Strict):
    """What POST /similar is asked."""

    positive: Annotated[Entries, Field(default_factory=list, description="What to move towards.")]
    negative: Annotated[Entries, Field(default_factory=list, description="What to move away from.")]
    top: Top = 10
    method: Method = "3cosadd"
    restrict_vocab: RestrictVocab = None
    among: Annotated[
        list[Word] | None,
        FailFast(),
        Field(
            min_length=1,
            description="Rank these words only.",
            json_schema_extra={"x-limit": {"maxItems": "max_words"}},
        ),
    ] = None
    exclude: Annotated[Words, Field(default_factory=list, description="Words to leave out of the answer.")]
    min_score: Annotated[
        float | None, Field(allow_inf_nan=False, description="Leave out what scores less.")
    ] = None
    exact: Exact = False


class SimilarBody(SimilarQuery, Body):
    """The body of POST /similar."""

    model_config = show(
        {"positive": ["king", {"word": "woman", "weight": 0.9}], "negative": ["man"], "top": 5}
    )


class SimilarBatch(Body):
    """The body of POST /similar with several questions."""

    model_config = show({"queries": [{"positive": ["king"], "top": 3}, {"positive": ["car"], "top": 3}]})

    queries: Annotated[list[SimilarQuery], FailFast(), AT_MOST_A_BATCH]


SimilarRequest = Annotated[Annotated[SimilarBody, Tag(ONE)] | Annotated[SimilarBatch, Tag(MANY)], ONE_OR_MANY]


class AnalogyQuery(Strict):
    """What POST /analogy is asked: `a` is to `b` as `c` is to what?"""

    a: Word
    b: Word
    c: Word
    top: Top = 5
    method: Method = "3cosadd"
    restrict_vocab: RestrictVocab = None
    exact: Exact = False


class AnalogyBody(AnalogyQuery, Body):
    """The body of POST /analogy."""

    model_config = show({"a": "king", "b": "man", "c": "queen", "top": 5})


class AnalogyBatch(Body):
    """The body of POST /analogy with several questions."""

    model_config = show({"queries": [{"a": "king", "b": "man", "c": "queen", "top": 1}]})

    queries: Annotated[list[AnalogyQuery], FailFast(), AT_MOST_A_BATCH]


AnalogyRequest = Annotated[Annotated[AnalogyBody, Tag(ONE)] | Annotated[AnalogyBatch, Tag(MANY)], ONE_OR_MANY]


class NeighboursBatch(Answer):
    """An answer for each of the queries, in their order."""

    answers: list[NeighbourList | Failure]


class OddWordQuery(Strict):
    """What POST /doesnt-match is asked."""

    words: Annotated[Words, Field(min_length=LEAST_TO_MATCH)]


class OddWordBody(OddWordQuery, Body):
    """The body of POST /doesnt-match."""

    model_config = show({"words": ["car", "truck", "king"]})


class OddWordBatch(Body):
    """The body of POST /doesnt-match with several questions."""

    model_config = show({"queries": [{"words": ["car", "truck", "king"]}]})

    queries: Annotated[list[OddWordQuery], FailFast(), AT_MOST_A_BATCH]


OddWordRequest = Annotated[Annotated[OddWordBody, Tag(ONE)] | Annotated[OddWordBatch, Tag(MANY)], ONE_OR_MANY]


class OddWordResult(BaseModel):
    """The word that does not match, and how near each is to the mean of all."""

    word: Annotated[str, Field(description="The one that is farthest from the mean.", examples=["king"])]
    results: Annotated[
        list[ScoredWord],
        Field(description="The cosine of each word with the mean of the unit vectors, in the order asked."),
    ]
    oov: Oov = False
    matched: Matched = {}


class OddWord(OddWordResult, Answer):
    """The word that does not match the others."""


class OddWords(Answer):
    """An answer for each of the queries, in their order."""

    answers: list[OddWordResult | Failure]


class WordsParameters(Parameters):
    """The parameters of GET /words."""

    prefix: Annotated[
        str,
        Field(
            max_length=MAX_WORD_CHARACTERS,
            description="What the words begin with; every word begins with nothing.",
            examples=["ca"],
        ),
    ] = ""
    top: Top = 10


class CountedWord(BaseModel):
    """A word of the vocabulary."""

    word: Annotated[str, Field(examples=["car"])]
    count: Annotated[
        int | None,
        Field(
            ge=1,
            description=(
                "How often it stands in the training text. Null where that is not known: imported vectors often come "
                "without counts."
            ),
            examples=[1234],
        ),
    ]


class CountedWords(Answer):
    """Words that begin as asked, in the order of the vocabulary: the most frequent first, or as the imported file had them."""

    results: list[CountedWord]
