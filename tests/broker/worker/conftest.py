"""A database of its own for what needs several connections: claims, leases, threads, processes. Nothing rolls back."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from broker.db import Sessions, make_engine, make_sessions
from broker.jobs import Bell
from broker.models import JobKind, JobState, Role
from broker.services import agents, jobs, publishing
from broker.services.agents import Principal
from broker.services.publishing import Desk
from broker.services.sequencer import Keeper
from broker.settings import Settings
from broker.storage.postgres import PostgresBlobs
from broker.worker.bench import Bench
from m2kt.dev import alembic
from m2kt.signing.keys import write_private
from tests.broker.conftest import Keys

LEASE = 4.0


@pytest.fixture(scope="session")
def live_url(database_url: str) -> Iterator[str]:
    url = make_url(database_url).set(database=f"{make_url(database_url).database}_live")
    server = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{url.database}"')
        shown = url.render_as_string(hide_password=False)
        alembic(shown, "upgrade", "head")
        yield shown
        connection.execute(f'DROP DATABASE "{url.database}" WITH (FORCE)')


@pytest.fixture(scope="session")
def live_settings(live_url: str, settings: Settings) -> Settings:
    return settings.model_copy(update={"database_url": live_url, "lease_seconds": LEASE})


@pytest.fixture
def live(live_url: str) -> Iterator[Sessions]:
    """Sessions that really commit, on an empty ledger."""
    engine = make_engine(live_url)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "TRUNCATE feed, channels, channel_heads, packet_parents, restatements, outcomes, log_leaves, log_tiles, "
            "log_checkpoints, jobs, outbox, attestations, packet_signatures, packets, "
            "blobs, chunks, key_statements, agent_keys, agents, nonces CASCADE"
        )
    yield make_sessions(engine)
    engine.dispose()


@pytest.fixture
def bench(live: Sessions, live_settings: Settings, keys: Keys, redis_url: str, tmp_path: Path) -> Iterator[Bench]:
    write_private(tmp_path / "worker.key", keys.stranger)
    told = live_settings.model_copy(update={"work_dir": tmp_path, "worker_key": tmp_path / "worker.key"})
    standing = agents.read_standing(told.admin_keys, told.worker_key)
    bell = Bell(redis_url)
    yield Bench(
        told, live, bell.ring, keys.broker, PostgresBlobs(), standing, Keeper("log.test", keys.broker), "this-worker"
    )
    bell.close()


class Ledger:
    """Short ways to look into the ledger and to write into it."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def submit(self, kind: JobKind = JobKind.NOOP, **spec: object):
        with self._sessions.begin() as session:
            return jobs.submit(session, kind, spec, submitter="test").id

    def claim(self, owner: str = "a", kind: JobKind = JobKind.NOOP, seconds: float = 30):
        with self._sessions.begin() as session:
            return jobs.claim(session, owner, seconds, [kind])

    def get(self, job_id):
        with self._sessions.begin() as session:
            return jobs.get(session, job_id)

    def state(self, job_id) -> JobState:
        return self.get(job_id).state

    def cancel(self, job_id) -> None:
        with self._sessions.begin() as session:
            jobs.cancel(session, job_id, by="root", admin=True)

    def sweep(self):
        with self._sessions.begin() as session:
            return jobs.sweep(session)


@pytest.fixture
def ledger(live: Sessions) -> Ledger:
    return Ledger(live)


@pytest.fixture
def published(live: Sessions, bench: Bench, keys: Keys, signed: bytes) -> str:
    """A packet that waits for its scan."""
    with live.begin() as session:
        agents.register(session, keys.broker, "ada", Role.TEACHER, keys.teacher.public_key())
        desk = Desk(keys.broker, bench.store, bench.standing, 2**20)
        ada = Principal.of("ada", Role.TEACHER, keys.teacher.public_key())
        return publishing.publish(session, desk, signed, publisher=ada).packet.packet_id
