"""Exchanges over REST: opening, joining, rounds that go well, waiting."""

import dataclasses

import numpy as np
import pytest
from sqlalchemy import func, update

from broker.models import Exchange, Role
from broker.services import agents
from m2kt.errors import (
    Conflict,
    ExchangeError,
    ExchangeOver,
    Forbidden,
    PlanInvalid,
    RoundOver,
    SamplesChanged,
    TaskDiffers,
    TooLarge,
    UsageError,
)
from m2kt.exchange import RoundPlan
from m2kt.exchange.packets import read
from tests.broker.peers import NAMES, PLAN, TASK, TERMS, expire, publish_all, show


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
    with pytest.raises(Forbidden, match="this needs one of"):
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
