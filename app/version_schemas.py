"""What requests to change the served version, and their answers, look like."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.schemas import Name, VersionFault


class PinBody(BaseModel):
    """The body of POST /models/{name}/pin."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        json_schema_extra={"examples": [{"version": "20260102T030405Z-0a1b2c3d"}]},
    )

    version: Annotated[Name, Field(description="The version to serve, older or newer than the one that is.")]


class Reloaded(BaseModel):
    """What became of looking for another version."""

    model: Annotated[str, Field(examples=["sample"])]
    result: Annotated[
        Literal["swapped", "unchanged", "failed", "removed"],
        Field(
            description=(
                "swapped: another version answers now. unchanged: the same one does. failed: the version to serve is "
                "broken, `faults` says how, and what answered before still does. removed: the store has it no more."
            )
        ),
    ]
    before: Annotated[str | None, Field(description="The version that answered before.")]
    version: Annotated[str | None, Field(description="The version that answers now.")]
    pinned: Annotated[
        str | None, Field(description="The version it is pinned to. Null: the newest is served.")
    ]
    seconds: Annotated[
        float, Field(ge=0, description="What checking, opening and warming took.", examples=[0.031])
    ]
    faults: list[VersionFault]
