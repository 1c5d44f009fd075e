"""Scans by policy: what is suspicious waits for people, what gave no answer decides nothing, nothing leaks before."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from bench import planting
from broker.db import transaction
from broker.models import JobKind, Packet
from broker.services import packets, publishing
from broker.services.agents import Principal
from broker.services.publishing import Desk
from broker.worker.attempt import attempt
from m2kt.errors import M2KTError
from m2kt.scan import Policy
from m2kt.signing import sign_packet
from tests.broker.conftest import make_packet
from tests.m2kt.scan.parts import large_knowledge, packet_of


def publish(live, bench, keys, packet):
    worker = Principal.of("worker", "worker", keys.stranger.public_key())
    desk = Desk(bench.key, bench.store, bench.standing, bench.settings.max_packet_bytes)
    with transaction(live) as session:
        return publishing.publish(session, desk, sign_packet(packet, keys.stranger), publisher=worker).packet.packet_id


def scanned(live, bench, ledger, packet_id):
    held = ledger.claim(kind=JobKind.SCAN)
    attempt(bench, held, threading.Event())
    with live.begin() as session:
        found = session.get(Packet, packet_id)
        return found.state, found.reason, ledger.get(held.id)


def under(bench, policy, tmp_path):
    path = tmp_path / "policy.json"
    path.write_bytes(policy.to_bytes())
    settings = bench.settings.model_copy(update={"scan_policy": path})
    return type(bench)(**{**vars(bench), "settings": settings})


def test_a_suspicious_packet_waits_for_a_reviewer(live, bench, keys, ledger):
    planted = planting.triggers(large_knowledge(), np.random.default_rng(11))
    state, reason, job = scanned(live, bench, ledger, publish(live, bench, keys, packet_of(planted)))
    assert (state, job.state) == ("quarantined", "succeeded")
    assert "suspicious: triggers" in reason
    assert "1 reviewers" in reason
    assert job.result["policy"] == Policy().digest


def test_a_packet_is_compared_with_its_approved_forerunner(live, bench, keys, ledger):
    first = publish(live, bench, keys, packet_of(large_knowledge(0)))
    assert scanned(live, bench, ledger, first)[0] == "approved"
    knowledge = large_knowledge(1)
    centroids = knowledge.centroids.copy()
    centroids[40] = centroids[3] + np.float16(0.01)
    flipped = packet_of(type(knowledge)(**{**vars(knowledge), "centroids": centroids}), version="1.1.0")
    state, reason, job = scanned(live, bench, ledger, publish(live, bench, keys, flipped))
    assert (state, job.result["references"]) == ("quarantined", [first])
    assert "drift" in reason
    assert not list(bench.settings.work_dir.glob("jobs/*.m2kt"))


def test_a_publisher_of_a_stricter_tier_needs_reviewers(live, bench, keys, ledger, tmp_path):
    strict = under(bench, Policy(publishers={"worker": "strict"}), tmp_path)
    state, reason, job = scanned(live, strict, ledger, publish(live, bench, keys, packet_of(large_knowledge())))
    assert (state, job.result["tier"]) == ("quarantined", "strict")
    assert "drift" in reason, "it had nothing to compare with"


def test_a_policy_that_asks_for_more_than_there_is_is_never_clean(live, bench, keys, ledger, tmp_path):
    tiers = {"odd": type(Policy().tiers["standard"])(Policy().tiers["standard"].required | {"not-there-yet"})}
    odd = under(bench, Policy(tiers=tiers, tier="odd"), tmp_path)
    state, _, job = scanned(live, odd, ledger, publish(live, bench, keys, packet_of(large_knowledge())))
    assert (state, job.state) == ("scanning", "queued")
    assert "not-there-yet" in job.error["detail"]


def test_nobody_gets_a_byte_before_the_verdict(live, bench, keys, ledger):
    packet_id = publish(live, bench, keys, make_packet("acme/secret"))
    decided, served, refused = threading.Event(), [], []

    def pull():
        while not decided.is_set():
            with live.begin() as session:
                try:
                    state = packets.pullable(session, packet_id).state
                except M2KTError:
                    refused.append(session.get(Packet, packet_id).state)
                    continue
                if state != "approved":
                    served.append(state)

    with ThreadPoolExecutor(4) as pool:
        pulls = [pool.submit(pull) for _ in range(4)]
        state, _, _ = scanned(live, bench, ledger, packet_id)
        decided.set()
        for each in pulls:
            each.result(30)
    assert (state, served) == ("approved", [])
    assert {"received", "scanning"} & set(refused), "they did try"


def test_a_scan_has_no_network():
    code = (
        "import socket\nfrom m2kt.solitude import cut_off\ncut_off()\n"
        "try:\n    socket.create_connection(('127.0.0.1', 1), 1)\n"
        "except ConnectionRefusedError: print('reached')\nexcept OSError as error: print('none')"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "none\n"


@pytest.mark.parametrize("text", ["{", '{"tier": "none"}'])
def test_a_policy_that_cannot_be_read_stops_scans_and_clears_nothing(live, bench, keys, ledger, tmp_path, text):
    path = tmp_path / "policy.json"
    path.write_text(text)
    broken = type(bench)(**{**vars(bench), "settings": bench.settings.model_copy(update={"scan_policy": path})})
    state, _, job = scanned(live, broken, ledger, publish(live, bench, keys, make_packet("acme/p")))
    assert state == "scanning"
    assert "scan policy" in job.error["detail"]
