"""A broker over a real Postgres that is rolled back, clients that speak to it without a socket, and packets."""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256

import httpx
import numpy as np
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI
from sqlalchemy import Connection
from sqlalchemy.orm import Session, sessionmaker

from broker.db import Sessions
from broker.main import create_app
from broker.models import JobKind, Role
from broker.services import agents, jobs, scans, sequencer
from broker.services.publishing import Desk
from broker.services.sequencer import Keeper
from broker.settings import Settings
from m2kt.client import Client
from m2kt.packet import (
    Array,
    DomainRef,
    Extraction,
    Manifest,
    Packet,
    PacketId,
    PacketKind,
    Teacher,
    build_packet,
    ledger,
)
from m2kt.scan import Policy
from m2kt.scan.report import report
from m2kt.signing import sign_packet
from m2kt.signing.http import new_nonce, sign_request
from m2kt.signing.keys import PrivateKey, TrustStore, generate, write_private, write_public

URL = "http://broker.test"


class AppTransport(httpx.BaseTransport):
    """Carries a synchronous client's requests to an ASGI application, without a socket."""

    def __init__(self, app: FastAPI, portal: BlockingPortal) -> None:
        self._inner = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._portal = portal

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._portal.call(self._handle, request)

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        if isinstance(request.stream, httpx.SyncByteStream) and not isinstance(request.stream, httpx.AsyncByteStream):
            request.stream = _Pieces(request.stream)
        response = await self._inner.handle_async_request(request)
        body = await response.aread()
        if "content-encoding" in response.headers:  # the body is decoded already
            for name in ("content-encoding", "content-length"):
                response.headers.pop(name, None)
        return httpx.Response(response.status_code, headers=response.headers, content=body, request=request)


class _Pieces(httpx.AsyncByteStream):
    """A synchronous stream, piece by piece: so that a chunked body arrives as one."""

    def __init__(self, stream: httpx.SyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self):  # type: ignore[no-untyped-def]
        for piece in self._stream:
            yield piece


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as portal:
        yield portal


@dataclass(frozen=True)
class Keys:
    """The private keys of everybody in these tests."""

    broker: PrivateKey
    admin: PrivateKey
    teacher: PrivateKey
    student: PrivateKey
    stranger: PrivateKey


@pytest.fixture(scope="session")
def keys() -> Keys:
    return Keys(*(generate() for _ in range(5)))


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory, keys: Keys, database_url: str, redis_url: str) -> Settings:
    root = tmp_path_factory.mktemp("broker")
    (root / "admins").mkdir()
    write_private(root / "broker.key", keys.broker)
    write_public(root / "admins" / "root.pub", keys.admin.public_key())
    return Settings(
        database_url=database_url,
        redis_url=redis_url,
        broker_key=root / "broker.key",
        admin_keys=root / "admins",
        max_packet_bytes=300_000,
        work_dir=root / "work",
    )


@pytest.fixture
def sessions(connection: Connection) -> Sessions:
    """Sessions whose commits are savepoints of one transaction, which the test's end rolls back."""
    return sessionmaker(connection, join_transaction_mode="create_savepoint", expire_on_commit=False)


@pytest.fixture
def app(settings: Settings, sessions: Sessions) -> FastAPI:
    return create_app(settings, sessions=sessions)


@pytest.fixture
def transport(app: FastAPI, portal: BlockingPortal) -> AppTransport:
    return AppTransport(app, portal)


@pytest.fixture
def http(transport: AppTransport) -> Iterator[httpx.Client]:
    """Unsigned requests."""
    with httpx.Client(base_url=URL, transport=transport) as client:
        yield client


ClientOf = Callable[[PrivateKey | None], Client]


@pytest.fixture
def client_of(transport: AppTransport, keys: Keys) -> ClientOf:
    """The SDK in the hands of a key's holder, who trusts the broker and the teacher."""
    trust = TrustStore([keys.broker.public_key(), keys.teacher.public_key()])
    return lambda key: Client(URL, key, trust, transport)


Sign = Callable[..., httpx.Response]


@pytest.fixture
def sign(http: httpx.Client) -> Sign:
    """Send a signed request and return its answer, whatever it is; ``spoil`` may change the request after signing."""

    def send(
        key: PrivateKey,
        method: str,
        path: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        spoil: Callable[[httpx.Request], None] = lambda _: None,
        now: int | None = None,
    ) -> httpx.Response:
        request = http.build_request(method, path, content=body, headers=headers)
        host = {"Host": request.headers["Host"]}
        digest = sha256(body).digest()
        at = int(time.time()) if now is None else now
        request.headers.update(sign_request(method, str(request.url), host, digest, key, at, new_nonce()))
        spoil(request)
        return http.send(request)

    return send


@pytest.fixture
def enrolled(session: Session, keys: Keys) -> None:
    """The teacher and the student are registered."""
    agents.register(session, keys.broker, "ada", Role.TEACHER, keys.teacher.public_key())
    agents.register(session, keys.broker, "stu", Role.STUDENT, keys.student.public_key())
    session.commit()


@pytest.fixture
def desk(app: FastAPI) -> Desk:
    found: Desk = app.state.context.desk
    return found


# Packets

_seeds = itertools.count(1)


def make_packet(
    name: str = "acme/chains",
    version: str = "1.0.0",
    *,
    seed: int | None = None,
    kind: PacketKind = PacketKind.ANCHORS,
    tensors: dict[str, Array] | None = None,
    ledger_of: Callable[[dict[str, int]], dict[str, int]] = lambda found: found,
    parents: tuple[str, ...] = (),
) -> Packet:
    """A small packet; without a seed, one that no other test has."""
    random = np.random.default_rng(next(_seeds) if seed is None else seed)
    tensors = tensors or {
        "anchors/states": random.normal(size=(6, 8)).astype(np.float32),
        "symbols/embeddings": random.normal(size=(5, 8)).astype(np.float16),
    }
    digest = f"sha256:{'a' * 64}"
    manifest = Manifest.describe(
        kind=kind,
        name=name,
        version=version,
        created="2026-01-31T12:00:00Z",
        domain=DomainRef("chains", "1.0.0"),
        teacher=Teacher("<tiny> teacher", "gpt2", "gpt2", 1000, digest, digest),
        extraction=Extraction("e1", {"probes": 10}, 1),
        licence="Apache-2.0",
        tensors=tensors,
        ledger=ledger_of(ledger.measure(tensors, 10)),
        symbols=("a", "b"),
        leads=("",),
        parents=tuple(map(PacketId, parents)),
    )
    return build_packet(manifest, tensors)


@pytest.fixture
def signed(keys: Keys) -> bytes:
    """A fresh packet, signed by the teacher."""
    return sign_packet(make_packet(), keys.teacher)


Scan = Callable[[], None]


@pytest.fixture
def keeper(app: FastAPI) -> Keeper:
    found: Keeper = app.state.context.keeper
    return found


@pytest.fixture
def run_log(sessions: Sessions, keeper: Keeper) -> Scan:
    """Integrate what waits for the log."""

    def run() -> None:
        while True:
            with sessions.begin() as session:
                if not sequencer.integrate(session, keeper):
                    return

    return run


@pytest.fixture
def run_scans(sessions: Sessions, desk: Desk, run_log: Scan) -> Scan:
    """Do what the worker does with the scans that are due, and with the log, in this process."""

    def run() -> None:
        while True:
            with sessions.begin() as session:
                held = jobs.claim(session, "test", 30, [JobKind.SCAN])
                if held is None:
                    return run_log()
                data = scans.begin(session, desk.key, desk.store, held.packet_id or "")
                if data is None:  # revoked meanwhile
                    jobs.succeed(session, held, {})
                    continue
                verdict = report(data, Policy())
                jobs.succeed(session, held, verdict)
                scans.conclude(session, desk.key, held.packet_id or "", verdict)

    return run
