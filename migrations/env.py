"""Alembic's environment: the models' metadata against the database named by M2KT_DATABASE_URL."""

import os

from alembic import context
from sqlalchemy import Connection, create_engine, pool

from broker.models import Base

BESIDE_PGVECTOR = "concept_vectors"
"""A table that is there only with the extension; migration 0010 makes it, no model describes it."""


def ours(thing: object, name: str | None, kind: str, reflected: bool, other: object) -> bool:
    return not (kind == "table" and name == BESIDE_PGVECTOR)


def migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata, include_object=ours)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    # A migration is its own program with one setting; it must not ask for the broker's keys.
    url = context.config.get_main_option("sqlalchemy.url") or os.environ["M2KT_DATABASE_URL"]
    with create_engine(url, poolclass=pool.NullPool).connect() as connection:
        migrate(connection)
