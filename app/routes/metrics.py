"""What the server counts, for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from app.metrics import Metrics
from app.openapi import document

# Scrapers may add parameters of their own.
router = APIRouter(tags=["operations"])


@router.get(
    "/metrics",
    summary="Numbers for Prometheus",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        **document(),
    },
)
def show_metrics(request: Request) -> Response:
    """Durations by route and status, what is in flight and waiting, batch sizes, unknown words, models, reloads, memory.

    In the text format of Prometheus, or OpenMetrics where `Accept` asks for it. Where the server has keys it takes one, as all
    that tells of the models does. Of several workers the one that is asked answers for all.
    """
    metrics: Metrics = request.app.state.metrics
    content, content_type = metrics.render(request.headers.get("accept", ""))
    return Response(content, media_type=content_type, headers={"cache-control": "no-store"})
