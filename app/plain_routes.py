"""Addresses whose plain questions are answered before routing, and the models that may answer there."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import Scope

from app.catalog import Catalog, Served
from app.errors import ProblemError
from artifact.manifest import Kind


@dataclass(frozen=True, slots=True)
class PlainRoute:
    """Stands in a scope for the route that would have answered: its ``path`` is counted and logged."""

    method: str
    path: str

    def takes(self, scope: Scope) -> bool:
        """Whether a question that came to this address may be answered here.

        Where requests are traced or measured by OpenTelemetry, none is: FastAPI tells it the route only where its own router
        chose one.
        """
        return (
            scope["type"] == "http"
            and scope["path"] == self.path
            and scope["method"] == self.method
            and scope.get("fastapi.telemetry") is None
        )


def find_open(catalog: Catalog, kind: Kind, *, model: str | None, version: str | None) -> Served | None:
    """As Catalog.find, but None where that raises or would have to open a version."""
    try:
        served = catalog.find(kind) if model is None else catalog.shelf.served.get(model)
    except ProblemError:
        return None
    if served is None or served.kind != kind or version not in (None, served.version):
        return None
    return served
