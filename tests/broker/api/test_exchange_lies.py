"""Peers that lie, complaints, evictions."""

import numpy as np
import pytest

from m2kt.client import LogRules
from m2kt.client.audit import audit
from m2kt.errors import (
    Evicted,
    ExchangeError,
    Forbidden,
)
from tests.broker.peers import NAMES, PLAN, TASK, TERMS, publish_all, round_with_a_liar, show, states

# Lies


@pytest.fixture
def liar(peers, run_scans):
    found = round_with_a_liar(peers, run_scans)
    assert show(peers)["phase"] == "reports"
    return found


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
