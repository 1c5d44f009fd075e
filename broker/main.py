"""The factory: ``uvicorn --factory broker.main:create_app``. Nothing happens at import."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from broker import api, dashboard
from broker.api import metrics
from broker.db import Sessions, Single, make_engine, make_reads, make_sessions
from broker.jobs import Bell
from broker.sealing import SealKey
from broker.services.agents import read_standing
from broker.services.callers import Callers
from broker.services.publishing import Desk
from broker.services.quotas import Quota
from broker.services.sequencer import read_keeper
from broker.settings import Settings
from broker.storage.place import open_store
from broker.web import declared, problems
from broker.web.closing import Closing
from broker.web.deps import Context
from broker.web.limits import BodyLimit, RateHeaders
from broker.worker import chores
from broker.worker.upkeep import Terms, Upkeep
from m2kt import __version__
from m2kt.signing.keys import PrivateKey

ASIDE = 8
"""Threads that compute digests beside requests."""


def create_app(settings: Settings | None = None, *, sessions: Sessions | None = None) -> FastAPI:
    """The broker. ``sessions`` takes the place of the database that the settings name (tests)."""
    settings = settings or Settings.from_environment()
    key = settings.signing_key()
    engine = make_engine(settings.database_url, SealKey.of(key)) if sessions is None else None
    sessions = sessions or make_sessions(engine)  # type: ignore[arg-type]  # one of the two is there
    bell, desk, closing = Bell(settings.redis_url), _desk(settings, key, sessions), Closing()
    left = chores.transport(settings, desk.store)
    upkeep = Upkeep(sessions, bell, desk.key, settings.keep_days, Terms.of(settings), left)
    app = FastAPI(
        title="M2KT broker",
        version=__version__,
        description="Stores, signs, scans and versions knowledge packets. docs/broker.md explains every route.",
        lifespan=_lifespan(engine, bell, upkeep, closing),
        docs_url=None,  # both pages load scripts from a CDN
        redoc_url=None,
    )
    keeper = read_keeper(key, settings.log_origin, settings.former_broker_keys, settings.log_quorum)
    callers = Callers(desk.standing, settings.beat_seconds)
    single, reads = Single(sessions, engine), sessions if engine is None else make_reads(engine)
    app.state.context = Context(settings, sessions, upkeep.nudge, desk, closing, keeper, callers, single, reads)
    app.state.metrics = CollectorRegistry()
    app.state.metrics.register(metrics.LedgerMetrics(sessions))
    problems.install(app)
    for router in api.routers:
        app.include_router(router)
    dashboard.mount(app)
    declared.install(app, api.routers)
    app.add_middleware(BodyLimit, packet_bytes=settings.max_packet_bytes, idle_seconds=settings.body_seconds)
    app.add_middleware(RateHeaders)
    app.add_middleware(metrics.RequestMetrics, registry=app.state.metrics)
    return app


def _desk(settings: Settings, key: PrivateKey, sessions: Sessions) -> Desk:
    return Desk(
        key=key,
        store=open_store(settings.blobs, sessions),
        standing=read_standing(settings.admin_keys, settings.worker_key),
        max_bytes=settings.max_packet_bytes,
        quota=Quota(settings.quota_packets, settings.quota_bytes),
        patience=timedelta(hours=settings.upload_hours),
        aside=ThreadPoolExecutor(ASIDE, "aside"),
    )


def _lifespan(engine: Engine | None, bell: Bell, upkeep: Upkeep, closing: Closing):  # type: ignore[no-untyped-def]
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        upkeep.start()
        with closing.on_signals():
            yield
        await run_in_threadpool(upkeep.stop)
        bell.close()
        if engine is not None:
            engine.dispose()

    return lifespan
