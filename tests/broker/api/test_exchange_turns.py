"""What a peer does in a round: confidences and predictions that are not as they must be; leaving, being late."""

import dataclasses

import numpy as np
import pytest

from m2kt.errors import (
    ConfidenceInvalid,
    Conflict,
    ExchangeError,
    ExchangeOver,
    Forbidden,
    NotFound,
    PlanInvalid,
    RoundOver,
    SamplesChanged,
    TaskDiffers,
    UnknownKey,
    UsageError,
)
from m2kt.exchange import probabilities
from m2kt.exchange.packets import Taught
from m2kt.packet import PacketKind
from m2kt.signing import sign_packet
from tests.broker.conftest import make_packet
from tests.broker.peers import NAMES, TASK, expire, publish_all, show, states

# Confidences


def test_confidences_that_are_none_are_refused_and_nothing_is_kept(peers):
    good = [0.1, 0.2, 0.3, 0.4, 0.5]
    for values, words in (
        ([*good, 1.1], "outside"),
        ([*good, -0.1], "outside"),
        ([*good, np.nan], "outside"),
        ([*good, np.inf], "outside"),
        (good, "5 confidences instead of 6"),
        ([0.5] * 7, "7 confidences instead of 6"),
        ([], "0 confidences"),
    ):
        with pytest.raises(ConfidenceInvalid, match=words):
            peers[0].post(values=np.array(values, np.float32))
    assert show(peers)["current"]["turns"] == []
    peers[0].post()


def test_what_is_no_base64_of_floats_is_refused(peers):
    ann = peers[0]
    body = {"task": ann.task["labels_sha256"], "samples": ann.task["samples_sha256"]}
    for values in ("?", "AAA=", "AAAAAA=="):
        with pytest.raises(ConfidenceInvalid):
            ann.client._transport.post(f"/v1/exchanges/{ann.exchange}/rounds/0/confidences", {**body, "values": values})


def test_a_sample_set_that_changed_between_rounds_is_refused(peers, run_scans):
    publish_all(peers, run_scans)
    for each in peers:
        each.report()
    with pytest.raises(SamplesChanged):
        peers[0].post(1, samples="sha256:" + "1" * 64)
    with pytest.raises(TaskDiffers):
        peers[0].post(1, task="sha256:" + "1" * 64)
    peers[0].post(1)


def test_posting_twice_is_taken_once_and_other_values_are_a_conflict(peers):
    ann = peers[0]
    for _ in range(2):
        ann.post()
    with pytest.raises(Conflict, match="are here already"):
        ann.post(values=np.full(6, 0.5, np.float32))
    for each in peers[1:]:
        each.post()
    ann.post()  # also later, after a lost answer
    assert (ann.client.exchange_masks(ann.exchange, 0).confidences[0] == ann.claims(0)).all()


def test_a_stranger_posts_publishes_pulls_and_sees_nothing(learning, everybody):
    dan = everybody["dan"]
    with pytest.raises(Forbidden):
        dan.post()
    with pytest.raises(Forbidden):
        dan.client.exchange_masks(dan.exchange, 0)
    with pytest.raises(Forbidden):
        dan.report()
    with pytest.raises(Forbidden):
        dan.client.pull(show(learning)["current"]["turns"][0]["packet_id"])
    with pytest.raises(Forbidden):
        dan.client.leave_exchange(dan.exchange, "why not")
    with pytest.raises(Forbidden):
        dan.client.cancel_exchange(dan.exchange)


def test_an_exchange_or_round_that_is_not_there_says_so(peers):
    ann = peers[0]
    with pytest.raises(NotFound):
        ann.client.exchange("00000000-0000-0000-0000-000000000000")
    with pytest.raises(NotFound):
        ann.client.exchange_round(ann.exchange, 1)
    for number in (1, 2, 99):
        with pytest.raises((RoundOver, PlanInvalid)):
            ann.client.post_confidences(
                ann.exchange,
                number,
                np.full(6, 0.5, np.float32),
                task=TASK["labels_sha256"],
                samples=TASK["samples_sha256"],
            )


# Predictions


def largest(logits):
    return probabilities(logits).max(1).astype(np.float32)


def test_a_packet_with_other_places_or_claims_than_the_mask_is_refused(peers):
    for each in peers:
        each.post()
    ann, bob, _cyd = peers
    fewer = ann.packet(change=lambda each: Taught(each.places[1:], each.logits[1:], each.confidences[1:]))
    with pytest.raises(ExchangeError, match="or others"):
        ann.publish(packet=fewer)
    with pytest.raises(ExchangeError, match="not the turn"):
        ann.publish(packet=bob.packet())
    other = ann.packet(change=lambda each: Taught(each.places, -each.logits, largest(-each.logits)))
    with pytest.raises(ExchangeError, match="other confidences"):
        ann.publish(packet=other)
    assert ann.client.exchange_round(ann.exchange, 0)["turns"][0]["packet_id"] is None
    assert list(ann.client.list(name=f"exchanges/{ann.exchange}/ann")) == []
    ann.publish()


def test_every_peer_signs_its_own_predictions(peers):
    for each in peers:
        each.post()
    ann, bob, _ = peers
    with pytest.raises(UnknownKey, match="did not sign"):
        ann.client.publish_predictions(ann.exchange, 0, sign_packet(ann.packet(), bob.key))


def test_publishing_twice_is_taken_once_and_other_predictions_are_a_conflict(peers):
    for each in peers:
        each.post()
    ann = peers[0]
    assert ann.publish()["packet_id"] == ann.publish()["packet_id"]
    other = ann.packet(change=lambda each: dataclasses.replace(each, logits=each.logits + 1))
    with pytest.raises(Conflict):
        ann.publish(packet=other)


def test_a_packet_of_kind_exchange_is_published_into_its_round_only(client_of, keys, enrolled):
    teacher = client_of(keys.teacher)
    loose = make_packet(kind=PacketKind.EXCHANGE, tensors={"exchange/logits": np.ones((2, 2), np.float32)})
    with pytest.raises(UsageError, match="not published here"):
        teacher.publish(sign_packet(loose, keys.teacher))
    with pytest.raises(UsageError, match="belong to exchanges"):
        teacher.publish(sign_packet(make_packet(name="exchanges/x/ann"), keys.teacher))


def test_predictions_cannot_be_pulled_before_the_scan_approved_them(peers):
    for each in peers:
        each.post()
    peers[0].publish()
    turn = show(peers)["current"]["turns"][0]
    assert (turn["packet_state"], turn["usable"]) == ("received", False)
    with pytest.raises(Exception, match="received"):
        peers[1].client.fetch(turn["packet_id"])


# Peers that leave, are late, or come back


def test_who_is_late_with_confidences_is_out_of_the_round_and_may_come_back_for_the_next(peers, session, run_scans):
    ann, bob, cyd = peers
    ann.post()
    bob.post()
    expire(session)
    assert states(peers) == {"ann": "present", "bob": "present", "cyd": "absent"}
    with pytest.raises(RoundOver, match="round 0"):
        cyd.post()
    cyd.join()
    for each in (ann, bob):
        each.publish()
    run_scans()
    for each in (ann, bob):
        each.report()
    publish_all(peers, run_scans, 1)
    assert show(peers)["current"]["peers"] == list(NAMES)


def test_who_does_not_publish_is_dropped_and_its_samples_have_no_teacher(peers, session, run_scans):
    ann, bob, _cyd = peers
    for each in peers:
        each.post()
    ann.publish()
    bob.publish()
    run_scans()
    assert show(peers)["phase"] == "predictions"
    expire(session)
    found = show(peers)
    assert found["phase"] == "reports"
    assert {each["peer"]: each["usable"] for each in found["current"]["turns"]} == {
        "ann": True,
        "bob": True,
        "cyd": False,
    }
    assert "published nothing in time" in found["current"]["turns"][2]["dropped"]


def test_who_does_not_report_is_not_waited_for_in_the_next_round(learning, session, run_scans):
    ann, bob, _cyd = learning
    ann.report()
    bob.report()
    expire(session)
    assert show(learning)["round"] == 1
    publish_all([ann, bob], run_scans, 1)
    assert show(learning)["phase"] == "reports"


def test_a_peer_that_leaves_mid_round_is_survived(peers, run_scans):
    ann, bob, cyd = peers
    for each in peers:
        each.post()
    cyd.client.leave_exchange(cyd.exchange, "its host is going down")
    for each in (ann, bob):
        each.publish()
    run_scans()
    found = show(peers)
    assert found["phase"] == "reports"
    assert found["peers"][2]["reason"] == "it left: its host is going down"


def test_fewer_than_two_peers_end_it_with_a_report_of_who_is_where(peers, session):
    ann, bob, _cyd = peers
    ann.post()
    bob.client.leave_exchange(bob.exchange, "no more")
    expire(session)
    found = show(peers)
    assert found["state"] == "failed"
    assert found["reason"].startswith("round 0: fewer than two peers are left: ann is present; bob is left (it left:")
    assert "cyd is absent (round 0: it posted no confidences in time)" in found["reason"]
    with pytest.raises(ExchangeOver, match="fewer than two"):
        ann.post(1)


def test_who_opened_it_may_cancel_it(peers, client_of, keys):
    found = client_of(keys.admin).cancel_exchange(peers[0].exchange)
    assert (found["state"], found["reason"]) == ("failed", "root cancelled it")
    assert client_of(keys.admin).cancel_exchange(peers[0].exchange)["reason"] == "root cancelled it"


def test_other_reports_of_one_round_are_a_conflict(learning):
    for _ in range(2):
        learning[0].report()
    with pytest.raises(Conflict):
        learning[0].report(task=2.0)
