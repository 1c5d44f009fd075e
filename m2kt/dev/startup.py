"""One `up`: what it found running, what it starts, and the way back when that fails."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from m2kt.dev import keys, postgres, programs, valkey
from m2kt.dev.layout import Layout
from m2kt.dev.migrations import alembic
from m2kt.dev.ports import Ports, choose
from m2kt.dev.service import Kind, Launched, Service, await_ready, launch, stop
from m2kt.dev.state import Record, load, save
from m2kt.errors import PortTaken, UsageError

PORT_ATTEMPTS = 3

OnStep = Callable[[str], None]


@dataclass(frozen=True)
class Addresses:
    """Where a runtime listens; the URLs of the servers hold their passwords."""

    database_url: str
    redis_url: str
    broker_url: str | None = None
    admin_key: Path | None = None
    """Private key file of the administrator; only with the broker."""


class Startup:
    """The records of what runs, and the kinds of service that this call started."""

    def __init__(self, layout: Layout, on_step: OnStep) -> None:
        self.layout = layout
        self.on_step = on_step
        self.records = load(layout.state)
        self.started: list[Kind] = []

    def servers(self, ports: Ports) -> Addresses:
        """Postgres and Valkey."""
        if self._running(postgres.KIND) is None:
            self.on_step("preparing the database")
            postgres.prepare(self.layout)
        database = self._ensure(postgres.KIND, lambda port: postgres.service(self.layout, port), ports.postgres)
        redis = self._ensure(valkey.KIND, lambda port: valkey.service(self.layout, port), ports.valkey)
        return Addresses(postgres.url(self.layout, database), valkey.url(self.layout, redis))

    def programs(self, servers: Addresses, ports: Ports) -> Addresses:
        """Keys and migrations, then broker and worker."""
        made = keys.ensure(self.layout)
        env = programs.environment(self.layout, made, servers.database_url, servers.redis_url)
        if self._running(programs.BROKER) is None:
            self.on_step("applying migrations")
            alembic(servers.database_url, "upgrade", "head")
        port = self._ensure(programs.BROKER, lambda port: programs.broker(self.layout, env, port), ports.broker)
        self._ensure_same(programs.worker(self.layout, env, port))
        return replace(servers, broker_url=programs.url(port), admin_key=made.admin)

    def _ensure(self, kind: Kind, describe: Callable[[int], Service], wanted: int | None) -> int:
        """The port of a service that listens, started if need be."""
        running = self._running(kind)
        if running is None or running.port is None:
            return self._start_listening(kind, describe, wanted)
        if wanted not in (None, running.port):
            raise UsageError(
                f"{kind.name} listens on port {running.port}, not {wanted}", hint="Run `m2kt dev down` before `up`."
            )
        self._ensure_same(describe(running.port))
        return running.port

    def _ensure_same(self, service: Service) -> None:
        """Start a service, or start it again when it runs with other settings than it should."""
        running = self._running(service.kind)
        if running is not None and running.settings == service.settings:
            await_ready(service, Launched(running))  # whoever started it may have been killed while waiting
            return
        if running is not None:
            stop(service.kind, running)
        self._start(service)

    def _start_listening(self, kind: Kind, describe: Callable[[int], Service], wanted: int | None) -> int:
        """Start it on a port that was free just before; another program may be quicker, then on the next."""
        before = self.records[kind.name].port if kind.name in self.records else None
        for _ in range(PORT_ATTEMPTS - 1):
            port = choose(wanted, before)
            try:
                self._start(describe(port))
                return port
            except PortTaken:
                before = None
        port = choose(wanted, None)
        self._start(describe(port))
        return port

    def _start(self, service: Service) -> None:
        self.on_step(f"starting {service.kind.name}")
        launched = launch(service)
        self.started.append(service.kind)
        self.records[service.kind.name] = launched.record
        save(self.layout.state, self.records)
        await_ready(service, launched)

    def _running(self, kind: Kind) -> Record | None:
        record = self.records.get(kind.name)
        return record if record is not None and record.alive else None

    @contextmanager
    def undone_on_failure(self) -> Iterator[None]:
        """End what was started when the rest fails or is interrupted: nobody else would."""
        try:
            yield
        except BaseException:
            for kind in reversed(self.started):
                if kind.name in self.records:
                    stop(kind, self.records.pop(kind.name))
            if any(each.alive for each in self.records.values()):
                save(self.layout.state, self.records)
            else:
                self.layout.clear_running()
            raise
