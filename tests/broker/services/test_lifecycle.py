"""The transition table, and the one door through it."""

import itertools

import pytest
from sqlalchemy import update

from broker.errors import IllegalTransition
from broker.models import TRANSITIONS, Packet, PacketState
from broker.services import lifecycle, packets

S = PacketState


def test_the_table_is_complete_and_fails_closed():
    assert set(TRANSITIONS) == set(PacketState)
    assert [each for each in PacketState if S.APPROVED in TRANSITIONS[each]] == [
        S.SCANNING,
        S.QUARANTINED,
        S.YANKED,
        S.EXPIRED,
    ]
    for each in (S.QUARANTINED, S.YANKED, S.EXPIRED):  # none of them is reached but through a scan that passed
        assert S.RECEIVED not in {before for before in PacketState if each in TRANSITIONS[before]}
    assert TRANSITIONS[S.REJECTED] == {S.REVOKED}
    assert TRANSITIONS[S.REVOKED] == frozenset()
    assert all(S.REVOKED in TRANSITIONS[each] for each in PacketState if each is not S.REVOKED)
    assert not any(S.RECEIVED in each for each in TRANSITIONS.values())


@pytest.mark.usefixtures("enrolled")
def test_every_step_that_is_not_in_the_table_is_refused(client_of, keys, signed, session):
    packet_id = client_of(keys.teacher).publish(signed)["packet_id"]
    for before, after in itertools.product(PacketState, PacketState):
        session.execute(update(Packet).values(state=before))
        packet = packets.hold(session, packet_id)
        if after in TRANSITIONS[before]:
            lifecycle.move(session, keys.broker, packet, after, reason="because", by="test")
            assert packet.state == after
        else:
            with pytest.raises(IllegalTransition):
                lifecycle.move(session, keys.broker, packet, after, reason="because", by="test")
