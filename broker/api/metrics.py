"""Prometheus: requests counted as they pass, the ledger counted when asked."""

import time
from collections.abc import Iterator

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from broker.db import Sessions, transaction
from broker.services import health, sequencer, tlog
from broker.web.deps import OPEN_MACHINES
from m2kt.errors import Unavailable

router = APIRouter(tags=["health"], dependencies=[Depends(OPEN_MACHINES)])


class RequestMetrics:
    """Counts requests by route (its template, so that packet ids make no new series), method and status."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self._app = app
        labels = ("method", "route", "status")
        self._requests = Counter("m2kt_http_requests", "Requests answered", labels, registry=registry)
        self._seconds = Histogram("m2kt_http_seconds", "Time to the head of the answer", ("route",), registry=registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        begun = time.perf_counter()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "unknown")
                method = scope["method"] if route != "unknown" else "unknown"
                self._requests.labels(method, route, message["status"]).inc()
                self._seconds.labels(route).observe(time.perf_counter() - begun)
            await send(message)

        await self._app(scope, receive, counted)


class LedgerMetrics(Collector):
    """Gauges read from the database at every scrape; ``m2kt_database_up`` is 0 when it cannot be asked."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing: without this, registering would already ask the database."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        up = GaugeMetricFamily("m2kt_database_up", "1 when the database answers")
        try:
            gauges = self._read()
        except Unavailable:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield from gauges

    def _read(self) -> list[GaugeMetricFamily]:
        packets = GaugeMetricFamily("m2kt_packets", "Packets by state", labels=["state"])
        jobs = GaugeMetricFamily("m2kt_jobs", "Unfinished jobs", labels=["kind", "state"])
        waiting = GaugeMetricFamily("m2kt_oldest_due_job_seconds", "Wait of the oldest due job")
        log = GaugeMetricFamily("m2kt_log", "Transparency log: entries, entries that wait, age", labels=["what"])
        with transaction(self._sessions) as session:
            pulse = tlog.pulse(session, sequencer.database_time)
            for what, value in (("size", pulse.size), ("waiting", pulse.waiting), ("age_seconds", pulse.age_seconds)):
                log.add_metric([what], value)
            for state, count in health.packets_by_state(session).items():
                packets.add_metric([state], count)
            for labels, count in health.unfinished_jobs(session).items():
                jobs.add_metric(labels, count)
            waiting.add_metric([], health.oldest_due_seconds(session))
        return [packets, jobs, waiting, log]


@router.get("/metrics", response_class=Response, include_in_schema=False)
def metrics(request: Request) -> Response:
    registry: CollectorRegistry = request.app.state.metrics
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
