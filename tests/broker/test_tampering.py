# ruff: noqa: S608 - all SQL here is ours
"""Somebody changes the database, triggers switched off. Whatever row it is, the monitor names it."""

import pytest
from sqlalchemy import text

from broker.models import TRANSITIONS, LogCheckpoint, Role
from broker.services import agents, attestations, sequencer
from broker.services.tlog import stored_tiles
from m2kt.client import LogRules
from m2kt.client.audit import Finding, audit
from m2kt.client.lifecycle_records import STEPS
from m2kt.client.predicates import OUTCOME, STATE, SVR
from m2kt.errors import LogTampered
from m2kt.log import Checkpoint, Memory, issue, tiles, tree
from m2kt.signing import sign_packet
from m2kt.signing.keys import generate
from m2kt.signing.statement import attest
from tests.broker.conftest import make_packet

TABLES = (
    *("log_leaves", "log_tiles", "log_checkpoints", "attestations", "key_statements"),
    *("channel_heads", "packet_parents", "outcomes", "pulls"),
)
ZEROS = "decode(repeat('00', 32), 'hex')"
FLIP = "set_byte({0}, length({0}) - 40, get_byte({0}, length({0}) - 40) # 1)"
STRANGER = "ed25519:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
RECEIPT = "predicate_type = 'urn:m2kt:receipt:v1'"
APPROVED = "state = 'approved'"

# What is done, and a text that the place of one of the findings begins with.
TAMPERINGS = {
    "a leaf's entry": (f"UPDATE log_leaves SET entry = {ZEROS} WHERE index = 3", "leaf 3"),
    "a leaf is deleted": ("DELETE FROM log_leaves WHERE index = 3", "entries/000"),
    "the last leaf loses its place": (
        "UPDATE log_leaves SET index = NULL WHERE index = (SELECT max(index) FROM log_leaves)",
        "entries/000",
    ),
    "two leaves change places": (
        "UPDATE log_leaves SET index = -1 WHERE index = 3; UPDATE log_leaves SET index = 3 WHERE index = 4; "
        "UPDATE log_leaves SET index = 4 WHERE index = -1",
        "leaf 3",
    ),
    "a tile's hash": (f"UPDATE log_tiles SET hashes = {FLIP.format('hashes')} WHERE level = 0", "tile 0/000"),
    "a tile is cut": ("UPDATE log_tiles SET hashes = substring(hashes FOR 64) WHERE level = 0", "tile 0/000"),
    "a tile is deleted": ("DELETE FROM log_tiles WHERE level = 0", "tile 0/000"),
    "the checkpoint's root": (
        "UPDATE log_checkpoints SET note = regexp_replace(note, '\\n[A-Za-z0-9+/]{43}=\\n', "
        "E'\\n' || repeat('A', 43) || E'=\\n')",
        "checkpoint",
    ),
    "the checkpoint's size in the row": ("UPDATE log_checkpoints SET size = size - 1", "tile 0/000"),
    "the checkpoint is deleted": ("DELETE FROM log_checkpoints", "checkpoint"),
    "the checkpoint is hidden": ("UPDATE log_checkpoints SET published = false", "checkpoint"),
    "an attestation's envelope": (
        f"UPDATE attestations SET envelope = {FLIP.format('envelope')} WHERE {RECEIPT}",
        "attestation",
    ),
    "an attestation's digest": (f"UPDATE attestations SET digest = 'x' WHERE {RECEIPT}", "attestation"),
    "an attestation's signer": (f"UPDATE attestations SET signer = 'x' WHERE {RECEIPT}", "attestation"),
    "an attestation's type": (f"UPDATE attestations SET predicate_type = 'urn:m2kt:scan:v1' WHERE {RECEIPT}", "attest"),
    "an attestation's packet": (
        f"UPDATE attestations SET packet_id = (SELECT min(packet_id) FROM packets WHERE NOT {APPROVED}) "
        "WHERE id = (SELECT min(id) FROM attestations WHERE predicate_type = 'urn:m2kt:scan:v1')",
        "attestation",
    ),
    "a receipt is deleted": (f"DELETE FROM attestations WHERE {RECEIPT}", "packet"),
    "a verdict is deleted": ("DELETE FROM attestations WHERE predicate_type = 'urn:m2kt:scan:v1'", "leaf"),
    "a result is deleted": (
        "DELETE FROM attestations WHERE predicate_type = 'https://in-toto.io/attestation/svr/v0.2'",
        "leaf",
    ),
    "a change of state is deleted": (
        "DELETE FROM attestations WHERE id = (SELECT min(id) FROM attestations "
        "WHERE predicate_type = 'urn:m2kt:state:v1')",
        "packet",
    ),
    "an outcome is deleted": (
        f"DELETE FROM outcomes; DELETE FROM attestations WHERE predicate_type = '{OUTCOME}'",
        "leaf",
    ),
    "a state": ("UPDATE packets SET state = 'approved'", "packet"),
    "the reason of a state": (f"UPDATE packets SET reason = 'x' WHERE {APPROVED}", "packet"),
    "a name": (f"UPDATE packets SET name = 'evil/name' WHERE {APPROVED}", "packet"),
    "a version": (f"UPDATE packets SET version = '9.9.9' WHERE {APPROVED}", "packet"),
    "a kind": ("UPDATE packets SET kind = 'aggregate'", "packet"),
    "a domain": ("UPDATE packets SET domain = 'other@1.0.0'", "packet"),
    "a teacher": ("UPDATE packets SET teacher = jsonb_set(teacher, '{family}', '\"other\"')", "packet"),
    "a manifest": ("UPDATE packets SET manifest = jsonb_set(manifest, '{licence}', '\"other\"')", "packet"),
    "name and manifest": (
        "UPDATE packets SET name = 'evil/name', manifest = jsonb_set(manifest, '{name}', '\"evil/name\"') "
        f"WHERE {APPROVED}",
        "packet",
    ),
    "a publisher": ("UPDATE packets SET publisher = 'eve'", "packet"),
    "a publisher's key": ("UPDATE packets SET publisher_key = 'x'", "packet"),
    "a size": (f"UPDATE packets SET size = size - 1 WHERE {APPROVED}", "packet"),
    "a digest": (
        "INSERT INTO blobs (sha256, size) VALUES ('sha256:x', 0); UPDATE packets SET content_sha256 = 'sha256:x' "
        f"WHERE {APPROVED}",
        "packet",
    ),
    "when it was made": ("UPDATE packets SET created = created - interval '1 day'", "packet"),
    "when its state changed": ("UPDATE packets SET state_changed = state_changed - interval '1 day'", "packet"),
    "a signature": ("UPDATE packet_signatures SET signature = repeat('A', 86) || '=='", "packet"),
    "a signature's key": ("UPDATE packet_signatures SET key_id = 'x'", "packet"),
    "a signature is deleted": ("DELETE FROM packet_signatures", "packet"),
    "a chunk": (
        f"UPDATE chunks SET data = {FLIP.format('data')} WHERE sha256 = "
        f"(SELECT content_sha256 FROM packets WHERE {APPROVED})",
        "packet",
    ),
    "a chunk is deleted": (
        f"DELETE FROM chunks WHERE sha256 = (SELECT content_sha256 FROM packets WHERE {APPROVED})",
        "packet",
    ),
    "a packet is deleted": (
        f"CREATE TEMP TABLE gone AS SELECT packet_id FROM packets WHERE {APPROVED}; "
        "DELETE FROM pulls WHERE packet_id IN (SELECT packet_id FROM gone); "
        "DELETE FROM outcomes WHERE packet_id IN (SELECT packet_id FROM gone); "
        "DELETE FROM channel_heads WHERE packet_id IN (SELECT packet_id FROM gone); "
        "DELETE FROM packet_parents WHERE parent_id IN (SELECT packet_id FROM gone); "
        "DELETE FROM attestations WHERE packet_id IN (SELECT packet_id FROM gone); "
        "DELETE FROM packet_signatures WHERE packet_id IN (SELECT packet_id FROM gone); "
        "DELETE FROM jobs WHERE packet_id IN (SELECT packet_id FROM gone); "
        "DELETE FROM packets WHERE packet_id IN (SELECT packet_id FROM gone)",
        "leaf",
    ),
    "an agent's role": ("UPDATE agents SET role = 'admin' WHERE name = 'stu'", "key"),
    "an agent's project": ("UPDATE agents SET project = 'other' WHERE name = 'stu'", "key"),
    "a packet's project": (f"UPDATE packets SET project = 'other' WHERE {APPROVED}", "packet"),
    "an agent's name": ("UPDATE agents SET name = 'eve' WHERE name = 'stu'", "key"),
    "an agent is brought back": ("UPDATE agents SET revoked_at = NULL", "key"),
    "a key is replaced": (
        "UPDATE agent_keys SET public_key = (SELECT public_key FROM agent_keys WHERE agent_id = "
        "(SELECT id FROM agents WHERE name = 'stu')) WHERE agent_id = (SELECT id FROM agents WHERE name = 'ada')",
        "key",
    ),
    "a key is brought back": ("UPDATE agent_keys SET revoked = NULL", "key"),
    "a key's revocation is later": ("UPDATE agent_keys SET revoked = revoked + interval '1 day'", "key"),
    "a key lives longer": ("UPDATE agent_keys SET not_after = now() + interval '1 year'", "key"),
    "a key is deleted": (
        "DELETE FROM agent_keys WHERE agent_id = (SELECT id FROM agents WHERE name = 'gone')",
        "agents",
    ),
    "a stranger is registered": (
        "INSERT INTO agents (name, role) VALUES ('eve', 'admin'); "
        "INSERT INTO agent_keys (agent_id, key_id, public_key) "
        f"SELECT id, '{'0' * 64}', '{STRANGER}' FROM agents WHERE name = 'eve'",
        "key",
    ),
    "when its verdict ends": (
        f"UPDATE packets SET good_until = good_until + interval '1 day' WHERE {APPROVED}",
        "packet",
    ),
    "its verdict has no end": (f"UPDATE packets SET good_until = NULL WHERE {APPROVED}", "packet"),
    "a channel leads to an older head": ("UPDATE channels SET serial = 1", "channel"),
    "a channel leads nowhere": ("UPDATE channels SET serial = 7", "channel"),
    "a channel is renamed": ("UPDATE channels SET channel = 'canary'", "channel"),
    "a head's packet": (
        f"UPDATE channel_heads SET packet_id = (SELECT min(packet_id) FROM packets WHERE NOT {APPROVED})",
        "channel",
    ),
    "a head's version": ("UPDATE channel_heads SET version = '9.9.9'", "channel"),
    "a head lives longer": ("UPDATE channel_heads SET expires = expires + interval '1 day'", "channel"),
    "a head's mover": ("UPDATE channel_heads SET by = 'eve'", "channel"),
    "a head's envelope": (f"UPDATE channel_heads SET envelope = {FLIP.format('envelope')}", "channel"),
    "a head's digest": ("UPDATE channel_heads SET digest = 'x'", "channel"),
    "a head is deleted": ("DELETE FROM channel_heads WHERE serial = 1", "channel"),
    "the last head is deleted": (
        "DELETE FROM channel_heads WHERE serial = 2; UPDATE channels SET serial = 1",
        "leaf",
    ),
    "an edge is deleted": ("DELETE FROM packet_parents", "packet"),
    "an edge leads elsewhere": (
        "UPDATE packet_parents SET parent_id = (SELECT packet_id FROM packets WHERE name = 'acme/revoked')",
        "packet",
    ),
    "what a student decided": ("UPDATE outcomes SET decision = 'removed', held = false", "packet"),
    "a report's figures are deleted": ("DELETE FROM outcomes", "packet"),
    "a statement about a key": (f"UPDATE key_statements SET envelope = {FLIP.format('envelope')}", "key statement"),
    "a statement about a key is deleted": ("DELETE FROM key_statements", "key"),
}


@pytest.fixture
def look(client_of, keys, session, run_scans, run_log, signed, tmp_path):
    """Audit a broker in which something of everything has happened, with a memory."""
    auditor, gone = generate(), generate()
    for name, role, key in (
        ("ada", Role.TEACHER, keys.teacher),
        ("stu", Role.STUDENT, keys.student),
        ("aud", Role.AUDITOR, auditor),
        ("gone", Role.TEACHER, gone),
    ):
        agents.register(session, keys.broker, name, role, key.public_key())
    agents.revoke(session, keys.broker, "gone")
    session.commit()
    packet_id = client_of(keys.teacher).publish(signed)["packet_id"]
    run_scans()
    client_of(keys.student).report_outcome(attest(packet_id, OUTCOME, {"decision": "accepted"}, keys.student))
    other = client_of(keys.teacher).publish(sign_packet(make_packet("acme/revoked"), keys.teacher))["packet_id"]
    run_scans()
    client_of(keys.teacher).revoke(other, "wrong")
    teacher = client_of(keys.teacher)
    for etag in (None, "*"):
        teacher.move_channel("acme/chains", "stable", version="1.0.0", etag=etag)
    teacher.publish(sign_packet(make_packet("acme/child", parents=(packet_id,)), keys.teacher))
    run_log()
    client, rules = client_of(auditor), LogRules(memory=Memory(tmp_path / "memory"))
    return lambda: audit(client, rules, contents=True)


def tamper(session, statements: str) -> None:
    for table in TABLES:
        session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
    for each in statements.split("; "):
        changed = session.connection().exec_driver_sql(each)
        assert changed.rowcount, each
    session.commit()
    session.expire_all()


def test_an_untouched_broker_has_no_findings(look):
    report = look()
    assert report.findings == []
    assert report.counted == {"entries": 23, "packets": 3, "keys": 4}
    assert look().findings == []


def test_every_change_of_a_row_is_named(look, session, connection):
    """One after the other, each undone before the next."""
    assert look().findings == []
    unnamed = {}
    for name, (statements, where) in TAMPERINGS.items():
        with connection.begin_nested() as savepoint:
            tamper(session, statements)
            findings = look().findings
            savepoint.rollback()
        session.expire_all()
        if not any(each.where.startswith(where) for each in findings):
            unnamed[name] = findings
    assert unnamed == {}
    assert look().findings == []


@pytest.mark.parametrize(
    "name",
    ["a leaf is deleted", "a tile's hash", "a tile is deleted", "the checkpoint's root", "the checkpoint is deleted"],
)
def test_the_sequencer_signs_nothing_on_top_of_a_changed_tree(look, session, keeper, client_of, keys, name):
    look()
    statements, _ = TAMPERINGS[name]
    if name == "a leaf is deleted":
        statements = "DELETE FROM log_leaves WHERE index = (SELECT max(index) FROM log_leaves)"
    tamper(session, statements)
    with pytest.raises(LogTampered):
        sequencer.integrate(session, keeper)


def test_a_statement_behind_the_logs_back_is_named_once_it_should_be_there(look, session, keys, client_of):
    """Signed with the broker's own key, which the attacker stole, and put into the table."""
    packet_id = next(client_of(None).list(state="revoked"))["packet_id"]
    state = {"from": "revoked", "to": "approved", "reason": "x", "by": "x", "at": "2026-01-01T00:00:00+00:00"}
    envelope = attest(packet_id, "urn:m2kt:state:v1", state, keys.broker).to_bytes()
    session.execute(
        text(
            "INSERT INTO attestations (packet_id, predicate_type, envelope, digest, signer, created) "
            "VALUES (:packet, 'urn\\:m2kt\\:state\\:v1', :envelope, 'x', 'x', now() - interval '1 hour')"
        ),
        {"packet": packet_id, "envelope": envelope},
    )
    session.commit()
    assert any("not in the log" in each.what for each in look().findings)


def test_a_result_about_a_packet_that_was_taken_back_is_named(look, session, keys, run_log):
    """A broker that lies in full form: signed, and logged."""
    packet_id = session.scalars(text("SELECT packet_id FROM packets WHERE name = 'acme/revoked'")).one()
    attestations.state(session, keys.broker, packet_id, SVR, {"properties": ["M2KT_TIER_STRICT"]})
    session.commit()
    run_log()
    where = f"packet {packet_id}"
    assert [each.where for each in look().findings] == [where]
    assert "after it was revoked" in look().findings[0].what


def test_a_log_that_was_rolled_back_is_named(look, session, keeper, client_of, keys, run_log):
    """The database is restored from yesterday, and the sequencer, none the wiser, signs on."""
    look()
    tamper(
        session,
        "DELETE FROM log_leaves WHERE index > 4; UPDATE log_tiles SET hashes = substring(hashes FOR 160); "
        "DELETE FROM log_checkpoints",
    )
    root = tree.root(tiles.reader(stored_tiles(session)), 5)
    now = sequencer.database_time(session) + 2
    note = issue(Checkpoint(keeper.origin, 5, root), keeper.key, now).to_bytes().decode()
    session.add(LogCheckpoint(size=5, note=note, time=now, published=True))
    session.commit()
    assert look().findings[0] == Finding(
        "checkpoint", f"log-rolled-back: the log {keeper.origin} had 23 entries and has 5 now"
    )


@pytest.mark.parametrize(
    ("before", "to", "what"),
    [
        ("revoked", "approved", "there is no such step"),
        ("received", "approved", "there is no such step"),
    ],
)
def test_a_logged_step_that_there_is_none_is_named(look, session, keys, run_log, before, to, what):
    """A broker that lies in full form: signed, logged, and in the row."""
    found = session.execute(text("SELECT packet_id, state FROM packets WHERE name = 'acme/revoked'")).one()
    attestations.state(
        session, keys.broker, found.packet_id, STATE, {"from": before, "to": to, "reason": "x", "by": "x"}
    )
    session.execute(text("UPDATE packets SET state = :to, reason = 'x'"), {"to": to})
    session.commit()
    run_log()
    assert any(what in each.what for each in look().findings)


def test_an_approval_without_a_reviewer_or_a_scan_is_named(look, session, keys, run_log):
    packet_id = session.scalar(text("SELECT packet_id FROM packets WHERE name = 'acme/child'"))
    for before, to in (("received", "scanning"), ("scanning", "quarantined"), ("quarantined", "approved")):
        said = {"from": before, "to": to, "reason": "x", "by": "x"}
        attestations.state(session, keys.broker, packet_id, STATE, said)
    session.execute(
        text("UPDATE packets SET state = 'approved', reason = 'x', state_changed = now() WHERE name = 'acme/child'")
    )
    session.commit()
    run_log()
    findings = look().findings
    assert findings == [Finding(f"packet {packet_id}", "it was taken from quarantined to approved without a reviewer")]


def test_the_auditors_table_of_steps_is_the_brokers():
    assert {state.value: {each.value for each in TRANSITIONS[state]} for state in TRANSITIONS} == STEPS
