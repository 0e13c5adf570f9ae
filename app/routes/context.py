"""What routes are given besides the request: catalog, settings and batching thread of the application they are in."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from app.batching import Batcher
from app.catalog import Catalog
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


CatalogOf = Annotated[Catalog, Depends(_catalog)]
SettingsOf = Annotated[Settings, Depends(_settings)]
BatcherOf = Annotated[Batcher, Depends(_batcher)]
