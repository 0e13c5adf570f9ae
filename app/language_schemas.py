"""What requests to language models and their answers look like."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, FailFast, Field, StringConstraints, Tag

from app.batches import AT_MOST_A_BATCH, MANY, ONE, ONE_OR_MANY, Failure
from app.schemas import MAX_WORD_CHARACTERS, Answer, Body, Parameters, Strict, Top, show

MAX_STOPS = 16
MAX_SEED = (1 << 53) - 1

Text = Annotated[
    str,
    Field(
        description="The text so far. Empty: the beginning of a line. A line break ends a line.",
        examples=["the company said it"],
        json_schema_extra={"x-limit": {"maxLength": "max_text_characters"}},
    ),
]
Prefix = Annotated[
    str,
    StringConstraints(max_length=MAX_WORD_CHARACTERS),
    Field(
        description="The beginning of the next word: only words that begin so are listed.", examples=["sa"]
    ),
]
Mixture = Annotated[
    bool,
    Field(description="Whether n-grams and the words said lately count too; false asks the network alone."),
]


def round_probability(value: float) -> float:
    """``value`` to the digits that an answer gives."""
    return float(f"{value:.7g}")


Probability = Annotated[float, AfterValidator(round_probability), Field(allow_inf_nan=False)]
Unknown = Annotated[
    list[str],
    Field(
        description="Words of the text that are not in the vocabulary; <unk> stood for them.", examples=[[]]
    ),
]


class NextParameters(Parameters):
    """The parameters of GET /next."""

    text: Text
    top: Top = 10
    prefix: Prefix = ""
    mixture: Mixture = True


class NextQuery(Strict):
    """What POST /next is asked."""

    text: Text
    top: Top = 10
    prefix: Prefix = ""
    mixture: Mixture = True


class NextBody(NextQuery, Body):
    """The body of POST /next."""

    model_config = show({"text": "the company said it", "top": 5})


class NextBatch(Body):
    """The body of POST /next with several questions."""

    model_config = show({"queries": [{"text": "the company"}, {"text": "the company said", "top": 3}]})

    queries: Annotated[list[NextQuery], FailFast(), AT_MOST_A_BATCH]


NextRequest = Annotated[Annotated[NextBody, Tag(ONE)] | Annotated[NextBatch, Tag(MANY)], ONE_OR_MANY]


class ScoreQuery(Strict):
    """What POST /score is asked."""

    text: Text
    mixture: Mixture = True


class ScoreBody(ScoreQuery, Body):
    """The body of POST /score."""

    model_config = show({"text": "the company said it"})


class ScoreBatch(Body):
    """The body of POST /score with several questions."""

    model_config = show({"queries": [{"text": "the company said it"}, {"text": "it said"}]})

    queries: Annotated[list[ScoreQuery], FailFast(), AT_MOST_A_BATCH]


ScoreRequest = Annotated[Annotated[ScoreBody, Tag(ONE)] | Annotated[ScoreBatch, Tag(MANY)], ONE_OR_MANY]


class GenerateQuery(Strict):
    """What POST /generate is asked."""

    text: Text
    max_tokens: Annotated[
        int,
        Field(
            ge=1,
            description="The most words to draw; a line break counts as one.",
            json_schema_extra={"x-limit": {"maximum": "max_words"}},
        ),
    ] = 20
    temperature: Annotated[
        float,
        Field(
            ge=0,
            le=100,
            allow_inf_nan=False,
            description="Below 1 likely words gain, above 1 unlikely ones; 0 takes the likeliest.",
        ),
    ] = 1.0
    top_k: Annotated[int | None, Field(ge=1, description="Draw among this many likeliest words only.")] = None
    top_p: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            allow_inf_nan=False,
            description="Draw among the likeliest words that together have this probability.",
        ),
    ] = 1.0
    seed: Annotated[
        int | None,
        Field(
            ge=0, le=MAX_SEED, description="The same seed draws the same text. Without it: another each time."
        ),
    ] = None
    stop: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=MAX_WORD_CHARACTERS)]] | None,
        Field(
            max_length=MAX_STOPS,
            description="Texts at which to end, not part of the answer; a line break is one.",
        ),
    ] = None
    mixture: Mixture = True


class GenerateBody(GenerateQuery, Body):
    """The body of POST /generate."""

    model_config = show({"text": "the company said it", "max_tokens": 20, "seed": 1})

    stream: Annotated[
        bool, Field(description="Answer with server-sent events, word by word, instead of all at once.")
    ] = False


class GenerateBatch(Body):
    """The body of POST /generate with several questions."""

    model_config = show({"queries": [{"text": "the company", "max_tokens": 5, "seed": 1}]})

    queries: Annotated[list[GenerateQuery], FailFast(), AT_MOST_A_BATCH]


GenerateRequest = Annotated[
    Annotated[GenerateBody, Tag(ONE)] | Annotated[GenerateBatch, Tag(MANY)], ONE_OR_MANY
]


class PredictedWord(BaseModel):
    """A word and its probability."""

    word: Annotated[str, Field(examples=["said"])]
    probability: Annotated[Probability, Field(examples=[0.12])]


class LanguageResult(BaseModel):
    """What every answer of a language model carries."""

    mixture: Annotated[bool, Field(description="Whether n-grams and recent words were mixed in.")]
    unknown: Unknown


class NextResult(LanguageResult):
    """The likeliest next words, by falling probability; ties stand in the order of the vocabulary."""

    results: list[PredictedWord]
    remaining: Annotated[
        Probability,
        Field(
            description="The probability of all that is not listed, <unk> and <eos> among it.",
            examples=[0.31],
        ),
    ]


class NextWords(NextResult, Answer):
    """The likeliest next words, by falling probability; ties stand in the order of the vocabulary."""


class NextWordsBatch(Answer):
    """An answer for each of the queries, in their order."""

    answers: list[NextResult | Failure]


class ScoredWordOfText(BaseModel):
    """A word of the text as it was read; <eos> is a line's end."""

    token: Annotated[str, Field(examples=["said"])]
    log_probability: Annotated[
        Probability | None,
        Field(
            description="Natural logarithm. Null for an unknown word where the model has no <unk>.",
            examples=[-2.1],
        ),
    ]


class ScoreResult(LanguageResult):
    """How probable each word of the text is after all before it."""

    tokens: list[ScoredWordOfText]
    perplexity: Annotated[
        Probability, Field(description="exp of the mean of the negative logarithms.", examples=[84.2])
    ]


class Scores(ScoreResult, Answer):
    """How probable each word of the text is after all before it."""


class ScoresBatch(Answer):
    """An answer for each of the queries, in their order."""

    answers: list[ScoreResult | Failure]


class GenerateResult(LanguageResult):
    """A text that goes on from the one that was sent."""

    text: Annotated[
        str,
        Field(
            description="What comes after the text, words joined by spaces.", examples=["would buy shares"]
        ),
    ]
    finish_reason: Annotated[
        Literal["length", "stop"], Field(description="What ended it: `max_tokens` or a stop.")
    ]
    tokens: Annotated[int, Field(description="How many words were drawn.", examples=[3])]
    seed: Annotated[int, Field(description="The seed that draws this text again.", examples=[1])]


class Generated(GenerateResult, Answer):
    """A text that goes on from the one that was sent."""


class GeneratedBatch(Answer):
    """An answer for each of the queries, in their order."""

    answers: list[GenerateResult | Failure]
