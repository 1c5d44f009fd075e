"""Only a passed scan approves; a scan that broke decides nothing."""

import pytest

from broker.models import PacketState
from broker.services import attestations, packets, scans
from m2kt.client.predicates import SCAN, SVR
from m2kt.signing.dsse import Envelope
from m2kt.signing.statement import Statement

pytestmark = pytest.mark.usefixtures("enrolled")


@pytest.fixture
def scanning(client_of, keys, signed, session, desk) -> str:
    packet_id = client_of(keys.teacher).publish(signed)["packet_id"]
    assert scans.begin(session, keys.broker, desk.store, packet_id) == signed
    return packet_id


def verdict(passed: bool, *outcomes: str):
    checks = [{"name": f"c{n}", "version": "1", "outcome": each, "evidence": []} for n, each in enumerate(outcomes)]
    return {"passed": passed, "checks": checks}


def test_a_passed_scan_approves(session, keys, scanning):
    scans.conclude(session, keys.broker, scanning, verdict(True, "pass", "not-run"))
    assert packets.get(session, scanning).state == PacketState.APPROVED


def test_findings_reject_and_the_reason_names_the_checks(session, keys, scanning):
    scans.conclude(session, keys.broker, scanning, verdict(False, "pass", "fail", "fail"))
    packet = packets.get(session, scanning)
    assert (packet.state, packet.reason) == (PacketState.REJECTED, "failed: c1, c2")


def test_an_inconclusive_scan_leaves_the_packet_where_it_is_with_a_reason(session, keys, scanning, client_of, http):
    scans.inconclusive(session, keys.broker, scanning, "the scan took longer than 120 seconds")
    session.commit()
    packet = packets.get(session, scanning)
    assert packet.state == PacketState.SCANNING
    assert "took longer than 120 seconds" in (packet.reason or "")
    said = list(client_of(None).attestations(scanning))
    assert said[-1]["predicate_type"] == SCAN
    assert "took longer than 120 seconds" in http.get(f"/v1/packets/{scanning}").json()["reason"]


def test_a_packet_revoked_during_its_scan_stays_revoked(session, keys, scanning, client_of):
    session.commit()
    client_of(keys.teacher).revoke(scanning, "wrong")
    scans.conclude(session, keys.broker, scanning, verdict(True, "pass"))
    assert packets.get(session, scanning).state == PacketState.REVOKED


def test_a_packet_revoked_before_its_scan_is_not_scanned(session, keys, client_of, signed, desk):
    packet_id = client_of(keys.teacher).publish(signed)["packet_id"]
    client_of(keys.teacher).revoke(packet_id, "wrong")
    assert scans.begin(session, keys.broker, desk.store, packet_id) is None


def test_a_verdict_that_passed_has_a_result_beside_it_that_says_the_tiers_and_expires_with_it(
    session, keys, client_of, signed, run_scans
):
    packet_id = client_of(keys.teacher).publish(signed)["packet_id"]
    run_scans()
    result, verdict = (said_of(session, packet_id, each) for each in (SVR, SCAN))
    assert verdict["tiers"] == {"standard": "approve", "strict": "inconclusive"}
    assert "M2KT_TIER_STANDARD" in result["properties"]
    assert "M2KT_TIER_STRICT" not in result["properties"]
    assert "M2KT_CHECK_FINITE_1" in result["properties"]
    assert result["expires"] == verdict["expires"]
    assert result["policies"][0]["digest"]["sha256"] == verdict["policy"].removeprefix("sha256:")


def test_a_verdict_that_did_not_pass_has_no_result(session, keys, scanning):
    scans.conclude(session, keys.broker, scanning, verdict(False, "pass", "fail"))
    assert attestations.latest(session, scanning, SVR) is None


def test_a_packet_that_was_revoked_during_its_scan_has_no_result(session, keys, scanning, client_of):
    session.commit()
    client_of(keys.teacher).revoke(scanning, "wrong")
    scans.conclude(session, keys.broker, scanning, verdict(True, "pass"))
    assert attestations.latest(session, scanning, SVR) is None


def said_of(session, packet_id, kind):
    row = attestations.latest(session, packet_id, kind)
    return Statement.from_bytes(Envelope.from_bytes(row.envelope).payload).predicate
