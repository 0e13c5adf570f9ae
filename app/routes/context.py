"""What routes are given besides the request: the catalog and the settings of the application that they are in."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from app.catalog import Catalog
from app.settings import Settings


async def _catalog(request: Request) -> Catalog:
    catalog: Catalog = request.app.state.catalog
    return catalog


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


CatalogOf = Annotated[Catalog, Depends(_catalog)]
SettingsOf = Annotated[Settings, Depends(_settings)]
