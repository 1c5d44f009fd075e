"""The dashboard: server-rendered pages that work without scripts. `pages` has one module per place."""

from fastapi import APIRouter, FastAPI
from starlette.staticfiles import StaticFiles

from broker.dashboard.pages import account, overview, packet, packets

routers: tuple[APIRouter, ...] = tuple(each.router for each in (account, overview, packets, packet))


def mount(app: FastAPI) -> None:
    """Serve the pages, and their scripts and stylesheet at ``/static``."""
    for router in routers:
        app.include_router(router)
    app.mount("/static", StaticFiles(packages=[("broker.dashboard", "static")]), name="static")
