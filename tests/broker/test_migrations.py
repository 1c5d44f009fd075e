"""The migrations make what the models say, and can be undone."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from sqlalchemy import make_url

from m2kt.client.predicates import OUTCOME
from m2kt.dev import alembic
from m2kt.packet import PacketId
from m2kt.signing.keys import generate
from m2kt.signing.statement import attest


@pytest.mark.usefixtures("migrated_engine")
def test_the_models_and_the_migrations_agree(database_url):
    assert "No new upgrade operations detected" in alembic(database_url, "check")


@contextmanager
def empty_database(database_url: str, suffix: str) -> Iterator[str]:
    name = f"{make_url(database_url).database}_{suffix}"
    server = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield make_url(database_url).set(database=name).render_as_string(hide_password=False)
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_the_schema_goes_down_to_nothing_and_up_again(database_url):
    with empty_database(database_url, "down") as url:
        alembic(url, "upgrade", "head")
        alembic(url, "downgrade", "base")
        alembic(url, "upgrade", "head")


def test_packets_and_reports_from_before_keep_their_parents_and_decisions(database_url):
    parent, child, unknown = (f"sha256:{each * 64}" for each in "123")
    with empty_database(database_url, "old") as url:
        alembic(url, "upgrade", "0004")
        plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(plain, autocommit=True) as old:
            _fill(old, parent, child, unknown)
        alembic(url, "upgrade", "head")
        with psycopg.connect(plain) as new:
            assert new.execute("SELECT child_id, parent_id FROM packet_parents").fetchall() == [(child, parent)]
            told = new.execute("SELECT student, decision, held FROM outcomes ORDER BY attestation_id").fetchall()
            active = new.execute("SELECT packet_id, active FROM activations").fetchall()
            ends = new.execute("SELECT count(*) FROM packets WHERE good_until > now() + interval '89 days'").fetchone()
    assert told == [("stu", "rolled-back", False), ("stu", "accepted", True), ("stu", "rolled-back", True)]
    assert active == [(child, True)]
    assert ends == (2,)


def _fill(old: psycopg.Connection, parent: str, child: str, unknown: str) -> None:
    old.execute("INSERT INTO blobs (sha256, size) VALUES ('x', 0)")
    for packet, parents in ((parent, []), (child, [parent, unknown])):
        row = (packet, packet[-4:], psycopg.types.json.Jsonb({"parents": parents}))
        old.execute(
            "INSERT INTO packets (packet_id, kind, name, version, domain, state, teacher, manifest, publisher, "
            "publisher_key, size, content_sha256) "
            "VALUES (%s, 'anchors', %s, '1.0.0', 'd', 'approved', '{}', %s, 'ada', 'k', 0, 'x')",
            row,
        )
    old.execute("INSERT INTO agents (name, role) VALUES ('stu', 'student')")
    old.execute("INSERT INTO agent_keys (agent_id, key_id, public_key) SELECT id, 'k', 'p' FROM agents")
    for number, decision in enumerate(("rolled-back", "accepted", "rolled-back")):
        said = {"decision": decision, "note": "ünïcode?>", "number": number}
        envelope = attest(PacketId(child), OUTCOME, said, generate()).to_bytes()
        old.execute(
            "INSERT INTO attestations (packet_id, predicate_type, envelope, digest, signer) "
            "VALUES (%s, %s, %s, %s, 'k')",
            (child, OUTCOME, envelope, str(number)),
        )
