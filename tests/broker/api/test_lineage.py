"""Parents are checked at publish; when a packet is taken back, everything that was made of it is quarantined."""

import base64
import itertools

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from broker.models import Packet, PacketParent, Restatement, Role
from broker.services import agents, cascade, lineage, scans
from broker.worker import upkeep
from m2kt.client.predicates import OUTCOME, STATE
from m2kt.errors import Forbidden, NotPullable, PacketRevoked, ParentRefused
from m2kt.signing import TrustStore, sign_packet
from m2kt.signing.keys import generate
from m2kt.signing.statement import attest, read_attestation
from tests.broker.conftest import make_packet

pytestmark = pytest.mark.usefixtures("enrolled")

_names = itertools.count(1)


@pytest.fixture
def teacher(client_of, keys):
    return client_of(keys.teacher)


@pytest.fixture
def publish(teacher, keys):
    """Publish a packet that was made of others."""

    def call(*parents: str) -> str:
        packet = make_packet(f"acme/n{next(_names)}", parents=parents)
        return teacher.publish(sign_packet(packet, keys.teacher))["packet_id"]

    return call


@pytest.fixture
def tree(publish, run_scans):
    """root <- a, b; a, b <- c; c <- d; beside them a stranger."""
    root, stranger = publish(), publish()
    a, b = publish(root), publish(root)
    c = publish(a, b)
    d = publish(c)
    run_scans()
    return {"root": root, "a": a, "b": b, "c": c, "d": d, "stranger": stranger}


def state_of(client, packet_id):
    return client.show(packet_id)["state"]


@pytest.fixture
def reviewer(session, keys, client_of):
    key = generate()
    agents.register(session, keys.broker, "rev", Role.REVIEWER, key.public_key())
    session.commit()
    return client_of(key)


def test_lineage_is_shown_in_both_directions_by_depth_and_page(teacher, tree, http):
    up = list(teacher.lineage(tree["d"]))
    assert [(each["packet_id"], each["depth"]) for each in up] == [
        (tree["root"], 3),
        (tree["a"], 2),
        (tree["b"], 2),
        (tree["c"], 1),
    ]
    assert up[3]["parents"] == sorted([tree["a"], tree["b"]])
    down = teacher.lineage(tree["root"], "descendants", limit=1)
    assert [each["packet_id"] for each in down] == [tree["a"], tree["b"], tree["c"], tree["d"]]
    near = http.get(f"/v1/packets/{tree['root']}/lineage?direction=descendants&depth=1").json()
    assert ([each["packet_id"] for each in near["items"]], near["truncated"]) == ([tree["a"], tree["b"]], True)
    assert http.get(f"/v1/packets/{tree['d']}/lineage?depth=3").json()["truncated"] is False
    assert teacher.parents(tree["c"]) == sorted([tree["a"], tree["b"]])
    assert list(teacher.lineage(tree["stranger"])) == []


def test_a_look_at_a_lineage_has_limits(http, tree):
    for query in ("depth=0", "depth=65", "depth=x", "direction=sideways", "cursor=0", "limit=1000"):
        assert http.get(f"/v1/packets/{tree['a']}/lineage?{query}").status_code == 422
    assert http.get(f"/v1/packets/sha256:{'0' * 64}/lineage").status_code == 404


def test_a_lineage_that_is_too_large_to_show_says_so(teacher, tree, monkeypatch, http):
    monkeypatch.setattr(lineage, "MAX_NODES", 2)
    shown = http.get(f"/v1/packets/{tree['root']}/lineage?direction=descendants").json()
    assert (len(shown["items"]), shown["truncated"]) == (2, True)


def test_parents_must_be_known_and_not_taken_back_and_a_refusal_leaves_nothing(teacher, publish, tree, session, http):
    unknown = f"sha256:{'0' * 64}"
    before = http.get("/v1/packets?limit=200").json()
    with pytest.raises(ParentRefused, match=f"its parent {unknown} is not known here"):
        publish(tree["a"], unknown)
    teacher.revoke(tree["stranger"], "wrong")
    with pytest.raises(ParentRefused, match="is revoked"):
        publish(tree["stranger"])
    after = http.get("/v1/packets?limit=200").json()
    assert len(after["items"]) == len(before["items"])
    assert session.scalar(select(PacketParent).where(PacketParent.parent_id == unknown)) is None


def test_edges_can_be_neither_changed_nor_deleted(session, tree):
    for statement in ("UPDATE packet_parents SET parent_id = child_id", "DELETE FROM packet_parents"):
        with pytest.raises(DBAPIError, match="append-only"), session.begin_nested():
            session.execute(text(statement))


def test_a_revocation_quarantines_all_descendants_and_nobody_else(teacher, client_of, keys, tree, session):
    teacher.revoke(tree["a"], "it teaches nonsense")
    states = {name: state_of(teacher, packet_id) for name, packet_id in tree.items()}
    assert states == {
        "root": "approved",
        "a": "revoked",
        "b": "approved",
        "c": "quarantined",
        "d": "quarantined",
        "stranger": "approved",
    }
    shown = teacher.show(tree["d"])["reason"]
    assert shown.startswith("its ancestor acme/n")
    assert shown.endswith(f"({tree['a']}) was revoked: it teaches nonsense")
    student = client_of(keys.student)
    with pytest.raises(PacketRevoked):
        student.pull(tree["a"])
    with pytest.raises(NotPullable, match="its ancestor"):
        student.pull(tree["d"])
    assert session.scalar(select(Restatement)) is None
    trust = TrustStore([keys.broker.public_key()])
    said = [each for each in teacher.attestations(tree["c"]) if each["predicate_type"] == STATE][-1]
    found = read_attestation(base64.b64decode(said["envelope"]), trust, STATE).predicate
    assert (found["from"], found["to"], found["by"]) == ("approved", "quarantined", "lineage")


def test_reviewers_clear_a_descendant_whatever_the_policy_and_its_own_descendants_stay(teacher, tree, reviewer):
    teacher.revoke(tree["a"], "wrong")
    reviewer.review(tree["c"], "approve", "the bad part is not in it")
    assert state_of(teacher, tree["c"]) == "approved"
    assert state_of(teacher, tree["d"]) == "quarantined"
    teacher.revoke(tree["b"], "wrong, too")
    assert state_of(teacher, tree["c"]) == "quarantined"  # an approval does not outlive the next doubt


def test_a_rejection_by_a_reviewer_goes_down_the_lineage(teacher, tree, reviewer, publish, run_scans):
    teacher.revoke(tree["a"], "wrong")
    reviewer.review(tree["d"], "approve", "fine")
    reviewer.review(tree["c"], "reject", "not fine")
    assert (state_of(teacher, tree["c"]), state_of(teacher, tree["d"])) == ("rejected", "quarantined")
    with pytest.raises(ParentRefused, match="is rejected"):
        publish(tree["c"])


def test_a_child_of_what_is_doubted_is_doubted(teacher, tree, publish, run_scans, reviewer):
    teacher.revoke(tree["a"], "wrong")
    late = publish(tree["d"])
    run_scans()
    assert state_of(teacher, late) == "quarantined"
    assert teacher.show(late)["reason"] == f"its parent {tree['d']} is quarantined"


def test_what_was_not_decided_yet_is_quarantined_by_its_own_scan(teacher, publish, run_scans, session, keys):
    root = publish()
    child = publish(root)
    grandchild = publish(child)
    teacher.revoke(root, "wrong")
    assert (state_of(teacher, child), state_of(teacher, grandchild)) == ("received", "received")
    run_scans()
    assert (state_of(teacher, child), state_of(teacher, grandchild)) == ("quarantined", "quarantined")
    assert "its ancestor" in teacher.show(grandchild)["reason"]
    assert session.scalar(select(Restatement)) is None


def test_a_rejection_by_a_scan_goes_down_the_lineage(teacher, publish, session, keys, desk, run_scans):
    root = publish()
    child = publish(root)
    scans.begin(session, keys.broker, desk.store, root)
    verdict = {"passed": False, "checks": [{"name": "norms", "version": "1", "outcome": "fail", "evidence": []}]}
    scans.conclude(session, keys.broker, root, verdict)
    session.commit()
    session.expire_all()
    assert state_of(teacher, root) == "rejected"
    scans.begin(session, keys.broker, desk.store, child)
    scans.conclude(session, keys.broker, child, {"passed": True, "checks": []})
    session.commit()
    assert "was rejected: failed: norms" in teacher.show(child)["reason"]
    assert state_of(teacher, child) == "quarantined"


def test_a_large_lineage_is_refused_at_once_and_stated_bit_by_bit(
    teacher, client_of, keys, tree, session, monkeypatch, run_log
):
    monkeypatch.setattr(cascade, "AT_ONCE", 1)
    teacher.revoke(tree["root"], "wrong")
    waiting = set(session.scalars(select(Restatement.packet_id)))
    assert len(waiting) == 3
    for each in waiting:
        assert state_of(teacher, each) == "approved"
        with pytest.raises(NotPullable, match="is being quarantined: its ancestor"):
            client_of(keys.student).pull(each)
    while cascade.settle(session, keys.broker, 1):
        session.commit()
    assert {state_of(teacher, tree[each]) for each in "abcd"} == {"quarantined"}


def test_a_lineage_of_two_thousand_is_quarantined_whole(teacher, session, keys, publish, run_scans):
    """A comb: a chain of a thousand, each with a leaf; as rows, because publishing them would take minutes."""
    root = publish()
    run_scans()
    session.execute(
        text(
            """
            INSERT INTO packets (packet_id, kind, name, version, domain, state, teacher, manifest, publisher,
                                 publisher_key, size, content_sha256)
            SELECT 'sha256:' || lpad(to_hex(n), 64, '0'), kind, 'acme/many', '0.0.' || n, domain, 'approved', teacher,
                   manifest, publisher, publisher_key, size, content_sha256
            FROM packets, generate_series(1, 2000) AS n WHERE packet_id = :root
            """
        ),
        {"root": root},
    )
    edges = [
        {"child_id": f"sha256:{n:064x}", "parent_id": root if n < 3 else f"sha256:{n - 1 - n % 2:064x}"}
        for n in range(1, 2001)
    ]
    session.execute(PacketParent.__table__.insert(), edges)
    session.commit()
    teacher.revoke(root, "wrong")
    assert session.scalar(text("SELECT count(*) FROM restatements")) == 2000 - cascade.AT_ONCE
    while cascade.settle(session, keys.broker, upkeep.SETTLE):
        session.commit()
    states = session.execute(text("SELECT state, count(*) FROM packets GROUP BY state ORDER BY state")).all()
    assert [tuple(each) for each in states] == [("quarantined", 2000), ("revoked", 1)]
    said = text("SELECT count(*) FROM attestations WHERE predicate_type = 'urn:m2kt:state:v1'")
    assert session.scalar(said) == 2000 + 3


def take(client, keys, packet_id, decision="accepted"):
    client.report_outcome(attest(packet_id, OUTCOME, {"decision": decision}, keys.student))


def test_a_revocation_yields_the_students_to_recall_and_removing_ends_it(teacher, client_of, keys, tree, session, sign):
    student, admin = client_of(keys.student), client_of(keys.admin)
    for each in ("a", "d", "stranger"):
        take(student, keys, tree[each])
    take(student, keys, tree["b"], "rolled-back")
    assert list(student.recalls()) == []
    teacher.revoke(tree["root"], "wrong")
    found = list(teacher.recall_list(tree["root"]))
    assert [(each["student"], each["packet_id"], each["state"]) for each in found] == [
        ("stu", tree["a"], "quarantined"),
        ("stu", tree["d"], "quarantined"),
    ]
    assert list(student.recalls()) == list(admin.recalls("stu")) == found
    assert [each["packet_id"] for each in teacher.recall_list(tree["c"])] == [tree["d"]]
    events = [each for each in teacher.feed(0)["items"] if each["kind"] == "recall"]
    assert {(each["packet_id"], each["detail"]["students"]) for each in events} == {(tree["a"], 1), (tree["d"], 1)}
    assert {each["detail"]["cause"] for each in events} == {tree["root"]}
    assert "'stu'" not in str([each["detail"] for each in events])
    take(student, keys, tree["a"], "removed")
    assert [each["packet_id"] for each in student.recalls()] == [tree["d"]]


def test_what_waits_to_be_stated_is_recalled_already(teacher, client_of, keys, tree, monkeypatch):
    student = client_of(keys.student)
    take(student, keys, tree["d"])
    monkeypatch.setattr(cascade, "AT_ONCE", 0)
    teacher.revoke(tree["root"], "wrong")
    assert [each["state"] for each in student.recalls()] == ["quarantined"]


def test_who_may_see_recalls(teacher, client_of, keys, tree, http):
    for call in (lambda: list(client_of(keys.student).recall_list(tree["a"])), lambda: list(teacher.recalls())):
        with pytest.raises(Forbidden):
            call()
    with pytest.raises(Forbidden, match="its own"):
        list(client_of(keys.student).recalls("ada"))
    assert http.get("/v1/recalls").status_code == 401
    assert http.get(f"/v1/packets/{tree['a']}/recall").status_code == 401


def test_a_packet_revoked_twice_changes_nothing(teacher, tree, session):
    teacher.revoke(tree["a"], "wrong")
    count = text("SELECT count(*) FROM attestations")
    before = session.scalar(count)
    teacher.revoke(tree["a"], "still wrong")
    assert session.scalar(count) == before
    assert session.get(Packet, tree["a"]).reason == "wrong"
