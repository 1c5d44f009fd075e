"""Exchanges over REST: rounds that go well, and everything that a peer can do wrong."""

import dataclasses

import numpy as np
import pytest
from sqlalchemy import func, update

from broker.models import Exchange, Role
from broker.services import agents, rounds
from m2kt.client import Client, LogRules
from m2kt.client.audit import audit
from m2kt.errors import (
    ConfidenceInvalid,
    Conflict,
    Evicted,
    ExchangeError,
    ExchangeOver,
    Forbidden,
    NotFound,
    PlanInvalid,
    RoundOver,
    SamplesChanged,
    TaskDiffers,
    TooLarge,
    UnknownKey,
    UsageError,
)
from m2kt.exchange import RoundPlan, probabilities
from m2kt.exchange.packets import Taught, read
from m2kt.packet import PacketKind
from m2kt.signing import sign_packet
from m2kt.signing.keys import TrustStore, generate
from tests.broker.conftest import URL, make_packet
from tests.broker.peers import PLAN, TASK, TERMS, Peer

NAMES = ("ann", "bob", "cyd")
ROLES = (Role.TEACHER, Role.STUDENT, Role.WORKER)


@pytest.fixture
def everybody(session, keys, transport):
    """Three registered agents of different roles, who trust each other."""
    secrets = {name: generate() for name in (*NAMES, "dan")}
    for name, role in zip((*NAMES, "dan"), (*ROLES, Role.STUDENT), strict=True):
        agents.register(session, keys.broker, name, role, secrets[name].public_key())
    session.commit()
    trust = TrustStore([keys.broker.public_key(), *(each.public_key() for each in secrets.values())])
    return {
        name: Peer(name, key, Client(URL, key, trust, transport), seed=number)
        for number, (name, key) in enumerate(secrets.items())
    }


@pytest.fixture
def opened(everybody, client_of, keys):
    """An exchange of ann, bob and cyd that nobody has joined."""
    found = client_of(keys.admin).open_exchange(TASK, PLAN, invited=list(NAMES), **TERMS)
    for each in everybody.values():
        each.exchange = found["id"]
    return found


@pytest.fixture
def peers(everybody, opened):
    """All have joined."""
    for name in NAMES:
        everybody[name].join()
    return [everybody[name] for name in NAMES]


@pytest.fixture
def learning(peers, run_scans):
    """All have posted and published, and the scans are done: the round is at its reports."""
    publish_all(peers, run_scans)
    assert show(peers)["phase"] == "reports"
    return peers


def publish_all(peers, run_scans, number=0):
    for each in peers:
        each.post(number)
    for each in peers:
        if len(each.places(number)):
            each.publish(number)
    run_scans()


def show(peers):
    return peers[0].client.exchange(peers[0].exchange)


def expire(session):
    """Let the present deadline pass; somebody looks."""
    session.execute(update(Exchange).values(deadline=func.clock_timestamp()))
    assert rounds.sweep(session)
    session.commit()


def states(peers):
    return {each["name"]: each["state"] for each in show(peers)["peers"]}


def test_rounds_go_from_confidences_to_masks_to_predictions_to_reports(peers, run_scans):
    for number in range(PLAN.rounds):
        assert (show(peers)["round"], show(peers)["phase"]) == (number, "confidences")
        publish_all(peers, run_scans, number)
        for each in peers:
            each.report(number)
    found = show(peers)
    assert (found["state"], found["reason"]) == ("finished", "all rounds are done; 3 peers did the last one")
    assert [each["report"]["task"] for each in found["current"]["turns"]] == [1.0] * 3
    with pytest.raises(ExchangeOver):
        peers[0].join()


def test_a_teacher_pulls_what_its_students_published_and_each_packet_is_its_turn(learning):
    ann, bob, _ = learning
    turn = next(each for each in show(learning)["current"]["turns"] if each["peer"] == "bob")
    assert turn["usable"]
    packet = ann.client.pull(turn["packet_id"]).packet
    assert packet.manifest.reference == f"exchanges/{bob.exchange}/bob@0.0.0"
    said, taught = read(packet)
    assert said == bob.turn(0)
    assert (taught.logits == bob.logits(0)[bob.places(0)]).all()


def test_every_place_has_one_teacher_the_one_with_the_highest_confidence(peers):
    for each in peers:
        each.post()
    known = np.stack([each.claims(0) for each in peers])
    assert [each.places().tolist() for each in peers] == [
        np.flatnonzero(known.argmax(0) == row).tolist() for row in range(3)
    ]


def test_a_tie_goes_to_the_first_by_name(peers):
    for each in peers:
        each.post(values=np.full(6, 0.5, np.float32))
    assert [len(each.places()) for each in peers] == [6, 0, 0]


def test_a_peer_that_teaches_nothing_is_not_waited_for(peers, run_scans):
    ann, _bob, _cyd = peers
    ann.table = ann.table * 0 + 50 * np.eye(3, dtype=np.float32)[ann.labels]
    for each in peers:
        each.post()
    ann.publish()
    run_scans()
    assert show(peers)["phase"] == "reports"


def test_dense_tasks_have_places_within_samples(everybody, client_of, keys, run_scans):
    labels = np.random.default_rng(0).integers(0, 3, (12, 2, 4))
    dense = [dataclasses.replace(everybody[name], shape=(2, 4), labels=labels) for name in NAMES[:2]]
    found = client_of(keys.admin).open_exchange(dense[0].task, PLAN, invited=list(NAMES[:2]), **TERMS)
    for each in dense:
        each.exchange = found["id"]
        each.join()
    publish_all(dense, run_scans)
    assert show(dense)["phase"] == "reports"
    assert sum(len(each.places()) for each in dense) == 6 * 8
    packet = dense[1].client.pull(show(dense)["current"]["turns"][0]["packet_id"]).packet
    assert set(packet.tensors) == {f"exchange/{each}" for each in ("samples", "places", "logits", "confidences")}


# Opening and joining


def test_an_exchange_that_cannot_be_is_refused(everybody):
    for change, error in (
        ({"invited": ["ann", "nobody"]}, ExchangeError),
        ({"invited": ["ann", "ann"]}, ExchangeError),
        ({"invited": ["ann"]}, UsageError),
        ({"least": 3, "most": 2}, ExchangeError),
        ({"phase_seconds": 0}, UsageError),
    ):
        with pytest.raises(error):
            everybody["ann"].client.open_exchange(TASK, PLAN, **change)
    assert list(everybody["ann"].client.exchanges()) == []


def test_a_task_that_cannot_be_is_refused(everybody):
    for change, error in (
        ({"classes": ["a", "a"]}, ExchangeError),
        ({"classes": ["a"]}, UsageError),
        ({"classes": ["a", "b\ufdd0"]}, ExchangeError),
        ({"name": "a..b"}, ExchangeError),
        ({"sample_count": 5}, PlanInvalid),
        ({"shape": "99999x99999"}, ExchangeError),
        ({"shape": "400x400"}, TooLarge),
        ({"samples_sha256": "sha256:0"}, UsageError),
    ):
        with pytest.raises(error):
            everybody["ann"].client.open_exchange({**TASK, **change}, PLAN)
    assert list(everybody["ann"].client.exchanges()) == []


def test_a_plan_that_is_none_is_refused(everybody):
    client = everybody["ann"].client
    for plan in ({}, {"schema": "m2kt.exchange.plan/1", "rounds": 1}):
        with pytest.raises(PlanInvalid):
            client._transport.post("/v1/exchanges", {"task": TASK, "plan": plan})


def test_reviewers_and_auditors_open_nothing(session, keys, client_of, everybody):
    agents.register(session, keys.broker, "aud", Role.AUDITOR, keys.stranger.public_key())
    session.commit()
    with pytest.raises(Forbidden):
        client_of(keys.stranger).open_exchange(TASK, PLAN)


def test_a_peer_whose_task_differs_is_told_where(everybody, opened):
    for change, error, words in (
        ({"classes": ["ant", "cat", "bee"]}, TaskDiffers, "number 1 is 'cat' instead of 'bee'"),
        ({"classes": ["ant", "bee"]}, TaskDiffers, "2 instead of 3"),
        ({"name": "plants"}, TaskDiffers, "plants"),
        ({"shape": "8x8"}, TaskDiffers, "shape"),
        ({"samples_sha256": "sha256:" + "1" * 64}, SamplesChanged, "sample identifiers"),
        ({"labels_sha256": "sha256:" + "1" * 64}, SamplesChanged, "labels"),
        ({"sample_count": 13}, SamplesChanged, "number of samples"),
    ):
        with pytest.raises(error, match=words):
            everybody["ann"].join(**change)
    assert everybody["ann"].client.exchange(opened["id"])["peers"] == []


def test_who_is_not_invited_stays_out(everybody, opened, client_of, keys):
    with pytest.raises(Forbidden, match="not invited"):
        everybody["dan"].join()
    with pytest.raises(Forbidden, match="registered agents"):
        client_of(keys.admin).join_exchange(opened["id"], TASK)


def test_an_open_exchange_begins_at_its_deadline_and_takes_nobody_after_it(everybody, session):
    found = everybody["ann"].client.open_exchange(TASK, PLAN, **TERMS)
    three = [everybody[name] for name in NAMES]
    for each in (*three, everybody["dan"]):
        each.exchange = found["id"]
    for each in three:
        each.join()
    assert show(three)["state"] == "open"
    expire(session)
    assert show(three)["state"] == "running"
    with pytest.raises(Conflict, match="no more peers"):
        everybody["dan"].join()


def test_an_open_exchange_begins_when_it_is_full(everybody):
    found = everybody["ann"].client.open_exchange(TASK, PLAN, most=2, **TERMS)
    for name in ("ann", "dan"):
        everybody[name].exchange = found["id"]
        state = everybody[name].join()["state"]
    assert state == "running"


def test_an_exchange_that_too_few_join_fails_and_says_who_came(everybody, opened, session):
    everybody["bob"].join()
    expire(session)
    found = everybody["bob"].client.exchange(opened["id"])
    assert (found["state"], found["reason"]) == ("failed", "1 of at least 2 peers joined in time: bob")


def test_joining_twice_changes_nothing(everybody, opened):
    for _ in range(2):
        assert [each["name"] for each in everybody["ann"].join()["peers"]] == ["ann"]


def test_nothing_is_posted_before_it_begins(everybody, opened):
    everybody["ann"].join()
    with pytest.raises(RoundOver, match="has not begun"):
        everybody["ann"].post()


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


# Lies


def lie(peer):
    """Claim to know all, and publish predictions for another class that give exactly that claim."""
    peer.labels = (peer.labels + 1) % 3
    peer.table = peer.table * 0 + 9 * np.eye(3, dtype=np.float32)[peer.labels]


@pytest.fixture
def liar(peers, run_scans):
    ann, bob, cyd = peers
    truth = cyd.labels
    lie(cyd)
    task = {"task": ann.post()["task_sha256"], "samples": cyd.task["samples_sha256"]}
    bob.post()
    claims = cyd.claims(0)
    cyd.labels = truth
    cyd.post(values=claims, **task)
    for each in peers:
        if len(each.places()):
            each.publish()
    run_scans()
    assert show(peers)["phase"] == "reports"
    return cyd


def test_a_liar_is_evicted_when_more_than_half_of_the_others_complain(peers, liar):
    ann, bob, cyd = peers
    ann.complain(cyd)
    assert states(peers)["cyd"] == "present"
    ann.complain(cyd)  # said twice, counted once
    assert states(peers)["cyd"] == "present"
    bob.complain(cyd)
    found = show(peers)
    assert found["peers"][2]["state"] == "evicted"
    assert "2 of 2 peers" in found["peers"][2]["reason"]
    turn = found["current"]["turns"][2]
    assert (turn["packet_state"], turn["usable"]) == ("revoked", False)
    kinds = [each["predicate_type"] for each in ann.client.attestations(turn["packet_id"])]
    assert kinds.count("urn:m2kt:complaint:v1") == 2
    for refused in (cyd.report, cyd.join, lambda: cyd.post(1)):
        with pytest.raises(Evicted):
            refused()
    with pytest.raises(Forbidden):
        cyd.client.exchange_masks(cyd.exchange, 0)


def test_the_others_go_on_without_the_liar(peers, liar, run_scans):
    ann, bob, cyd = peers
    for each in (ann, bob):
        each.complain(cyd)
        each.report()
    publish_all([ann, bob], run_scans, 1)
    for each in (ann, bob):
        each.report(1)
    assert show(peers)["state"] == "finished"
    run_scans()
    assert audit(ann.client, LogRules()).findings == []  # complaints and eviction are all in the log


def test_one_liar_who_accuses_an_honest_peer_evicts_nobody(learning):
    ann, _bob, cyd = learning
    cyd.complain(ann)
    assert states(learning) == dict.fromkeys(NAMES, "present")
    for each in learning:
        each.report()
    assert show(learning)["round"] == 1
    kept = learning[0].client.exchange_round(ann.exchange, 0)["complaints"]
    assert [(each["complainant"], each["accused"]) for each in kept] == [("cyd", "ann")]


def test_two_who_accuse_each_other_end_the_exchange_undecided(everybody, client_of, keys, run_scans):
    two = [everybody[name] for name in NAMES[:2]]
    found = client_of(keys.admin).open_exchange(TASK, PLAN, invited=["ann", "bob"], **TERMS)
    for each in two:
        each.exchange = found["id"]
        each.join()
    publish_all(two, run_scans)
    two[0].complain(two[1])
    found = show(two)
    assert found["state"] == "failed"
    assert "ann says that bob lied in round 0, and two cannot tell who is right" in found["reason"]
    assert {each["state"] for each in found["peers"]} == {"present"}


def test_a_complaint_that_the_packet_does_not_bear_out_is_refused(learning):
    ann, bob, _ = learning
    for change in (
        {"shown": []},
        {"shown": [[99, "0.5", "0.1"]]},
        {"shown": [["0", "0.5", "0.1"]]},
        {"differing": 0},
        {"differing": 99},
        {"round": 1},
        {"accused": "cyd"},
        {"exchange": "other"},
        {"more": 1},
    ):
        with pytest.raises(ExchangeError):
            ann.complain(bob, **change)
    assert ann.client.exchange_round(ann.exchange, 0)["complaints"] == []


def test_a_claim_that_no_class_has_is_found_by_the_scan_without_labels(peers, run_scans, monkeypatch):
    ann, bob, cyd = peers
    cyd.post(values=np.full(6, 0.999, np.float32))
    ann.post()
    bob.post()
    with monkeypatch.context() as patched:  # a peer need not run our checks
        patched.setattr("m2kt.exchange.packets._check", lambda turn, taught: None)
        for each in peers:
            if len(each.places()):
                each.publish()
    run_scans()
    found = show(peers)
    assert found["peers"][2]["state"] == "evicted"
    assert "rejected by the scan" in found["peers"][2]["reason"]


# Waiting


def test_waiting_ends_with_the_next_change_and_at_once_when_it_is_past(peers):
    step = show(peers)["step"]
    assert peers[0].client.exchange(peers[0].exchange, after=step - 1, wait=30)["step"] == step
    assert peers[0].client.exchange(peers[0].exchange, after=step, wait=0.1)["step"] == step


def test_a_deadline_that_passes_is_a_change_for_who_waits(peers, session):
    step = show(peers)["step"]
    peers[0].post()
    peers[1].post()
    session.execute(update(Exchange).values(deadline=func.clock_timestamp()))
    session.commit()
    found = peers[0].client.exchange(peers[0].exchange, after=step + 2, wait=30)
    assert found["phase"] == "predictions"


def test_exchanges_are_listed_newest_first(everybody):
    client = everybody["ann"].client
    ids = [client.open_exchange(TASK, RoundPlan(seed, 1, 6))["id"] for seed in range(3)]
    assert [each["id"] for each in client.exchanges(limit=2)] == ids[::-1]
    client.cancel_exchange(ids[0])
    assert [each["id"] for each in client.exchanges(state="failed")] == ids[:1]
