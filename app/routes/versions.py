"""Which version of a model answers: look for a new one now, hold to one, follow the newest again. For admins."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Path

from app.bodies import StrictRoute
from app.catalog import Catalog
from app.errors import FORBIDDEN, INVALID_REQUEST, MODEL_UNAVAILABLE, UNKNOWN_MODEL
from app.keys import require_admin
from app.openapi import BODY_PROBLEMS, document
from app.reloads import Reload
from app.routes.context import CatalogOf
from app.schemas import Name, VersionFault
from app.version_schemas import PinBody, Reloaded

router = APIRouter(tags=["operations"], route_class=StrictRoute, dependencies=[Depends(require_admin)])
changes = document(FORBIDDEN, UNKNOWN_MODEL, INVALID_REQUEST, MODEL_UNAVAILABLE)
changes_with_body = document(FORBIDDEN, UNKNOWN_MODEL, INVALID_REQUEST, MODEL_UNAVAILABLE, *BODY_PROBLEMS)

ModelName = Annotated[Name, Path(examples=["sample"])]


@router.post("/models/{name}/reload", summary="Look for a new version now", responses=changes)
def reload_model(name: ModelName, catalog: CatalogOf) -> Reloaded:
    """Check, open and warm the version to serve, the pinned one or else the newest, and let it answer from then on.

    Requests under way are answered by the version that they began with. The server does this by itself every
    `poll_seconds`; other worker processes follow within that time.
    """
    return _describe(catalog, catalog.reload(name))


@router.post("/models/{name}/pin", summary="Hold to a version", responses=changes_with_body)
def pin_model(name: ModelName, body: PinBody, catalog: CatalogOf) -> Reloaded:
    """Serve this version whatever is published: to go back to an older one, or to wait with a newer.

    It is checked first. The pin is kept in the store (`<name>/pinned`): it outlives this server, and every server on the
    store follows it within its `poll_seconds`.
    """
    return _describe(catalog, catalog.pin(name, body.version))


@router.delete("/models/{name}/pin", summary="Follow the newest version again", responses=changes)
def unpin_model(name: ModelName, catalog: CatalogOf) -> Reloaded:
    """Take the pin away, if there is one, and serve the newest version."""
    return _describe(catalog, catalog.unpin(name))


def _describe(catalog: Catalog, reload: Reload) -> Reloaded:
    shelf = catalog.shelf
    return Reloaded(
        **asdict(reload),
        pinned=shelf.pins.get(reload.model),
        faults=[VersionFault(**asdict(fault)) for fault in shelf.faults_of(reload.model)],
    )
