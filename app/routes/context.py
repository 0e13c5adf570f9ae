"""What routes are given besides the request: catalog, settings and batching thread of the application they are in."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from app.batching import Batcher
from app.catalog import Catalog, Shelf
from app.draining import Draining
from app.errors import MODEL_UNAVAILABLE, OVERLOADED, ProblemError
from app.settings import Settings


async def _catalog(request: Request) -> Catalog:
    catalog: Catalog = request.app.state.catalog
    return catalog


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


async def _batcher(request: Request) -> Batcher:
    batcher: Batcher = request.app.state.batcher
    return batcher


async def _ready_shelf(request: Request) -> Shelf:
    """What is served; ProblemError where nothing is, or where the server is about to stop."""
    draining: Draining = request.app.state.draining
    if draining.begun:
        raise ProblemError(OVERLOADED, "the server is stopping")
    shelf: Shelf = request.app.state.catalog.shelf
    if not shelf.served:
        raise ProblemError(MODEL_UNAVAILABLE, "no model is open")
    return shelf


CatalogOf = Annotated[Catalog, Depends(_catalog)]
SettingsOf = Annotated[Settings, Depends(_settings)]
BatcherOf = Annotated[Batcher, Depends(_batcher)]
ReadyShelf = Annotated[Shelf, Depends(_ready_shelf)]
