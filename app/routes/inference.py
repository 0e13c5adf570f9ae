"""The health and metadata addresses of the Open Inference Protocol (v2), as KServe and Triton have them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel

from app import __version__
from app.errors import INVALID_REQUEST, MODEL_UNAVAILABLE, OVERLOADED, UNKNOWN_MODEL
from app.openapi import document
from app.routes.context import CatalogOf, ReadyShelf
from app.schemas import Name

# Probes may add parameters of their own.
router = APIRouter(tags=["operations"])


class ServerMetadata(BaseModel):
    """Which server this is. It answers the protocol's questions about health, and none of its questions to models."""

    name: Literal["wordkin"] = "wordkin"
    version: str
    extensions: list[str] = []


class ServerLive(BaseModel):
    """The process answers."""

    live: Literal[True] = True


class ServerReady(BaseModel):
    """Models are open and answer."""

    ready: Literal[True] = True


class ModelReady(BaseModel):
    """One model is open and answers."""

    name: str
    ready: Literal[True] = True


@router.get("/v2", summary="Which server is this? (Open Inference Protocol)", responses=document())
async def get_server() -> ServerMetadata:
    """Name and version. Questions to models go to the addresses of this server; the protocol's tensors are not spoken."""
    return ServerMetadata(version=__version__)


@router.get(
    "/v2/health/live",
    summary="Does the process answer? (Open Inference Protocol)",
    responses=document(guarded=False),
)
async def check_server_live() -> ServerLive:
    """The same as /health/live."""
    return ServerLive()


@router.get(
    "/v2/health/ready",
    summary="Can questions be asked? (Open Inference Protocol)",
    responses=document(MODEL_UNAVAILABLE, OVERLOADED, guarded=False),
)
async def check_server_ready(_: ReadyShelf) -> ServerReady:
    """The same as /health/ready, without its details."""
    return ServerReady()


@router.get(
    "/v2/models/{name}/ready",
    summary="Can this model be asked? (Open Inference Protocol)",
    responses=document(UNKNOWN_MODEL, INVALID_REQUEST, MODEL_UNAVAILABLE),
)
async def check_model_ready(
    name: Annotated[Name, Path(examples=["sample"])], shelf: ReadyShelf, catalog: CatalogOf
) -> ModelReady:
    """200 where a version of the model is open, 503 where none can be."""
    if name not in shelf.served:
        # Raises what says why.
        catalog.get(name)
    return ModelReady(name=name)
