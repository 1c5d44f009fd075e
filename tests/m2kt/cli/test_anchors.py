"""`m2kt packet` on packets of anchors and of static concepts."""

import json
from pathlib import Path

import pytest

from m2kt.packet import Packet, static
from m2kt.signing import sign_packet
from m2kt.signing.keys import generate
from tests.m2kt.cli.conftest import Run
from tests.m2kt.packet.test_anchor_packets import anchor_packet, mixture, packet_of


@pytest.mark.parametrize(
    ("packet", "facts"),
    [
        (anchor_packet(), ("acme/anchors@1.0.0 (anchors)", "anchors/states", "activations_moved 7")),
        (packet_of(static.to_tensors(mixture())), ("(knowledge)", "concepts/emissions", "labels_moved 3")),
    ],
)
def test_both_kinds_are_inspected_and_scanned(run: Run, tmp_path: Path, packet: Packet, facts: tuple[str, ...]) -> None:
    path = tmp_path / "packet.m2kt"
    path.write_bytes(sign_packet(packet, generate()))
    shown = run("packet", "inspect", path)
    assert shown.status == 0
    for fact in facts:
        assert fact in shown.out
    scanned = run("packet", "scan", path, "-o", "json")
    assert (scanned.status, json.loads(scanned.out)["decision"]) == (0, "approve")
