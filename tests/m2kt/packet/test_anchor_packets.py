from dataclasses import replace

import numpy as np
import pytest

from m2kt.errors import ManifestError, TensorError
from m2kt.packet import (
    DomainRef,
    Extraction,
    Manifest,
    Packet,
    PacketKind,
    Teacher,
    anchors,
    build_packet,
    ledger,
    static,
)
from m2kt.packet.anchors import AnchorStates, Title
from m2kt.scan import Outcome, Policy, scan
from m2kt.scan.policy import DomainRules
from m2kt.signing import sign_packet
from m2kt.signing.keys import generate

DIGEST = f"sha256:{'a' * 64}"
TEACHER = Teacher("t", "gpt2", "gpt2", 10, DIGEST, DIGEST)
TITLE = Title("acme/anchors", "1.0.0", "2026-01-31T12:00:00Z", DomainRef("public-anchors", "1.0.0"))


def anchor_packet(rows: int = 7) -> Packet:
    states = np.random.default_rng(1).normal(size=(rows, 4)).astype(np.float32)
    return anchors.build(AnchorStates("words", DIGEST, "text", "mean of layer -1", states), TITLE, TEACHER)


def mixture(support: int = 5) -> static.StaticKnowledge:
    rng = np.random.default_rng(2)
    rows, spread = rng.normal(size=(3, 4)).astype(np.float32), rng.uniform(1, 2, (3, 4)).astype(np.float32)
    return static.StaticKnowledge(
        ("bad", "good"), rows, spread, np.full(3, 1 / 3, np.float32), np.full(3, support, np.int32), np.array([0, 1, 1])
    )


def packet_of(tensors, kind=PacketKind.KNOWLEDGE, extraction=None, lies=()) -> Packet:
    manifest = Manifest.describe(
        kind=kind,
        name="acme/static",
        version="1.0.0",
        created=TITLE.created,
        domain=DomainRef("valence", "1.0.0"),
        teacher=TEACHER,
        extraction=extraction or Extraction("clustering", {"static": 1}, 0),
        licence="MIT",
        tensors=tensors,
        ledger={**ledger.measure(tensors, 9), **dict(lies)},
        symbols=("bad", "good"),
    )
    return build_packet(manifest, tensors)


def outcomes(packet: Packet, policy: Policy | None = None) -> dict[str, Outcome]:
    verdict = scan(sign_packet(packet, generate()), policy)
    return {each.name: each.outcome for each in verdict.checks}


def test_a_packet_of_anchors_is_read_back_and_counts_every_state_as_moved():
    packet = anchor_packet()
    found = anchors.read(packet)
    assert (found.digest, found.states.shape) == (DIGEST, (7, 4))
    assert packet.manifest.ledger["activations_moved"] == packet.manifest.ledger["anchors"] == 7
    assert packet.manifest.ledger["outputs_moved"] == 7


def test_the_scan_reads_packets_of_anchors():
    found = outcomes(anchor_packet())
    assert found["anchors"] is found["ledger"] is Outcome.PASS
    assert Outcome.FAIL not in found.values()


@pytest.mark.parametrize("change", ["rows", "setting", "digest", "tensor"])
def test_a_packet_of_anchors_that_contradicts_itself_is_refused(change):
    packet = anchor_packet()
    said, tensors = dict(packet.manifest.extraction.settings), dict(packet.tensors)
    if change == "rows":
        tensors["anchors/states"] = tensors["anchors/states"][:5]
    elif change == "setting":
        del said["reading"]
    elif change == "digest":
        said["set_sha256"] = "sha256:short"
    else:
        tensors["anchors/answers"] = np.zeros(7, np.int32)
    odd = packet_of(tensors, PacketKind.ANCHORS, Extraction("anchors", said, 0))
    with pytest.raises((ManifestError, TensorError)):
        anchors.read(odd)
    assert outcomes(odd)["anchors"] is Outcome.FAIL


def test_a_false_ledger_of_anchors_is_refused():
    packet = anchor_packet()
    odd = packet_of(
        dict(packet.tensors), PacketKind.ANCHORS, packet.manifest.extraction, {"activations_moved": 0}.items()
    )
    assert outcomes(odd)["ledger"] is Outcome.FAIL


def test_static_concepts_are_read_back_and_their_emissions_count_as_labels():
    packet = packet_of(static.to_tensors(mixture()))
    found = static.from_tensors(packet.tensors, packet.manifest.symbols)
    assert found.support.tolist() == [5, 5, 5]
    counts = packet.manifest.ledger
    assert (counts["concepts"], counts["labels_moved"], counts["activations_moved"]) == (3, 3, 0)
    said = outcomes(packet)
    assert said["references"] is said["ledger"] is Outcome.PASS
    assert said["hubs"] is said["drift"] is Outcome.NOT_RUN
    assert not {Outcome.FAIL, Outcome.ERROR} & set(said.values())


def test_a_denied_emission_is_found():
    policy = Policy(domains={"valence": DomainRules(frozenset({"good"}))})
    assert outcomes(packet_of(static.to_tensors(mixture())), policy)["denied"] is Outcome.FAIL


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"support": np.full(3, 4, np.int32)}, "supported by 5"),
        ({"variance": -np.ones((3, 4), np.float32)}, "negative"),
        ({"weight": np.full(3, 0.9, np.float32)}, "sum to 1"),
        ({"emissions": np.array([0, 1, 2])}, "name symbols"),
        ({"centroids": np.ones((3, 5), np.float32)}, "centroids and variance"),
    ],
)
def test_static_concepts_that_break_a_rule_are_refused(change, why):
    packet = packet_of(static.to_tensors(replace(mixture(), **change)))
    with pytest.raises(TensorError, match=why):
        static.from_tensors(packet.tensors, packet.manifest.symbols)
    assert outcomes(packet)["references"] is Outcome.FAIL
