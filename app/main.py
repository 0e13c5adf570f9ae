"""The application: settings in, an ASGI app out. Nothing is read from the environment and nothing is opened on import."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI
from fastapi.routing import APIRoute

from app import __version__
from app.batching import Batcher
from app.catalog import Catalog
from app.documentation import add_documentation
from app.draining import Draining
from app.errors import install_handlers
from app.explorer import add_explorer
from app.keys import read_keys
from app.layers import add_layers
from app.lone_thread import LoneThread
from app.metrics import Metrics
from app.openapi import DESCRIPTION, publish_limits
from app.routes import inference, info, language, openai, operations, similarity, vectors, versions, words
from app.routes import metrics as metrics_routes
from app.settings import Settings
from app.vector_answers import MOST_UNDER_WAY
from app.watcher import Watcher

MOST_THREADS = 128


def create_app(settings: Settings, *, catalog: Catalog | None = None) -> FastAPI:
    """The server for ``settings``. When it starts it opens the models, unless it is given a ``catalog`` that has.

    Raises InputError where the keys cannot be read. Starting raises WordkinError where nothing can be served.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # A thread for each request that is let in, so that all searches that wait are joined into one product.
        current_default_thread_limiter().total_tokens = min(settings.max_in_work, MOST_THREADS)
        app.state.catalog = catalog or open_catalog(settings)
        app.state.catalog.prepare()
        watcher = Watcher(app.state.catalog, poll_seconds=settings.poll_seconds)
        batcher = Batcher(observe=app.state.metrics.observe_batches("language"))
        with (
            batcher as app.state.batcher,
            LoneThread("vector-answers", most_under_way=MOST_UNDER_WAY) as app.state.vector_thread,
            watcher,
            app.state.metrics.watch(app.state.catalog),
            app.state.draining.on_signals(drain_s=settings.drain_seconds),
        ):
            yield

    app = FastAPI(
        title="wordkin",
        summary="Word vectors and the next word over HTTP",
        description=DESCRIPTION.strip(),
        version=__version__,
        license_info={"name": "MIT", "identifier": "MIT"},
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_name_operation,
        # A span for each request where OpenTelemetry is set up. Its logs would hold what clients sent.
        telemetry={"logs": False, "operation_spans": False},
    )
    app.state.settings = settings
    app.state.keys = read_keys(settings)
    app.state.metrics = Metrics()
    app.state.draining = Draining()
    install_handlers(app)
    for router in (
        words.router,
        vectors.router,
        similarity.router,
        language.router,
        operations.router,
        operations.health_router,
        versions.router,
        inference.router,
        metrics_routes.router,
        info.router,
        openai.router,
        openai.models_router,
    ):
        app.include_router(router)
    add_documentation(app)
    add_explorer(app)
    publish_limits(app, settings)
    add_layers(app, settings)
    return app


def open_catalog(settings: Settings) -> Catalog:
    """The opened models of the store. Raises NotFound for no store, InputError for no model or a wrong default."""
    catalog = Catalog(settings)
    catalog.refresh()
    catalog.check()
    return catalog


def _name_operation(route: APIRoute) -> str:
    return route.name
