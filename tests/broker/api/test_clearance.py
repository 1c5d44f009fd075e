"""A tier's clearance rests on signed and logged statements alone."""

from datetime import UTC, datetime, timedelta

import pytest

from broker.models import Role
from broker.services import agents, attestations
from m2kt.client import LogRules
from m2kt.client.clearance import clearance
from m2kt.client.predicates import APPROVAL, SCAN
from m2kt.errors import NotLogged, TierNotCleared
from m2kt.signing import sign_packet
from m2kt.signing.keys import generate
from m2kt.signing.statement import attest
from tests.small import small_packet

pytestmark = pytest.mark.usefixtures("enrolled")


@pytest.fixture
def reviewer(session, keys):
    key = generate()
    agents.register(session, keys.broker, "rev", Role.REVIEWER, key.public_key())
    session.commit()
    return key


@pytest.fixture
def packet(client_of, keys, run_scans):
    """Approved by the standard tier; the strict one asks for a reviewer."""
    packet_id = client_of(keys.teacher).publish(sign_packet(small_packet(), keys.teacher))["packet_id"]
    run_scans()
    return packet_id


def test_the_tier_that_approves_clears_and_the_stricter_one_waits_for_a_reviewer(
    client_of, keys, packet, reviewer, run_log
):
    student = client_of(keys.student)
    assert clearance(student, packet, "standard").decision == "approve"
    with pytest.raises(TierNotCleared, match="0 of 1 reviewers"):
        clearance(student, packet, "strict")
    client_of(reviewer).review(packet, "approve", "read it")
    run_log()
    found = clearance(student, packet, "strict")
    assert (found.decision, found.reviewers) == ("review", ("rev",))
    assert client_of(None).show(packet)["state"] == "approved"
    with pytest.raises(TierNotCleared, match="'lax' decided nothing"):
        clearance(student, packet, "lax")


def test_a_verdict_that_has_expired_clears_nothing(client_of, keys, packet):
    late = datetime.now(UTC) + timedelta(days=91)
    with pytest.raises(TierNotCleared, match="no verdict that counts"):
        clearance(client_of(keys.student), packet, "standard", late)


def test_the_last_verdict_decides_and_a_scan_that_broke_does_not(client_of, keys, session, packet, run_log):
    said = {"passed": False, "checks": [], "inconclusive": "it broke"}
    attestations.state(session, keys.broker, packet, SCAN, said)
    session.commit()
    assert clearance(client_of(keys.student), packet, "standard")
    attestations.state(session, keys.broker, packet, SCAN, {"passed": False, "checks": []})
    session.commit()
    run_log()
    with pytest.raises(TierNotCleared, match="no verdict that counts"):
        clearance(client_of(keys.student), packet, "standard")


def test_a_reviewer_whose_key_was_revoked_counts_no_more(client_of, keys, packet, reviewer, run_log):
    client_of(reviewer).review(packet, "approve", "read it")
    client_of(keys.admin).revoke_agent("rev")
    run_log()
    with pytest.raises(TierNotCleared, match="0 of 1 reviewers"):
        clearance(client_of(keys.student), packet, "strict")


def test_approvals_of_its_publisher_and_of_those_who_are_no_reviewers_count_for_nothing(
    client_of, keys, session, packet, run_log
):
    """Put into the database by somebody who may write there."""
    for key in (keys.teacher, keys.student):
        envelope = attest(packet, APPROVAL, {"decision": "approve"}, key).to_bytes()
        attestations.record(session, packet, APPROVAL, envelope, agents.key_id(key.public_key()))
    session.commit()
    run_log()
    with pytest.raises(TierNotCleared, match="0 of 1 reviewers"):
        clearance(client_of(keys.student), packet, "strict")


def test_an_approval_that_is_not_in_the_log_clears_nothing(client_of, keys, packet, reviewer, transport, run_log):
    from m2kt.client import Client
    from m2kt.signing import TrustStore
    from tests.broker.conftest import URL

    run_log()
    client_of(reviewer).review(packet, "approve", "read it")  # which nobody integrates
    trust = TrustStore([keys.broker.public_key(), keys.teacher.public_key()])
    hasty = Client(URL, keys.student, trust, transport, LogRules(wait_seconds=0))
    with pytest.raises(NotLogged, match="rev's approval"):
        clearance(hasty, packet, "strict")
