"""The provenance pages: server-rendered, no scripts, everything escaped."""

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from broker.dashboard.views import router


def mount(app: FastAPI) -> None:
    """Serve the pages at ``/`` and their stylesheet at ``/static``."""
    app.include_router(router)
    app.mount("/static", StaticFiles(packages=[("broker.dashboard", "static")]), name="static")
