"""What is served, and whether the server is well."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path, Query

from app.catalog import Catalog, Fault, Served
from app.errors import INVALID_REQUEST, MODEL_UNAVAILABLE, OVERLOADED, UNKNOWN_MODEL
from app.freshness import FreshRoute
from app.openapi import document
from app.routes.context import CatalogOf, ReadyShelf
from app.schemas import Alive, ModelDetail, Models, ModelSummary, Name, Ready, Version, VersionFault

router = APIRouter(tags=["operations"], route_class=FreshRoute)
# Probes may add parameters of their own.
health_router = APIRouter(tags=["operations"])


@router.get("/models", summary="The models that are served", responses=document(INVALID_REQUEST))
def list_models(catalog: CatalogOf) -> Models:
    """Every model with the version that answers, and the versions in the store that cannot be served."""
    shelf = catalog.shelf
    models = [_summarise(catalog, served) for served in shelf.served.values()]
    return Models(models=models, faults=_list_faults(shelf.faults))


@router.get(
    "/models/{name}",
    summary="One model",
    responses=document(UNKNOWN_MODEL, INVALID_REQUEST, MODEL_UNAVAILABLE),
)
def get_model(
    name: Annotated[Name, Path(examples=["sample"])],
    catalog: CatalogOf,
    version: Annotated[Version, Query()] = None,
) -> ModelDetail:
    """What the manifest of a model says: how it was trained, what was measured, where it came from."""
    served = catalog.get(name, version=version)
    return ModelDetail(
        **_summarise(catalog, served).model_dump(),
        recipe=served.manifest.recipe,
        metrics=served.manifest.metrics,
        bytes=sum(entry.bytes for entry in served.manifest.files.values()),
        faults=_list_faults(catalog.shelf.faults_of(name)),
    )


@health_router.get("/health/live", summary="Does the process answer?", responses=document(guarded=False))
async def check_live() -> Alive:
    """Always 200 while the process answers at all. For restarting it, not for routing to it."""
    return Alive()


@health_router.get(
    "/health/ready",
    summary="Can questions be asked?",
    responses=document(MODEL_UNAVAILABLE, OVERLOADED, guarded=False),
)
async def check_ready(shelf: ReadyShelf) -> Ready:
    """200 where models are open; `degraded` where a newest version is broken and an older one serves, or none.

    503 once the server was told to stop, while it still answers, so that whoever shares out requests sends it no more.
    """
    return Ready(
        status="degraded" if shelf.faults else "ready",
        models={name: served.version for name, served in shelf.served.items()},
        faults=_list_faults(shelf.faults),
    )


def _list_faults(faults: tuple[Fault, ...] | list[Fault]) -> list[VersionFault]:
    return [VersionFault(**asdict(fault)) for fault in faults]


def _summarise(catalog: Catalog, served: Served) -> ModelSummary:
    manifest = served.manifest
    is_embedding = served.kind == "embedding"
    return ModelSummary(
        name=served.name,
        kind=served.kind,
        version=served.version,
        versions=catalog.versions(served.name),
        pinned=catalog.shelf.pins.get(served.name),
        default=catalog.is_default(served),
        created=manifest.created,
        words=len(served.vocabulary),
        dimensions=served.embedding.dim if is_embedding else None,
        tokenizer=str(manifest.tokenizer.get("name", "")),
        license=manifest.license,
        provenance=manifest.provenance,
        warnings=served.warnings,
    )
