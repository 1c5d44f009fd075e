"""Verdicts end: the packet is scanned again before, and nobody can pull it after."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from broker.models import Job, Packet, PacketState
from broker.services import gate, jobs, lifecycle, packets, rescans, scans
from broker.worker import upkeep
from broker.worker.upkeep import Upkeep
from m2kt.errors import PacketExpired

DAY = timedelta(days=1)
LIFE = 90 * DAY
PASSED = {"passed": True, "checks": [{"name": "norms", "version": "1", "outcome": "pass", "evidence": []}]}
FAILED = {"passed": False, "checks": [{"name": "norms", "version": "2", "outcome": "fail", "evidence": []}]}


class Clockwork:
    """A packet that was approved, and time that goes by for it."""

    def __init__(self, live, bench, packet_id):
        self.live, self.key, self.store, self.packet_id = live, bench.key, bench.store, packet_id
        self.scan(PASSED)

    def scan(self, verdict):
        with self.live.begin() as session:
            held = jobs.claim(session, "test", 30, ["scan"])
            assert held is not None
            assert scans.begin(session, self.key, self.store, self.packet_id)
            scans.conclude(session, self.key, self.packet_id, verdict, life=LIFE)
            jobs.succeed(session, held, {})

    def pass_by(self, time):
        with self.live.begin() as session:
            session.execute(update(Packet).values(good_until=Packet.good_until - time))
            session.execute(update(Job).values(created=Job.created - time))

    def sweep(self):
        with self.live.begin() as session:
            expired = rescans.expire(session, self.key)
        with self.live.begin() as session:
            return expired, rescans.ask(session, LIFE)

    @property
    def packet(self):
        with self.live.begin() as session:
            return packets.get(session, self.packet_id)

    def pull(self):
        with self.live.begin() as session:
            gate.require(session, packets.get(session, self.packet_id))


@pytest.fixture
def clockwork(live, bench, published):
    return Clockwork(live, bench, published)


def test_a_scan_is_asked_for_before_the_end_and_renews_the_verdict(clockwork):
    assert clockwork.sweep() == (0, 0)
    clockwork.pass_by(80 * DAY)
    assert clockwork.sweep() == (0, 0)
    clockwork.pass_by(2 * DAY)
    before = clockwork.packet
    assert clockwork.sweep() == (0, 1)
    assert clockwork.sweep() == (0, 0)  # one is on its way
    clockwork.pull()
    clockwork.scan(PASSED)
    after = clockwork.packet
    assert (after.state, after.reason) == (PacketState.APPROVED, before.reason)
    assert after.good_until - before.good_until > 80 * DAY


def test_after_the_end_nobody_can_pull_it_whether_or_not_anybody_swept(clockwork):
    clockwork.pass_by(LIFE)
    assert clockwork.packet.state == PacketState.APPROVED
    with pytest.raises(PacketExpired, match="was good until"):
        clockwork.pull()
    assert clockwork.sweep() == (1, 1)
    assert clockwork.packet.state == PacketState.EXPIRED
    with pytest.raises(PacketExpired, match="its verdict was good until"):
        clockwork.pull()
    clockwork.scan(PASSED)
    assert clockwork.packet.state == PacketState.APPROVED
    clockwork.pull()


def test_a_later_scan_that_finds_something_rejects(clockwork):
    clockwork.pass_by(LIFE - DAY)
    clockwork.sweep()
    clockwork.scan(FAILED)
    assert (clockwork.packet.state, clockwork.packet.reason) == (PacketState.REJECTED, "failed: norms")
    assert clockwork.sweep() == (0, 0)


def test_a_scan_that_breaks_is_asked_for_again_an_hour_later(clockwork, live, bench):
    clockwork.pass_by(LIFE)
    clockwork.sweep()
    with live.begin() as session:
        held = jobs.claim(session, "test", 30, ["scan"])
        jobs.fail(session, held, {})
        scans.inconclusive(session, bench.key, clockwork.packet_id, "it broke")
    assert clockwork.packet.state == PacketState.EXPIRED
    assert clockwork.sweep() == (0, 0)
    clockwork.pass_by(timedelta(hours=2))
    assert clockwork.sweep() == (0, 1)


def test_a_yanked_packet_stays_yanked_and_ends_all_the_same(clockwork, live, bench):
    with live.begin() as session:
        packet = packets.hold(session, clockwork.packet_id)
        lifecycle.move(session, bench.key, packet, PacketState.YANKED, reason="x", by="ada")
    clockwork.pass_by(LIFE)
    assert clockwork.sweep() == (0, 1)
    with pytest.raises(PacketExpired):
        clockwork.pull()
    clockwork.scan(PASSED)
    assert clockwork.packet.state == PacketState.YANKED
    clockwork.pull()


def test_two_replicas_ask_once(clockwork, live):
    clockwork.pass_by(LIFE)
    with live() as one, live() as other:
        one.begin()
        other.begin()
        assert rescans.ask(one, LIFE) == 1
        assert rescans.ask(other, LIFE) == 0
        one.commit()
        assert rescans.ask(other, LIFE) == 0
    with live.begin() as session:
        assert session.scalar(select(func.count()).select_from(Job).where(Job.state == "queued")) == 1


def test_the_sweeper_does_all_of_it(clockwork, live, bench, monkeypatch):
    monkeypatch.setattr(upkeep, "SWEEP_SECONDS", 0.05)
    clockwork.pass_by(LIFE)
    keeper = Upkeep(live, None, bench.key, keep_days=30)
    keeper._sweep()
    assert clockwork.packet.state == PacketState.EXPIRED
    with live.begin() as session:
        assert session.scalar(select(Job.submitter).where(Job.state == "queued")) == rescans.TIME
