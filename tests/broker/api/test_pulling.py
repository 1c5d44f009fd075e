"""A student believes a broker that its log holds what it says, and remembers what the log was."""

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from broker.models import LogCheckpoint
from broker.services import sequencer, tlog
from broker.services.tlog import stored_tiles
from m2kt.client import Client, LogRules, receipts
from m2kt.errors import (
    CheckpointInvalid,
    LogFrozen,
    LogRolledBack,
    NotLogged,
    ProofInvalid,
    SignatureError,
    SplitView,
)
from m2kt.log import Checkpoint, Kind, Memory, NoteKey, Proof, issue, tiles, tree
from m2kt.packet import merkle
from m2kt.signing import TrustStore, sign_packet
from m2kt.signing.keys import Trusted, generate, public_text
from m2kt.signing.validity import Validity
from tests.broker.conftest import URL, make_packet

pytestmark = pytest.mark.usefixtures("enrolled")

QUICK = LogRules(wait_seconds=0)


@pytest.fixture
def student_of(transport, keys):
    """A student with these rules."""
    trust = TrustStore([keys.broker.public_key(), keys.teacher.public_key()])
    return lambda rules: Client(URL, keys.student, trust, transport, rules)


@pytest.fixture
def rules(tmp_path) -> LogRules:
    return replace(QUICK, memory=Memory(tmp_path / "log"))


@pytest.fixture
def approved(client_of, keys, signed, run_scans) -> str:
    packet_id = client_of(keys.teacher).publish(signed)["packet_id"]
    run_scans()
    return packet_id


def publish_another(client_of, keys, run_scans, name: str) -> str:
    packet_id = client_of(keys.teacher).publish(sign_packet(make_packet(name), keys.teacher))["packet_id"]
    run_scans()
    return packet_id


def replace_checkpoint(session, keeper, size: int, root: bytes, time_: int) -> None:
    """The broker lies with its own key."""
    session.execute(text("DELETE FROM log_checkpoints"))
    note = issue(Checkpoint(keeper.origin, size, root), keeper.key, time_).to_bytes().decode()
    session.add(LogCheckpoint(size=size, note=note, time=time_, published=True))
    session.commit()


def test_a_packet_whose_receipt_is_not_in_the_log_is_refused(student_of, client_of, keys, signed):
    packet_id = client_of(keys.teacher).publish(signed)["packet_id"]
    with pytest.raises(NotLogged):
        student_of(QUICK).verify(packet_id, signed)
    lenient = student_of(replace(QUICK, required=False))
    assert lenient.verify(packet_id, signed).packet.packet_id == packet_id


def test_a_student_waits_for_a_fresh_receipt(student_of, client_of, keys, signed, run_log, monkeypatch):
    packet_id = client_of(keys.teacher).publish(signed)["packet_id"]
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            run_log()

    monkeypatch.setattr(receipts.time, "sleep", sleep)
    assert student_of(LogRules(wait_seconds=10)).verify(packet_id, signed)
    assert len(waited) == 3


def test_a_growing_log_is_followed(student_of, rules, client_of, keys, approved, run_scans):
    student = student_of(rules)
    assert student.pull(approved)
    assert student.pull(publish_another(client_of, keys, run_scans, "acme/next"))
    assert student.pull(approved)


def test_a_proof_for_something_else_is_refused(student_of, approved, session, monkeypatch):
    stray = tlog.proof(session, session.execute(text("SELECT entry FROM log_leaves WHERE index = 0")).scalar_one())
    monkeypatch.setattr(tlog, "proof", lambda *_: stray)
    with pytest.raises(ProofInvalid):
        student_of(QUICK).pull(approved)
    monkeypatch.setattr(tlog, "proof", lambda *_: Proof(0, (), b"no note\n"))
    with pytest.raises(CheckpointInvalid):
        student_of(QUICK).pull(approved)


def test_a_log_that_stands_still_is_refused(student_of, rules, approved):
    student_of(rules).pull(approved)
    with pytest.raises(LogFrozen):
        student_of(replace(rules, clock=lambda: time.time() + 3700)).pull(approved)


def test_a_log_that_was_rolled_back_is_refused(
    student_of, rules, client_of, keys, approved, run_scans, session, keeper
):
    student = student_of(rules)
    student.pull(publish_another(client_of, keys, run_scans, "acme/next"))
    root = tree.root(tiles.reader(stored_tiles(session)), 7)
    replace_checkpoint(session, keeper, 7, root, sequencer.database_time(session) + 5)
    with pytest.raises(LogRolledBack, match="has 7 now"):
        student.pull(approved)


def test_a_split_view_is_refused(student_of, rules, approved, session, keeper):
    """The same size, other entries: the broker shows this student another log than it showed before."""
    student_of(rules).pull(approved)
    entries = [bytes(each) for (each,) in session.execute(text("SELECT entry FROM log_leaves ORDER BY index"))]
    session.execute(text("ALTER TABLE log_tiles DISABLE TRIGGER USER"))
    leaves = [merkle.leaf_hash(each) for each in entries]
    leaves[0] = merkle.leaf_hash(b"another")
    session.execute(text("UPDATE log_tiles SET hashes = :hashes"), {"hashes": b"".join(leaves)})
    replace_checkpoint(session, keeper, len(leaves), merkle.root(leaves), sequencer.database_time(session) + 5)
    with pytest.raises(SplitView):
        student_of(rules).pull(approved)


def test_a_log_with_another_name_is_refused(student_of, rules, approved, session, keeper):
    student_of(rules).pull(approved)
    other = replace(keeper, origin="another.test")
    size = session.execute(text("SELECT max(index) + 1 FROM log_leaves")).scalar_one()
    root = tree.root(tiles.reader(stored_tiles(session)), size)
    replace_checkpoint(session, other, size, root, sequencer.database_time(session))
    with pytest.raises(SplitView, match="of this broker was"):
        student_of(rules).pull(approved)


def test_a_quorum_that_nobody_gave_is_refused(student_of, approved):
    witness = NoteKey("w.test", generate().public_key(), Kind.COSIGNATURE)
    with pytest.raises(CheckpointInvalid, match="0 of the witnesses cosigned it, 1 must"):
        student_of(replace(QUICK, witnesses=(witness,), quorum=1)).pull(approved)


def test_a_signer_whom_no_receipt_names_does_not_count(transport, keys, client_of, approved):
    """The student trusts a second key, which signed behind the broker's back: nobody knows when."""
    from m2kt.signing import add_signature

    stranger = generate()
    trust = TrustStore([keys.broker.public_key(), stranger.public_key()])
    data = add_signature(client_of(keys.student).fetch(approved), stranger)
    with pytest.raises(SignatureError, match="the receipt names other signers"):
        Client(URL, keys.student, trust, transport, QUICK).verify(approved, data)


def test_a_key_that_the_broker_had_before_signs_no_checkpoint_once_it_was_revoked(
    transport, keys, approved, session, keeper, monkeypatch
):
    """The broker has a new key; its old one was stolen. What it signed then counts, a checkpoint of now does not."""
    now = datetime.now(UTC)
    old = Trusted(keys.broker.public_key(), Validity(revoked=now))
    trust = TrustStore([old, keys.stranger.public_key(), keys.teacher.public_key()])
    student = Client(URL, keys.student, trust, transport, QUICK)
    said = {"public_key": public_text(keys.stranger.public_key()), "former_keys": [public_text(old.key)]}
    monkeypatch.setattr(student, "broker", lambda: said)
    with pytest.raises(CheckpointInvalid, match="no key that is trusted"):
        student.pull(approved)
    size = session.execute(text("SELECT max(index) + 1 FROM log_leaves")).scalar_one()
    root = tree.root(tiles.reader(stored_tiles(session)), size)
    replace_checkpoint(session, replace(keeper, key=keys.stranger), size, root, int(time.time()))
    assert student.pull(approved)
