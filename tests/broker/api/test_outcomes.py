"""What packets did to students: figures out of signed reports, in sum by packet and by teacher."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from broker.models import Role
from broker.services import agents
from m2kt.client.predicates import OUTCOME
from m2kt.errors import NotFound, SignatureError
from m2kt.signing import sign_packet
from m2kt.signing.keys import generate
from m2kt.signing.statement import attest
from tests.broker.conftest import make_packet

pytestmark = pytest.mark.usefixtures("enrolled")


@pytest.fixture
def students(session, keys, client_of):
    """Three students: keys and clients."""
    found = [generate() for _ in range(3)]
    for number, key in enumerate(found):
        agents.register(session, keys.broker, f"s{number}", Role.STUDENT, key.public_key())
    session.commit()
    return [(key, client_of(key)) for key in found]


@pytest.fixture
def approved(client_of, keys, run_scans):
    teacher = client_of(keys.teacher)
    found = [teacher.publish(sign_packet(make_packet(f"acme/p{each}"), keys.teacher))["packet_id"] for each in range(2)]
    run_scans()
    return found


def tell(student, packet_id, **said):
    key, client = student
    client.report_outcome(attest(packet_id, OUTCOME, said, key))


def told(before, after, low, decision="accepted"):
    """As `student_agent` writes it."""
    behaviour = {
        "accuracy_before": before,
        "accuracy_after": after,
        "improvement": f"{float(after) - float(before):.6g}",
        "improvement_low": low,
        "confidence": "0.95",
    }
    return {
        "decision": decision,
        "reason": "x",
        "alignment": {},
        "behaviour": behaviour,
        "time": "2026-01-01T00:00:00Z",
    }


def test_a_packet_shows_what_it_did(client_of, students, approved):
    tell(students[0], approved[0], **told("0.5", "0.9", "0.3"))
    tell(students[1], approved[0], **told("0.25", "0.75", "1e-05"))
    tell(students[2], approved[0], **told("0.5", "0.5", "-0.1", "rolled-back"))
    found = client_of(None).outcomes(approved[0])
    assert found == {
        "packets": 1,
        "students": 3,
        "reports": 3,
        "held": 2,
        "decisions": {"accepted": 2, "rolled-back": 1},
        "measured": 3,
        "before": pytest.approx(1.25 / 3),
        "after": pytest.approx(2.15 / 3),
        "improvement": pytest.approx(0.3),
        "improvement_low": -0.1,
    }


def test_of_each_student_the_last_word_counts_and_its_figures_stay(client_of, students, approved):
    tell(students[0], approved[0], **told("0.5", "0.9", "0.3"))
    tell(students[0], approved[0], **told("0.5", "0.7", "0.1"))
    tell(students[0], approved[0], decision="removed")
    found = client_of(None).outcomes(approved[0])
    assert (found["reports"], found["held"], found["decisions"]) == (3, 0, {"removed": 1})
    assert (found["measured"], found["improvement"]) == (1, pytest.approx(0.2))


def test_a_roll_back_leaves_the_student_as_it_was(client_of, students, approved):
    held = []
    for word in ("rolled-back", "accepted", "rolled-back", "replaced", "refused"):
        tell(students[0], approved[0], decision=word, time=str(len(held)))
        held.append(client_of(None).outcomes(approved[0])["held"])
    assert held == [0, 1, 1, 0, 0]


def test_a_teacher_is_known_by_what_its_packets_did(client_of, students, approved):
    tell(students[0], approved[0], **told("0.5", "0.9", "0.3"))
    tell(students[0], approved[1], decision="accepted", before="0.2", after="0.4", interval=["0.1", "0.3"])
    tell(students[1], approved[1], decision="accepted-unverified")
    found = client_of(None).teacher_outcomes("ada")
    assert (found["packets"], found["students"], found["held"], found["measured"]) == (2, 2, 3, 2)
    assert (found["improvement"], found["improvement_low"]) == (pytest.approx(0.3), 0.1)
    with pytest.raises(NotFound, match="has published no packet"):
        client_of(None).teacher_outcomes("stu")


def test_a_packet_that_nobody_took_has_no_figures(client_of, approved, http):
    found = client_of(None).outcomes(approved[0])
    assert (found["students"], found["measured"], found["improvement"], found["decisions"]) == (0, 0, None, {})
    assert http.get(f"/v1/packets/sha256:{'0' * 64}/outcomes").status_code == 404
    assert http.get("/v1/teachers/Ada/outcomes").status_code == 422


def test_repeating_a_report_counts_once(client_of, students, approved):
    for _ in range(2):
        tell(students[0], approved[0], **told("0.5", "0.9", "0.3"))
    assert client_of(None).outcomes(approved[0])["reports"] == 1
    assert [each["kind"] for each in client_of(None).feed(0)["items"]].count("packet.outcome") == 1


WRONG = [
    {},
    {"decision": 1},
    {"decision": ""},
    {"decision": "Accepted!"},
    {"decision": "a" * 33},
    {"decision": "accepted", "behaviour": "good"},
    {"decision": "accepted", "behaviour": {"accuracy_before": "nan"}},
    {"decision": "accepted", "behaviour": {"accuracy_before": "1.1"}},
    {"decision": "accepted", "behaviour": {"accuracy_after": "-0.1"}},
    {"decision": "accepted", "behaviour": {"improvement": "much"}},
    {"decision": "accepted", "behaviour": {"improvement_low": "-1.5"}},
    {"decision": "accepted", "behaviour": {"improvement": True}},
    {"decision": "accepted", "behaviour": {"improvement": ["0.1"]}},
    {"decision": "accepted", "before": "1" * 30},
    {"decision": "accepted", "interval": "0.1-0.2"},
    {"decision": "accepted", "interval": ["0.1"]},
    {"decision": "accepted", "interval": ["low", "high"]},
    {"decision": "accepted", "confidence": "95"},
]


def test_a_report_whose_figures_are_none_is_refused_and_leaves_nothing(client_of, students, approved):
    for said in WRONG:
        with pytest.raises(SignatureError, match="an outcome's"):
            tell(students[0], approved[0], **said)
    assert client_of(None).outcomes(approved[0])["reports"] == 0
    assert not [each for each in client_of(None).attestations(approved[0]) if each["predicate_type"] == OUTCOME]


def test_figures_can_be_neither_changed_nor_deleted(session, students, approved):
    tell(students[0], approved[0], **told("0.5", "0.9", "0.3"))
    for statement in ("UPDATE outcomes SET held = false", "DELETE FROM outcomes"):
        with pytest.raises(DBAPIError, match="append-only"), session.begin_nested():
            session.execute(text(statement))
