# ruff: noqa: S608 - all SQL here is ours
"""A seal says what it can, and no more; sealing anew is somebody's decision."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from broker.audit.reseal import reseal
from broker.audit.tables import sealed_tables
from broker.models import JobKind, Role
from broker.sealing import SETTING, SealKey
from broker.services import feed, jobs, orders, retention, sessions
from broker.services.agents import Principal
from m2kt.agent.session import open_session
from m2kt.signing.keys import generate


@pytest.fixture
def by(keys):
    return Principal.of("ada", Role.TEACHER, keys.teacher.public_key())


def behind(session, statement: str) -> None:
    session.execute(text("SET LOCAL session_replication_role = replica"))
    assert session.execute(text(statement)).rowcount
    session.execute(text("SET LOCAL session_replication_role = origin"))


def wheres(report) -> list[str]:
    return [each.where for each in report.findings]


def test_database_and_audit_compute_the_same_seal(session, seal_key):
    made = session.scalar(text("SELECT seal_of(:key, 'jobs', 'grün')"), {"key": seal_key.text})
    assert made == seal_key.seal("jobs", "grün")


def test_tables_that_postgres_counts_in_parallel_are_not_taken_for_each_other(look, session):
    """A parallel append returns its parts in the order in which they end."""
    settings = {
        "parallel_setup_cost": 0, "parallel_tuple_cost": 0, "min_parallel_table_scan_size": 0,
        "debug_parallel_query": "on", "max_parallel_workers_per_gather": 2,
    }  # fmt: skip
    for name, value in settings.items():
        session.execute(text(f"SET LOCAL {name} = '{value}'"))
    for _ in range(3):
        assert look().findings == []


def test_a_job_that_was_changed_stays_named_when_the_broker_works_on_it(look, session, by):
    job = orders.place(session, JobKind.NOOP, {"n": 9}, by=by).job
    behind(session, f"""UPDATE jobs SET spec = '{{"n": 10}}', priority = 99 WHERE id = '{job.id}'""")
    held = jobs.claim(session, "w", 30, [JobKind.NOOP])
    assert held.id == job.id
    jobs.succeed(session, held, {})
    assert wheres(look()) == [f"jobs {job.id}"]


def test_an_old_version_of_a_job_is_named_though_its_seal_holds(look, session):
    """The job would run again."""
    session.execute(text("CREATE TEMP TABLE old AS SELECT * FROM jobs WHERE state = 'running'"))
    job = session.scalar(text("SELECT id FROM old"))
    jobs.succeed(session, jobs.Claim(job, "noop", {}, None, 1, 1), {})
    assert look().findings == []
    columns = "state, progress, result, lease_owner, lease_until, finished, events, seal"
    behind(session, f"UPDATE jobs SET ({columns}) = (SELECT {columns} FROM old) WHERE id = '{job}'")
    assert wheres(look()) == [f"jobs {job}"]


def test_a_row_that_somebody_writes_without_the_key_is_named(look, session, connection):
    connection.execute(text("SELECT set_config(:name, '', true)"), {"name": SETTING})
    session.execute(text("UPDATE agents SET role = 'admin' WHERE name = 'stu'"))
    session.execute(text("DELETE FROM nonces"))
    found = wheres(look())
    assert any(each.startswith("agents ") for each in found)
    assert "nonces" in found


def test_a_trigger_that_is_off_is_named(look, session):
    session.execute(text("ALTER TABLE jobs DISABLE TRIGGER zz_seal"))
    assert "trigger jobs.zz_seal" in wheres(look())


def test_a_function_that_was_replaced_is_named(look, session):
    session.execute(text("CREATE OR REPLACE FUNCTION count_jobs() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'"))
    assert "function count_jobs" in wheres(look())


def test_jobs_that_are_forgotten_in_their_time_are_no_finding(look, session):
    assert retention.forget_finished(session, timedelta(0))
    assert look().findings == []


def test_the_feeds_and_sessions_lives_are_no_findings(look, session, client_of, keys):
    """Rows that the broker itself changes and drops: an event gets its number, an old one goes; so does a session."""
    student = client_of(keys.student)
    open_session(student)
    student.beat()
    feed.note(session, feed.STATE, "sha256:x", "acme/chains", "1.0.0")
    assert look().findings == []
    assert feed.number(session)
    assert look().findings == []
    assert feed.forget(session, timedelta(0))
    before = session.scalar(text("SELECT count(*) FROM agent_sessions"))
    sessions.forget(session, timedelta(0))
    assert session.scalar(text("SELECT count(*) FROM agent_sessions")) < before
    assert look().findings == []


def test_a_database_from_before_seals_is_one_finding_and_can_be_taken_over(look, session, keeper, seal_key):
    for each in sealed_tables(session):
        behind(session, f"UPDATE {each.name} SET seal = NULL")
    behind(session, "DELETE FROM row_counts")
    assert wheres(look()) == ["database"]
    assert wheres(reseal(session, keeper, (seal_key,), accept=False)) == ["database"]
    assert reseal(session, keeper, (seal_key,), accept=True).findings == []
    assert look().findings == []


def test_another_key_takes_over_what_the_former_one_sealed(look, session, keeper, seal_key, connection):
    fresh = SealKey.of(generate())
    assert look().findings == []
    assert reseal(session, keeper, (fresh,), accept=False).findings
    assert reseal(session, keeper, (fresh, seal_key), accept=False).findings == []
    assert look().findings  # the former key alone
    assert reseal(session, keeper, (seal_key, fresh), accept=False).findings == []
    assert look().findings == []


def test_sealing_anew_does_not_hide_a_change(look, session, keeper, seal_key):
    behind(session, "UPDATE agents SET role = 'admin' WHERE name = 'stu'")
    assert wheres(reseal(session, keeper, (seal_key,), accept=False)) == wheres(look()) != []
