"""A runtime: Postgres, Valkey, broker and worker under one directory, brought up and down as one."""

from dataclasses import dataclass
from pathlib import Path

from m2kt.dev import keys, postgres, programs, valkey
from m2kt.dev.layout import Layout
from m2kt.dev.ports import LOOPBACK, Ports
from m2kt.dev.service import end_leftovers, stop
from m2kt.dev.startup import Addresses, OnStep, Startup
from m2kt.dev.state import Record, load, locked
from m2kt.errors import RuntimeFault

KINDS = (postgres.KIND, valkey.KIND, programs.BROKER, programs.WORKER)
"""In the order in which they start; they end in reverse."""

ANY_PORTS = Ports()


@dataclass(frozen=True)
class ServiceStatus:
    """What `status` says of one service: ``running``, ``stopped``, or ``dead`` when it ended without being told to."""

    name: str
    state: str
    pid: int | None
    address: str | None
    log: Path


class Runtime:
    """The servers and programs under ``root``. Safe to call from several processes at once: a lock file orders them."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root.expanduser().resolve())

    def up(
        self, *, servers_only: bool = False, ports: Ports = ANY_PORTS, on_step: OnStep = lambda _: None
    ) -> Addresses:
        """Start what does not run yet, wait until it serves, and say where.

        When it fails, what this call started is ended again. Raises `PortTaken`, `DiskFull`, `ChildFailed`,
        `RuntimeFault`; `UsageError` when ``ports`` asks for another port than the one in use.
        """
        self.layout.claim()
        with locked(self.layout.lock):
            startup = Startup(self.layout, on_step)
            with startup.undone_on_failure():
                self.layout.prepare()
                addresses = startup.servers(ports)
                return addresses if servers_only else startup.programs(addresses, ports)

    def down(self, *, on_step: OnStep = lambda _: None) -> None:
        """End everything, the programs first; leaves data, keys and logs."""
        if self.layout.claimed:
            with locked(self.layout.lock):
                self._stop_all(on_step)
                self.layout.clear_running()

    def reset(self, *, on_step: OnStep = lambda _: None) -> None:
        """End everything and delete its data, keys and logs."""
        if self.layout.claimed:
            with locked(self.layout.lock):
                self._stop_all(on_step)
                self.layout.clear_all()

    def status(self) -> list[ServiceStatus]:
        """What runs now. Takes no lock, so it answers while `up` is at work."""
        records = load(self.layout.state)
        return [self._status(kind.name, records.get(kind.name)) for kind in KINDS]

    def environment(self) -> dict[str, str]:
        """What its programs are told, for one more of them. `RuntimeFault` when its servers do not run."""
        records = load(self.layout.state)
        ports = [records[kind.name].port for kind in (postgres.KIND, valkey.KIND) if _alive(records, kind.name)]
        if len(ports) < 2:
            raise RuntimeFault(f"no runtime runs in {self.layout.root}", hint="Start it: m2kt dev up --root DIRECTORY.")
        urls = postgres.url(self.layout, ports[0] or 0), valkey.url(self.layout, ports[1] or 0)
        return programs.environment(self.layout, keys.ensure(self.layout), *urls)

    def _status(self, name: str, record: Record | None) -> ServiceStatus:
        log = self.layout.log(name)
        if record is None:
            return ServiceStatus(name, "stopped", None, None, log)
        address = f"{LOOPBACK}:{record.port}" if record.port else None
        return ServiceStatus(name, "running" if record.alive else "dead", record.pid, address, log)

    def _stop_all(self, on_step: OnStep) -> None:
        records = load(self.layout.state)
        for kind in reversed(KINDS):
            if kind.name in records:
                on_step(f"stopping {kind.name}")
                stop(kind, records[kind.name])
            end_leftovers(kind, self.layout)


def _alive(records: dict[str, Record], name: str) -> bool:
    return name in records and records[name].alive
