"""A packet of the student's own base family comes in only when a stricter tier cleared it, or by name."""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from m2kt.client import OUTCOME
from m2kt.client.clearance import Clearance
from m2kt.errors import ModelError, SameFamily
from m2kt.signing import sign_packet
from m2kt.signing.dsse import Envelope
from m2kt.signing.keys import load_private
from m2kt.signing.statement import Statement
from student_agent.activation import State
from student_agent.card import read_card
from student_agent.kinship import Kin, KinPolicy, kinship, nobody, own_family
from student_agent.service import policy_of
from student_agent.take import Decision
from tests.models import EXAMPLES
from tests.small import small_packet
from tests.stack import Stack
from tests.student_agent.taking import intake_of

TEACHER = small_packet().manifest.teacher
OTHER = "sha256:" + "1" * 64


def test_the_examples_and_the_demo_pair_are_strangers() -> None:
    assert (own_family(EXAMPLES / "teacher"), own_family(EXAMPLES / "student")) == ("llama", "gpt2")


@pytest.mark.parametrize(
    ("config", "family"),
    [('{"model_type": "gpt2"}', "gpt2"), ('{"model_type": "gpt2", "base_family": "acme-1"}', "acme-1")],
)
def test_a_students_family_is_told_by_what_a_teachers_is(tmp_path: Path, config: str, family: str) -> None:
    (tmp_path / "config.json").write_text(config)
    assert own_family(tmp_path) == family


@pytest.mark.parametrize("config", [None, "{", "[]", "{}"])
def test_a_model_that_does_not_say_its_family_is_refused(tmp_path: Path, config: str | None) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(ModelError, match="does not say"):
        own_family(tmp_path)


@pytest.mark.parametrize(
    ("family", "known", "weights", "kin"),
    [
        ("gpt2", {}, OTHER, False),
        ("llama", {}, None, True),
        ("LLaMA", {}, None, True),
        ("gpt2", {OTHER: "llama"}, OTHER, True),  # the student's configuration lies
        ("gpt2", {TEACHER.weights_sha256: "gpt2"}, None, True),  # the teacher's statement does
        ("gpt2", {}, TEACHER.weights_sha256, True),  # one and the same model
        ("gpt2", {OTHER: "llama"}, None, False),  # nothing is known of the student's weights yet
    ],
)
def test_who_is_of_one_family(family: str, known: Mapping[str, str], weights: str | None, kin: bool) -> None:
    assert (kinship(TEACHER, family, known, weights) is not None) is kin


def test_a_packet_of_another_family_asks_nobody() -> None:
    kin = Kin(small_packet().manifest, "gpt2", KinPolicy(), nobody)
    kin.check()
    kin.check(OTHER)
    assert kin.cleared is None


@pytest.mark.parametrize("name", ["tests/addition", "llama"])
def test_the_policy_lets_a_packet_in_by_its_name_or_its_familys_and_says_so(name: str) -> None:
    kin = Kin(small_packet().manifest, "llama", policy_of({"allow_same_family": [name]}).kin, nobody)
    kin.check()
    assert kin.cleared is not None
    assert (kin.cleared["by"], kin.cleared["allowed"]) == ("local policy", name)
    with pytest.raises(SameFamily, match="both of the base family llama"):
        Kin(small_packet().manifest, "llama", KinPolicy(allowed=("other",)), nobody).check()


def test_a_tier_that_cleared_the_packet_is_named_in_the_report() -> None:
    cleared = Clearance("strict", "review", ("rev",), "2027-01-01T00:00:00Z", "sha256:x")
    kin = Kin(small_packet().manifest, "llama", KinPolicy(), lambda tier: replace(cleared, tier=tier))
    kin.check()
    assert kin.cleared is not None
    assert (kin.cleared["tier"], kin.cleared["reviewers"]) == ("strict", ("rev",))


# At a real broker


@pytest.fixture(scope="module")
def packet(running_stack: Stack) -> str:
    """Approved by the standard tier."""
    teacher = load_private(running_stack.agent("kin-teacher", "teacher"))
    with running_stack.client(teacher) as client:
        packet_id = str(client.publish(sign_packet(small_packet(name="tests/kin"), teacher))["packet_id"])
        client.wait_for_state(packet_id, {"approved"})
    return packet_id


def spec_of(broker: Stack, memory: Path, home: Path, family: str) -> dict[str, Any]:
    return {
        "broker": broker.url,
        "key": str(broker.agent(f"kin-{home.name}", "student")),
        "trust": str(broker.trusted),
        "state": str(home / "state"),
        "memory": str(memory),
        "family": family,
    }


def test_nothing_of_the_students_family_comes_in_before_reviewers_agreed(
    running_stack: Stack, packet: str, memory_directory: Path, tmp_path: Path
) -> None:
    intake = intake_of(spec_of(running_stack, memory_directory, tmp_path / "own", "llama"))
    with intake.client:
        with pytest.raises(SameFamily, match="0 of 1 reviewers") as refused:
            intake.take(packet)
        assert refused.value.exit_code == 69
        assert State(intake.student.state).active() == []
        assert list(intake.records) == []
        with running_stack.client(load_private(running_stack.agent("kin-reviewer", "reviewer"))) as reviewer:
            reviewer.review(packet, "approve", "nothing odd in it")
        assert intake.take(packet).decision == Decision.ACCEPTED
        intake.report()
        told = [each for each in intake.client.attestations(packet) if each["predicate_type"] == OUTCOME]
    said = Statement.from_bytes(Envelope.from_bytes(b64decode(told[-1]["envelope"])).payload).predicate
    assert said["kinship"]["reviewers"] == ["kin-reviewer"]
    assert "base family llama" in said["kinship"]["why"]


def test_weights_of_the_teachers_family_are_known_whatever_the_configuration_says(
    running_stack: Stack, packet: str, memory_directory: Path, tmp_path: Path
) -> None:
    """The configuration says gpt2; the weights, which the alignment digests, are known as llama's."""
    intake = intake_of(spec_of(running_stack, memory_directory, tmp_path / "posing", "gpt2"))
    weights = read_card(memory_directory).student_sha256
    intake.policy = replace(intake.policy, families={weights: "llama"}, strict_tier="stricter")
    with intake.client, pytest.raises(SameFamily, match="'stricter' decided nothing"):
        intake.take(packet)
    assert State(intake.student.state).active() == []
