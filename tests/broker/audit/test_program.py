"""`m2kt log audit` executes the audit where the broker's settings are."""

import json

import pytest
from sqlalchemy import text

from m2kt.cli.edge import run_app
from m2kt.cli.log import app


@pytest.fixture
def told(settings, migrated_engine, monkeypatch):
    for name in ("database_url", "redis_url", "broker_key", "admin_keys"):
        monkeypatch.setenv(f"M2KT_{name.upper()}", str(getattr(settings, name)))


def test_an_empty_database_has_no_findings_and_a_row_of_somebody_else_is_one(told, migrated_engine, capfd):
    assert run_app(app, "m2kt log", ["audit", "-o", "json"]) == 0
    assert json.loads(capfd.readouterr().out)["findings"] == []
    with migrated_engine.begin() as connection:
        connection.execute(text("INSERT INTO nonces (key_id, nonce) VALUES ('a', 'b')"))
    try:
        assert run_app(app, "m2kt log", ["audit"]) == 76
        assert run_app(app, "m2kt log", ["reseal"]) == 76
    finally:
        with migrated_engine.begin() as connection:
            connection.execute(text("DELETE FROM nonces"))


def test_settings_that_are_missing_are_named(monkeypatch, capfd):
    monkeypatch.delenv("M2KT_DATABASE_URL", raising=False)
    assert run_app(app, "m2kt log", ["audit"]) == 2
    assert "M2KT_DATABASE_URL" in capfd.readouterr().err
