"""Two brokers on one database: what one takes back, the other refuses at once; and a lineage that grows meanwhile."""

import threading
import time
from functools import partial

import pytest

from broker.main import create_app
from broker.models import PacketState, Role
from broker.services import agents, cascade, lineage, packets, publishing, scans
from broker.services.agents import Principal
from broker.services.publishing import Desk
from m2kt.client import Client
from m2kt.errors import ChannelUnusable, M2KTError, NotPullable, PacketRevoked, PreconditionFailed
from m2kt.signing import TrustStore, sign_packet
from tests.broker.conftest import URL, AppTransport, make_packet


@pytest.fixture
def approve(live, bench, keys):
    """Publish a packet that was made of others, and approve it."""
    with live.begin() as session:
        agents.register(session, keys.broker, "ada", Role.TEACHER, keys.teacher.public_key())
        agents.register(session, keys.broker, "stu", Role.STUDENT, keys.student.public_key())
    desk = Desk(keys.broker, bench.store, bench.standing, 2**20)
    ada = Principal.of("ada", Role.TEACHER, keys.teacher.public_key())

    def call(name, *parents, session=None):
        def write(session):
            data = sign_packet(make_packet(name, parents=parents), keys.teacher)
            packet_id = publishing.publish(session, desk, data, publisher=ada).packet.packet_id
            scans.begin(session, keys.broker, bench.store, packet_id)
            scans.conclude(session, keys.broker, packet_id, {"passed": True, "checks": []})
            return packet_id

        if session is not None:
            return write(session)
        with live.begin() as session:
            return write(session)

    return call


@pytest.fixture
def replicas(live, live_settings, portal):
    return [AppTransport(create_app(live_settings, sessions=live), portal) for _ in range(2)]


def test_a_revocation_at_one_broker_refuses_pulls_at_every_other_at_once(approve, replicas, keys):
    root = approve("acme/root")
    child = approve("acme/child", root)
    trust = TrustStore([keys.broker.public_key(), keys.teacher.public_key()])
    here = Client(URL, keys.teacher, trust, replicas[0])
    there = Client(URL, keys.student, trust, replicas[1])
    here.move_channel("acme/child", "stable", packet_id=child, etag=None)
    assert there.fetch(root)
    assert there.fetch(child)
    here.revoke(root, "wrong")
    for packet_id, error in ((root, PacketRevoked), (child, NotPullable)):
        with pytest.raises(error):
            there.fetch(packet_id)
    with pytest.raises(ChannelUnusable):
        there.channel("acme/child", "stable")


def test_a_child_that_is_published_while_its_parent_is_revoked_is_doubted_or_refused(approve, live, keys):
    """The publication has linked its parents and not committed: the revocation waits for it, and sees it."""
    root = approve("acme/root")
    done = []

    def revoke():
        with live.begin() as session:
            lineage.lock(session)
            packet = packets.hold(session, root)
            cascade.take_back(session, keys.broker, packet, PacketState.REVOKED, reason="wrong", by="ada")
            done.append(True)

    with live() as publishing_session:
        publishing_session.begin()
        child = approve("acme/child", root, session=publishing_session)
        revoking = threading.Thread(target=revoke)
        revoking.start()
        time.sleep(0.2)
        assert not done
        publishing_session.commit()
    revoking.join()
    with live.begin() as session:
        assert packets.get(session, root).state == PacketState.REVOKED
        assert packets.get(session, child).state == PacketState.QUARANTINED


def test_two_replicas_settle_a_large_lineage_together_and_each_packet_once(approve, live, keys, monkeypatch):
    root = approve("acme/root")
    children = [approve(f"acme/c{each}", root) for each in range(6)]
    monkeypatch.setattr(cascade, "AT_ONCE", 0)
    with live.begin() as session:
        lineage.lock(session)
        cascade.take_back(
            session, keys.broker, packets.hold(session, root), PacketState.REVOKED, reason="wrong", by="ada"
        )
    with live() as one, live() as other:
        one.begin()
        other.begin()
        assert (cascade.settle(one, keys.broker, 4), cascade.settle(other, keys.broker, 4)) == (4, 2)
        one.rollback()  # a replica that dies loses nothing
        other.commit()
    with live.begin() as session:
        assert cascade.settle(session, keys.broker, 100) == 4
    with live.begin() as session:
        assert {packets.get(session, each).state for each in children} == {PacketState.QUARANTINED}
        assert cascade.settle(session, keys.broker, 100) == 0


def at_once(*calls):
    """What each call returned or raised, all begun together."""
    ready, ended = threading.Barrier(len(calls)), []

    def run(call):
        ready.wait()
        try:
            ended.append(call())
        except M2KTError as error:
            ended.append(error)

    threads = [threading.Thread(target=run, args=(each,)) for each in calls]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return ended


def test_of_two_movers_at_two_brokers_one_wins(approve, replicas, keys):
    approve("acme/chains")
    clients = [Client(URL, keys.teacher, None, each) for each in replicas]
    moves = [partial(each.move_channel, "acme/chains", "stable", version="1.0.0", etag=None) for each in clients]
    made = at_once(*moves)
    etag = clients[0].channel_etag("acme/chains", "stable")
    moves = [partial(each.move_channel, "acme/chains", "stable", version="1.0.0", etag=etag) for each in clients]
    moved = at_once(*moves)
    for ended in (made, moved):
        assert sorted(isinstance(each, PreconditionFailed) for each in ended) == [False, True]
    assert [each["serial"] for each in clients[1].channel_heads()] == [1, 2]


def test_overlapping_lineages_are_taken_back_at_two_brokers_at_once(approve, replicas, keys):
    top = approve("acme/top")
    left, right = approve("acme/left", top), approve("acme/right", top)
    shared = [approve(f"acme/shared{each}", left, right) for each in range(4)]
    clients = [Client(URL, keys.teacher, None, replicas[each % 2]) for each in range(3)]
    ended = at_once(
        *(partial(each.revoke, one, "wrong") for each, one in zip(clients, (left, right, top), strict=True))
    )
    assert [each["state"] for each in ended] == ["revoked"] * 3
    assert {clients[0].show(each)["state"] for each in shared} == {"quarantined"}
    assert {clients[0].show(each)["state"] for each in (left, right, top)} == {"revoked"}
