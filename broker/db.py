"""The engine, the base of all tables, and the one transaction of a request or of a worker's step."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Engine, MetaData, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from broker.sealing import RENDERING, SealKey
from broker.storage.driver import driver
from m2kt.errors import DatabaseAway, M2KTError, Unavailable

Sessions = sessionmaker[Session]
Ring = Callable[[uuid.UUID], None]
Driver = psycopg.Connection[Any]

_PATIENCE = "-c lock_timeout=10s -c idle_in_transaction_session_timeout=60s"
_HALF_OPEN = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}
"""A host that vanished without a word is noticed within half a minute (libpq, 34.1.2), not when TCP gives up."""

_REST_SECONDS = 1.0
_DUE = "jobs to ring for after commit"


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def make_engine(url: str, seal: SealKey | None = None) -> Engine:
    """An engine that notices a restarted server and does not wait long for an absent one.

    What it writes is sealed with ``seal``; without one it carries no seal, which the audit will name.
    """
    engine = create_engine(
        url,
        pool_size=10,
        max_overflow=10,
        pool_timeout=10,
        pool_use_lifo=True,  # a connection that was just used has its plans and caches at hand
        connect_args={
            "connect_timeout": 3,
            "options": f"{_PATIENCE} {seal.options if seal else RENDERING}",
            **_HALF_OPEN,
        },
    )
    _ping_the_rested(engine)
    return engine


def _ping_the_rested(engine: Engine) -> None:
    """Ask a connection that has rested whether it still lives; asking each time costs more than most statements."""

    @event.listens_for(engine, "checkin")
    def note(_: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        record.info["since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def ask(connection: DBAPIConnection, record: ConnectionPoolEntry, _: object) -> None:
        if time.monotonic() - record.info.get("since", time.monotonic()) < _REST_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise DisconnectionError("the server was restarted") from error


def make_sessions(engine: Engine) -> Sessions:
    return sessionmaker(engine, expire_on_commit=False)


def make_reads(engine: Engine) -> Sessions:
    """Sessions over the same connections in which each statement is a transaction: one round trip, not three."""
    return sessionmaker(engine.execution_options(isolation_level="AUTOCOMMIT"), expire_on_commit=False)


class Single:
    """The same without SQLAlchemy's half a millisecond, for what every request begins with."""

    def __init__(self, sessions: Sessions, engine: Engine | None) -> None:
        self._sessions, self._engine = sessions, engine

    @contextmanager
    def connection(self) -> Iterator[Driver]:
        """psycopg's connection, whose rows have names. Without an engine (tests) one in a session's transaction."""
        with _named_errors():
            if self._engine is None:
                with self._sessions.begin() as session:
                    yield driver(session)
            else:
                with _autocommit(self._engine.raw_connection()) as connection:
                    yield connection


@contextmanager
def _autocommit(held: PoolProxiedConnection) -> Iterator[Driver]:
    connection: Driver = held.driver_connection  # type: ignore[assignment]
    try:
        connection.autocommit = True
        yield connection
    except psycopg.Error:
        held.invalidate()
        raise
    finally:
        if held.is_valid:
            connection.autocommit = False
        held.close()


@contextmanager
def _named_errors() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout, psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise _unavailable(error) from error


def ring_after_commit(session: Session, job: uuid.UUID) -> None:
    """Have somebody look at the outbox once the surrounding `transaction` has committed: ``job`` has a row in it."""
    session.info.setdefault(_DUE, []).append(job)


@contextmanager
def transaction(sessions: Sessions, ring: Ring = lambda _: None) -> Iterator[Session]:
    """One transaction; bells ring only after it has committed, and a lost one is in the outbox.

    SQLAlchemy's ``after_commit`` event is no place for this: it loses an outer job when a savepoint rolls back.
    """
    with _named_errors(), sessions.begin() as session:
        yield session
    for job in session.info.pop(_DUE, []):
        ring(job)


def _unavailable(error: Exception) -> M2KTError:
    """Postgres is gone, or it is there and refused this statement for now (a lock, a deadlock, a cancel)."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    sqlstate = getattr(cause, "sqlstate", None)
    if sqlstate is None or sqlstate.startswith(("08", "57P")):
        return DatabaseAway("the database does not answer")
    return Unavailable(f"the database could not do this now (SQLSTATE {sqlstate})")
