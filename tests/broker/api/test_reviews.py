"""Approval by people: k of n reviewers, each once, none of them involved."""

import pytest
from sqlalchemy.orm import Session

from broker.models import Role
from broker.services import agents, scans
from m2kt.client.predicates import APPROVAL
from m2kt.errors import Conflict, Forbidden, NotPullable, SignatureError, UnknownKey
from m2kt.signing.keys import PrivateKey, generate
from m2kt.signing.statement import attest

pytestmark = pytest.mark.usefixtures("enrolled")


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"required_approvals": 2})


@pytest.fixture
def reviewers(session: Session, keys) -> list[PrivateKey]:
    found = [generate() for _ in range(3)]
    for number, key in enumerate(found):
        agents.register(session, keys.broker, f"rev{number}", Role.REVIEWER, key.public_key())
    session.commit()
    return found


@pytest.fixture
def waiting(client_of, keys, signed, session, desk, run_log) -> str:
    """A packet whose scan passed."""
    packet_id = client_of(keys.teacher).publish(signed)["packet_id"]
    scans.begin(session, keys.broker, desk.store, packet_id)
    scans.conclude(session, keys.broker, packet_id, {"passed": True, "checks": []}, approvals=2)
    session.commit()
    run_log()
    return packet_id


def test_two_of_three_approve(client_of, keys, reviewers, waiting, run_log):
    first, second, third = reviewers
    assert client_of(None).show(waiting)["state"] == "quarantined"
    with pytest.raises(NotPullable, match="2 reviewers have to approve"):
        client_of(keys.student).pull(waiting)
    client_of(first).review(waiting, "approve", "read it")
    client_of(first).review(waiting, "approve", "read it once more")
    assert client_of(None).show(waiting)["state"] == "quarantined"  # one person, however often
    client_of(second).review(waiting, "approve", "fine")
    found = client_of(None).show(waiting)
    assert (found["state"], "rev0, rev1" in found["reason"]) == ("approved", True)
    run_log()
    assert client_of(keys.student).pull(waiting)
    with pytest.raises(Conflict, match="waits for no reviewer"):
        client_of(third).review(waiting, "reject", "late")
    client_of(third).review(waiting, "approve", "for students of the teacher's own family")
    assert client_of(None).show(waiting)["reason"] == found["reason"]  # it changes no state


def test_one_rejection_rejects(client_of, reviewers, waiting):
    client_of(reviewers[0]).review(waiting, "approve", "fine")
    client_of(reviewers[1]).review(waiting, "reject", "it teaches nonsense")
    found = client_of(None).show(waiting)
    assert (found["state"], found["reason"]) == ("rejected", "rejected by the reviewer rev1")


def test_a_reviewer_counts_once_with_however_many_keys(client_of, reviewers, waiting):
    new = generate()
    client_of(reviewers[0]).review(waiting, "approve", "fine")
    client_of(reviewers[0]).rotate_key("rev0", reviewers[0], new)
    client_of(new).review(waiting, "approve", "fine again")
    assert client_of(None).show(waiting)["state"] == "quarantined"


def test_an_approval_by_a_key_that_was_revoked_since_does_not_count(client_of, keys, reviewers, waiting):
    client_of(reviewers[0]).review(waiting, "approve", "fine")
    client_of(keys.admin).revoke_agent("rev0")
    client_of(reviewers[1]).review(waiting, "approve", "fine")
    assert client_of(None).show(waiting)["state"] == "quarantined"


def test_only_reviewers_review_and_nobody_their_own_packet(client_of, keys, session, reviewers, waiting, sign):
    for key in (keys.teacher, keys.student, keys.admin):
        with pytest.raises(Forbidden):
            client_of(key).review(waiting, "approve", "mine")
    path = f"/v1/packets/{waiting}/reviews"
    for signer in (keys.teacher, keys.student, keys.stranger):
        body = attest(waiting, APPROVAL, {"decision": "approve"}, signer).to_bytes()
        assert sign(reviewers[0], "POST", path, body).json()["code"] == UnknownKey.code
    involved = generate()
    agents.register(session, keys.broker, "ada2", Role.REVIEWER, involved.public_key())
    from broker.models import Packet

    session.get_one(Packet, waiting).publisher = "ada2"
    session.commit()
    with pytest.raises(Forbidden, match="somebody else"):
        client_of(involved).review(waiting, "approve", "mine")


def test_a_review_says_approve_or_reject_about_this_packet(client_of, keys, reviewers, waiting, sign):
    with pytest.raises(SignatureError, match="one of approve, reject"):
        client_of(reviewers[0]).review(waiting, "maybe", "")
    stray = attest(f"sha256:{'0' * 64}", APPROVAL, {"decision": "approve"}, reviewers[0]).to_bytes()
    answer = sign(reviewers[0], "POST", f"/v1/packets/{waiting}/reviews", stray)
    assert answer.json()["detail"] == "this statement is about another packet"


def test_the_tier_that_decided_may_ask_for_more_reviewers_than_the_settings(
    client_of, keys, session, desk, signed, reviewers
):
    packet_id = client_of(keys.teacher).publish(signed)["packet_id"]
    scans.begin(session, keys.broker, desk.store, packet_id)
    tier = {"decision": "review", "reason": "odd", "tier": "strict", "approvals": {"strict": 3}}
    scans.conclude(session, keys.broker, packet_id, {"passed": True, "checks": [], **tier}, approvals=2)
    session.commit()
    for each, state in zip(reviewers, ("quarantined", "quarantined", "approved"), strict=True):
        client_of(each).review(packet_id, "approve", "fine")
        assert client_of(None).show(packet_id)["state"] == state
