"""Publishing and pulling, over HTTP."""

import pytest

from m2kt.packet import read_packet

pytestmark = pytest.mark.usefixtures("enrolled")


def test_a_published_packet_is_pulled_once_a_scan_has_approved_it(client_of, keys, signed, run_scans):
    told = client_of(keys.teacher).publish(signed)
    assert told["state"] == "received"
    run_scans()
    pulled = client_of(keys.student).pull(told["packet_id"])
    assert pulled.packet.packet_id == read_packet(signed).packet_id
