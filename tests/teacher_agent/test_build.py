"""The packet says of itself what it holds."""

import pytest

from m2kt.domains import Domain
from m2kt.neural.models import LanguageModel, parameter_count, weights_sha256
from m2kt.packet import Packet, PacketId, ledger
from m2kt.packet.knowledge import from_tensors
from m2kt.packet.tensors import zero_low_bits
from teacher_agent.build import build
from teacher_agent.extract import Extraction
from teacher_agent.label import Label
from tests.teacher_agent.parts import SETTINGS

PARENT = PacketId("sha256:" + "3" * 64)


@pytest.fixture(scope="module")
def packet(teacher: LanguageModel, domain: Domain, found: Extraction) -> Packet:
    return build(teacher, domain, SETTINGS, found, Label("tests/chains", "1.2.3", "MIT", (PARENT,)))


def test_the_ledger_is_what_the_tensors_say(packet: Packet, found: Extraction) -> None:
    shown = dict(packet.manifest.ledger)
    assert shown == ledger.compute(packet)
    assert (shown["examples_moved"], shown["labels_moved"], shown["activations_moved"]) == (0, 0, 0)
    assert shown["concepts"] == shown["logit_rows_recoverable"] == len(found.knowledge.centroids)
    assert shown["weight_rows_moved"] == 18
    assert shown[ledger.QUERIES] == found.queries


def test_the_settings_are_words_and_whole_numbers_and_name_everything(packet: Packet) -> None:
    record = packet.manifest.extraction
    assert record.seed == SETTINGS.seed
    assert all(type(value) in (str, int) for value in record.settings.values())
    assert record.settings["probes"] == 1500
    assert record.settings["floor"] == "0.8"
    assert record.settings["swap.threshold"] == "0.12"
    assert record.settings["swap.chains"] == 48


def test_the_teacher_is_named_by_its_weights(packet: Packet, teacher: LanguageModel) -> None:
    named = packet.manifest.teacher
    assert (named.name, named.family, named.base_family) == ("teacher", "llama", "llama")
    assert named.parameters == parameter_count(teacher.model)
    assert named.weights_sha256 == weights_sha256(teacher.model)


def test_label_and_domain_stand_in_the_manifest(packet: Packet, domain: Domain) -> None:
    manifest = packet.manifest
    assert (manifest.reference, manifest.licence, manifest.parents) == ("tests/chains@1.2.3", "MIT", (PARENT,))
    assert (manifest.domain.name, manifest.domain.version) == (domain.name, domain.version)


def test_coverage_and_confidence_are_decimals_in_words(packet: Packet, found: Extraction) -> None:
    assert packet.manifest.coverage == {name: f"{value:.4f}" for name, value in found.coverage.items()}
    confidence = {name: float(value) for name, value in packet.manifest.confidence.items()}
    assert 0 < confidence["spread_median"] <= confidence["spread_max"]
    assert confidence["support_min"] == found.knowledge.support.min()


def test_no_text_of_the_domain_travels(packet: Packet, domain: Domain) -> None:
    everything = packet.manifest_bytes + packet.tensor_bytes
    for prompt in domain.probes(SETTINGS.seed, SETTINGS.probes):
        assert prompt.encode() not in everything
        assert prompt.removesuffix(" :").encode() not in everything


def test_the_knowledge_is_read_back_as_it_was_found(packet: Packet, found: Extraction) -> None:
    read = from_tensors(packet.tensors, packet.manifest.symbols, packet.manifest.leads)
    kept = zero_low_bits(found.knowledge.centroids, SETTINGS.mantissa_bits)
    assert read.centroids.tobytes() == kept.tobytes(), "what is below could hide a message"
    assert read.groundings.tolist() == found.knowledge.groundings.tolist()
