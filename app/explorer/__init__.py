"""The explorer: the page at /, to look at what is served. Its files come from this package, and ask the routes that everybody asks."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FILES = Path(__file__).with_name("files")
FILES_URL = "/explorer"
# The browser itself refuses whatever would leave this server, and whatever a word of a vocabulary would smuggle in.
POLICY = (
    "default-src 'none'; connect-src 'self'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class ExplorerFiles(StaticFiles):
    """The page's files, asked after each time, so that a new release shows at once."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        answer.headers["cache-control"] = "no-cache"
        return answer


def add_explorer(app: FastAPI) -> None:
    """Serve the page at / and its files under /explorer. All it names is relative, so that a proxy may put it anywhere."""
    page = (FILES / "index.html").read_text(encoding="utf-8")
    app.mount(FILES_URL, ExplorerFiles(directory=FILES), name="explorer-files")

    @app.get("/", include_in_schema=False)
    async def show_explorer() -> HTMLResponse:
        return HTMLResponse(page, headers={"content-security-policy": POLICY, "cache-control": "no-cache"})
