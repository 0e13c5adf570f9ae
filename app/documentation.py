"""The pages under /docs: Swagger UI from files in this installation, so that they work without internet."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

FILES_URL = "/docs/files"
# The browser itself refuses whatever would leave this server.
POLICY = (
    "default-src 'none'; connect-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def add_documentation(app: FastAPI) -> None:
    """Serve Swagger UI under /docs."""
    app.mount(FILES_URL, StaticFiles(packages=[("fastapi_offline", "static")]), name="documentation-files")

    @app.get("/docs", include_in_schema=False)
    async def show_documentation() -> HTMLResponse:
        # Relative, so that they hold behind a proxy that has put the server into a folder.
        files = FILES_URL.removeprefix("/")
        page = get_swagger_ui_html(
            openapi_url=str(app.openapi_url).removeprefix("/"),
            title=app.title,
            swagger_js_url=f"{files}/swagger-ui-bundle.js",
            swagger_css_url=f"{files}/swagger-ui.css",
            swagger_favicon_url=f"{files}/favicon.png",
            swagger_ui_parameters={
                "validatorUrl": None,
                "tryItOutEnabled": True,
                "displayRequestDuration": True,
            },
        )
        page.headers["content-security-policy"] = POLICY
        return page
