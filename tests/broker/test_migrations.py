"""The migrations make what the models say, and can be undone."""

import psycopg
import pytest
from sqlalchemy import make_url

from m2kt.dev import alembic


@pytest.mark.usefixtures("migrated_engine")
def test_the_models_and_the_migrations_agree(database_url):
    assert "No new upgrade operations detected" in alembic(database_url, "check")


def test_the_schema_goes_down_to_nothing_and_up_again(database_url):
    name = f"{make_url(database_url).database}_down"
    server = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            url = make_url(database_url).set(database=name).render_as_string(hide_password=False)
            alembic(url, "upgrade", "head")
            alembic(url, "downgrade", "base")
            alembic(url, "upgrade", "head")
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
