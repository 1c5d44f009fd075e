"""psycopg's connection behind a session: for what SQLAlchemy has no words for."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.orm import Session


def driver(session: Session) -> Any:
    """psycopg's connection of the session's transaction; what the session has pending goes first."""
    session.flush()
    return session.connection().connection.driver_connection


@contextmanager
def together(session: Session) -> Iterator[Any]:
    """A connection whose statements go to Postgres in one piece (psycopg's pipeline mode), with the ``BEGIN`` that is
    due: one round trip. Each of them sees what those before it did. Answers are fetched after the block; the first
    error ends it, and the transaction."""
    connection = driver(session)
    with connection.pipeline():
        yield connection
