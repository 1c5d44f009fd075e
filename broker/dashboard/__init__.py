"""The dashboard: server-rendered pages that work without scripts. `pages` has one module per place."""

from fastapi import APIRouter, FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles

from broker.dashboard import route
from broker.dashboard.pages import (
    account,
    accounts,
    agents,
    channels,
    health,
    jobs,
    keys,
    log,
    overview,
    packet,
    packet_contents,
    packet_proofs,
    packets,
    reviews,
)

PACKET = (packet, packet_proofs, packet_contents)
PAGES = (account, overview, packets, *PACKET, reviews, jobs, agents, channels, keys, log, health, accounts)
routers: tuple[APIRouter, ...] = tuple(each.router for each in PAGES)


def mount(app: FastAPI) -> None:
    """Serve the pages, and their scripts and stylesheet at ``/static``."""
    for router in routers:
        app.include_router(router)
    route.install(app)
    static = StaticFiles(packages=[("broker.dashboard", "static")])
    # Pages are not compressed: they hold a secret beside what others said.
    app.mount("/static", GZipMiddleware(static), name="static")
