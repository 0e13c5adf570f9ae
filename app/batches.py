"""One question in a body, or several: ``queries``, each with the fields of the single body, answered in ``answers``.

A query that is malformed or over a limit fails the whole request, with its location; one that has no answer (an unknown
word, no direction) has its own ``problem`` in its place, and the others are answered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, Discriminator, Field
from starlette.responses import Response

from app.answers import respond_json
from app.catalog import Served
from app.errors import refuse, translate
from app.schemas import Problem
from app.settings import Settings
from artifact.errors import UnknownWords, WordkinError
from artifact.questions import MOST_SUGGESTIONS

# Tags tell the members of a union apart; errors leave them out of locations. No field's name looks like one.
ONE, MANY = "<one>", "<many>"
RESULTS_IN_TOPS = 10

Query = TypeVar("Query")
Location = list[str | int]
_Answer = Mapping[str, Any] | WordkinError


def _tell_apart(body: Any) -> str:
    return MANY if isinstance(body, dict) and "queries" in body else ONE


ONE_OR_MANY = Discriminator(_tell_apart)
AT_MOST_A_BATCH = Field(
    min_length=1,
    description="Several questions at once, each with the fields of a single one.",
    json_schema_extra={"x-limit": {"maxItems": "max_batch"}},
)


class Failure(BaseModel):
    """A query that has no answer, and why: what it would have been answered with alone."""

    problem: Annotated[Problem, Field()]


@dataclass(frozen=True)
class Batch(Generic[Query]):
    """The questions of one request; ``is_many`` tells whether they came as ``queries``, ``where`` that they did in a body."""

    queries: Sequence[Query]
    is_many: bool = False
    where: str = "body"

    @classmethod
    def of(cls, body: Any) -> Batch[Any]:
        """The questions of a body: those of its ``queries``, or itself."""
        queries = getattr(body, "queries", None)
        return cls([body] if queries is None else queries, is_many=queries is not None)

    def locate(self, place: int, *parts: str | int) -> Location:
        """Where a part of the query at ``place`` stands in the request."""
        return [self.where, *(("queries", place) if self.is_many else ()), *parts]

    def check(
        self,
        settings: Settings,
        *,
        count_words: Callable[[Query], Mapping[str, int]] = lambda _: {},
        get_top: Callable[[Query], int] = lambda _: 0,
    ) -> None:
        """Refuse more queries, words in all of them together, or results, than this server allows.

        ``count_words`` gives the number of words in each field of a query.
        """
        if len(self.queries) > settings.max_batch:
            message = f"At most {settings.max_batch} queries can be asked in one request"
            raise refuse([(["body", "queries"], message)], limit=settings.max_batch)
        tops = [get_top(query) for query in self.queries]
        over = [self.locate(place, "top") for place, top in enumerate(tops) if top > settings.max_top]
        if over:
            message = f"Input should be at most {settings.max_top}"
            raise refuse([(location, message) for location in over], limit=settings.max_top)
        if sum(tops) > (most := RESULTS_IN_TOPS * settings.max_top):
            raise refuse(
                [(["body", "queries"], f"At most {most} results can be asked for in one request")], limit=most
            )
        counts = [
            (self.locate(place, name), count)
            for place, query in enumerate(self.queries)
            for name, count in count_words(query).items()
            if count
        ]
        if sum(count for _, count in counts) > settings.max_words:
            message = f"At most {settings.max_words} words can be asked for in one request"
            locations = [["body", "queries"]] if self.is_many else [location for location, _ in counts]
            raise refuse([(location, message) for location in locations], limit=settings.max_words)

    def answer_each(self, answer: Callable[[Query, bool], _Answer]) -> list[_Answer]:
        """What ``answer`` answers each query with; it is told whether it may still look for suggestions."""
        answers: list[_Answer] = []
        failed = 0
        for query in self.queries:
            answers.append(answer(query, failed < MOST_SUGGESTIONS))
            failed += isinstance(answers[-1], WordkinError)
        return answers

    def respond(self, served: Served, answers: Sequence[_Answer]) -> Response:
        """The answer to one question, or to each of several; raises the error that a single one ended with."""
        origin = {"model": served.name, "version": served.version}
        if self.is_many:
            for answer in answers:
                if isinstance(answer, UnknownWords):
                    served.tell_refused(len(answer.oov))
            return respond_json(origin | {"answers": [_tell(answer) for answer in answers]})
        if isinstance(answers[0], WordkinError):
            raise answers[0]
        return respond_json({**origin, **answers[0]})


def _tell(answer: _Answer) -> Mapping[str, Any]:
    return {"problem": translate(answer).describe()} if isinstance(answer, WordkinError) else answer
