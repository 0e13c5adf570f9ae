"""What this server is: its release, its limits, and what can be asked of its models."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app import __version__
from app.catalog import Served
from app.errors import INVALID_REQUEST
from app.freshness import FreshRoute
from app.guards import MAX_URI_BYTES
from app.openapi import document
from app.protocol import MAX_HEAD_BYTES
from app.routes.context import CatalogOf, SettingsOf
from app.schemas import MAX_WORD_CHARACTERS
from app.settings import Settings
from artifact.manifest import FORMAT_VERSION, Kind

router = APIRouter(tags=["operations"], route_class=FreshRoute)
_FIXED_LIMITS = {
    "max_word_characters": MAX_WORD_CHARACTERS,
    "max_uri_bytes": MAX_URI_BYTES,
    "max_head_bytes": MAX_HEAD_BYTES,
}


class InfoModel(BaseModel):
    """A model in short; /models/{name} tells the rest."""

    name: Annotated[str, Field(examples=["sample"])]
    kind: Annotated[Kind, Field(examples=["embedding"])]
    version: Annotated[str, Field(examples=["20260102T030405Z-0a1b2c3d"])]
    words: Annotated[int, Field(description="The size of the vocabulary.", examples=[1000])]
    dimensions: Annotated[
        int | None, Field(description="Of the word vectors; null for a language model.", examples=[50])
    ]
    features: Annotated[
        list[str],
        Field(
            description=(
                "`subwords`: unknown words get a vector too; `phrases`: some words are joined; `neighbours`: the nearest "
                "words are looked up, not searched; `index`: other questions are answered by an index, unless they say `exact`."
            ),
            examples=[["subwords"]],
        ),
    ]


class Info(BaseModel):
    """What this server is."""

    name: Literal["wordkin"] = "wordkin"
    release: Annotated[str, Field(examples=[__version__])]
    artifact_format_version: Annotated[int, Field(examples=[FORMAT_VERSION])]
    needs_key: Annotated[bool, Field(description="Whether questions need an API key.")]
    limits: Annotated[
        dict[str, int],
        Field(
            description="What one request may ask for, and how large it may be.", examples=[{"max_top": 1000}]
        ),
    ]
    interfaces: Annotated[
        list[str],
        Field(description="`openai`: /v1/embeddings and /v1/models.", examples=[["wordkin", "openai"]]),
    ]
    models: list[InfoModel]


@router.get("/info", summary="What this server is", responses=document(INVALID_REQUEST))
def get_info(catalog: CatalogOf, settings: SettingsOf) -> Info:
    """The release, every limit on requests, and the models in short."""
    return Info(
        release=__version__,
        artifact_format_version=FORMAT_VERSION,
        needs_key=bool(settings.keys or settings.keys_file),
        limits=list_limits(settings),
        interfaces=["wordkin", "openai"],
        models=[_describe(served) for served in catalog.shelf.served.values()],
    )


def list_limits(settings: Settings) -> dict[str, int]:
    """Every limit on requests: what the settings say and what is fixed."""
    names = [
        option.name
        for option in fields(settings)
        if option.name.startswith("max_") and option.name != "max_open_versions"
    ]
    return {name: getattr(settings, name) for name in names} | _FIXED_LIMITS


def _describe(served: Served) -> InfoModel:
    manifest = served.manifest
    features = {*manifest.requires, *({"neighbours"} & set(manifest.files))}
    if served.has_index:
        features.add("index")
    return InfoModel(
        name=served.name,
        kind=served.kind,
        version=served.version,
        words=len(served.vocabulary),
        dimensions=served.embedding.dim if served.kind == "embedding" else None,
        features=sorted(features),
    )
