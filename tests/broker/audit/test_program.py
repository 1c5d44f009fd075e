"""`m2kt log audit` executes the audit where the broker's settings are."""

import json

import pytest
from sqlalchemy import create_engine, text

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


@pytest.fixture
def monitored(running_stack, tmp_path, capfd):
    """`m2kt log monitor --database` looks once; its exit status and what it said."""
    told = ["monitor", "--broker", running_stack.url, "--trust", str(running_stack.trusted / "broker.pub")]
    told += ["--key", str(running_stack.runtime.layout.keys / "admin.key"), "--state", str(tmp_path), "--once"]

    def look(*words):
        status = run_app(app, "m2kt log", [*told, *words])
        return status, capfd.readouterr()

    return look


def test_the_monitor_names_a_row_that_no_remote_monitor_sees(monitored, running_stack):
    database = ("--database", "--root", str(running_stack.runtime.layout.root))
    assert monitored(*database)[0] == 0
    engine = create_engine(running_stack.runtime.environment()["M2KT_DATABASE_URL"])
    try:
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO nonces (key_id, nonce) VALUES ('a', 'b')"))
        assert monitored()[0] == 0
        status, said = monitored(*database)
        assert (status, said.out.splitlines()[0].startswith("nonces a b: ")) == (76, True)
    finally:
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM nonces WHERE key_id = 'a'"))
        engine.dispose()


def test_a_monitor_that_is_not_asked_about_the_database_takes_no_settings_of_it(monitored, tmp_path):
    status, said = monitored("--root", str(tmp_path))
    assert (status, "--database" in said.err) == (2, True)
