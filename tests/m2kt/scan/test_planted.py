"""Statistical checks find what was planted, leave honest packets alone, and say what they could not look at."""

from dataclasses import replace

import numpy as np
import pytest

from bench import planting
from m2kt.scan import Decision, Outcome, Policy, scan
from m2kt.scan.drift import Disagreement, flipped, readings
from m2kt.scan.geometry import Geometry, deviations
from m2kt.scan.policy import DomainRules, Thresholds
from m2kt.scan.triggers import thin, unreachable
from m2kt.signing import sign_packet
from m2kt.signing.keys import generate
from tests.m2kt.scan.parts import large_knowledge, packet_of
from tests.small import small_knowledge

KEY = generate()
# This synthetic teacher is none of those that the default thresholds were frozen on.
POLICY = Policy(thresholds=Thresholds(lonely_deviations=6.0, margin_deviations=6.0))


def outcomes(packet, *references, policy=POLICY):
    return {each.name: each.outcome for each in scan(sign_packet(packet, KEY), policy, references).checks}


def evidence(packet, name, *references, policy=POLICY):
    checks = scan(sign_packet(packet, KEY), policy, references).checks
    return next(" | ".join(each.evidence) for each in checks if each.name == name)


def flip(knowledge, row, answer):
    centroids = knowledge.centroids.copy()
    centroids[row] = centroids[np.flatnonzero(np.arange(256) // 16 + np.arange(256) % 16 == answer)[0]] + np.float16(
        0.01
    )
    return replace(knowledge, centroids=centroids)


def test_an_honest_packet_is_left_alone():
    found = outcomes(packet_of(large_knowledge()))
    assert set(found.values()) == {Outcome.PASS, Outcome.NOT_RUN}
    assert {name for name, each in found.items() if each is Outcome.NOT_RUN} == {
        "drift",
        "dissent",
        "exchange",
        "anchors",
        "denied",
        "detonation",
        "family",
    }


@pytest.mark.parametrize(
    ("attack", "check"), [("hubs", "signature"), ("triggers", "triggers"), ("direction", "signature")]
)
def test_what_was_planted_is_suspicious(attack, check):
    planted = {**planting.TUNED, **planting.UNSEEN}[attack](large_knowledge(), np.random.default_rng(3))
    found = outcomes(packet_of(planted), policy=replace(POLICY, thresholds=replace(POLICY.thresholds, thin_share=0.8)))
    assert found[check] is Outcome.SUSPICIOUS
    assert Outcome.FAIL not in found.values()


def test_a_grounding_that_no_template_brings_about_is_named():
    knowledge = large_knowledge()
    groundings = knowledge.groundings.copy()
    groundings[7, 0] = 16  # the sign "+" as an operand
    odd = replace(knowledge, groundings=groundings)
    assert unreachable(odd).tolist() == [7]
    assert "no template brings about: 7 (+ 7)" in evidence(packet_of(odd), "triggers")


def test_what_an_earlier_decision_writes_can_be_reached():
    knowledge = large_knowledge()
    assert len(unreachable(knowledge)) == 0
    assert min(each.share for each in thin(knowledge, 2.0)) == 1.0


def test_bit_equal_concepts_of_one_class_are_suspicious():
    knowledge = large_knowledge()
    centroids = knowledge.centroids.copy()
    centroids[200] = centroids[3]
    assert "1 concepts are bit-equal" in evidence(packet_of(replace(knowledge, centroids=centroids)), "twins")


def test_concepts_in_one_direction_have_collapsed():
    knowledge = large_knowledge()
    line = np.outer(np.random.default_rng(0).normal(size=256), np.ones(48))
    collapsed = packet_of(replace(knowledge, centroids=line.astype(np.float16)))
    assert "effective rank" in evidence(collapsed, "rank", policy=Policy())


def test_a_flip_is_seen_only_against_something():
    honest, later = packet_of(large_knowledge(0)), packet_of(flip(large_knowledge(1), 40, 3), version="2.0.0")
    assert Outcome.SUSPICIOUS not in outcomes(later).values()
    said = evidence(later, "drift", honest)
    assert "1 concepts answer otherwise than add/sixteen@1.0.0: 2 8 gives '3', not 'a'" in said
    assert "1 concepts moved since" in said


def test_another_teacher_contradicts_a_flip():
    other = packet_of(large_knowledge(5), name="other/teacher", teacher={"weights_sha256": "sha256:" + "5" * 64})
    flipped_packet = packet_of(flip(large_knowledge(), 40, 3))
    assert "answer otherwise than other/teacher@1.0.0" in evidence(flipped_packet, "dissent", other)
    assert outcomes(flipped_packet, other)["drift"] is Outcome.NOT_RUN, "the spaces of two teachers cannot be compared"


def test_a_canary_contradicts_a_flip_and_agrees_with_the_rest():
    domain = packet_of(large_knowledge()).manifest.domain.name
    rules = DomainRules(canary=((("2", "8"), "a"), (("2", "9"), "b"), (("no", "such"), "thing")))
    policy = replace(POLICY, domains={domain: rules})
    assert outcomes(packet_of(large_knowledge()), policy=policy)["drift"] is Outcome.PASS
    assert "answer otherwise than the canary" in evidence(
        packet_of(flip(large_knowledge(), 40, 3)), "drift", policy=policy
    )


def test_a_canary_of_every_domain_counts_where_the_policy_names_no_other():
    policy = replace(POLICY, domains={"*": DomainRules(canary=((("2", "8"), "a"),))})
    assert outcomes(packet_of(large_knowledge()), policy=policy)["drift"] is Outcome.PASS
    assert "otherwise than the canary" in evidence(packet_of(flip(large_knowledge(), 40, 3)), "drift", policy=policy)


def test_a_version_that_declares_more_mantissa_bits_than_before_is_suspicious():
    before, later = packet_of(large_knowledge(), bits=8), packet_of(large_knowledge(1), version="2.0.0", bits=10)
    assert "declares 10 mantissa bits, add/sixteen@1.0.0 did with 8" in evidence(later, "drift", before)


def test_denied_symbols_fail_a_packet():
    domain = packet_of(large_knowledge()).manifest.domain
    policy = replace(POLICY, domains={f"{domain.name}@{domain.version}": DomainRules(denied=frozenset({"7"}))})
    said = evidence(packet_of(large_knowledge()), "denied", policy=policy)
    assert "16 concepts decode to the denied '7'" in said
    assert "grounded in the denied '7'" in said


def test_a_base_family_that_the_weights_contradict_fails_a_packet():
    packet = packet_of(large_knowledge())
    teacher = packet.manifest.teacher
    policy = replace(POLICY, families={teacher.weights_sha256: "another"})
    assert f"it says {teacher.base_family}, these weights are of another" in evidence(packet, "family", policy=policy)
    earlier = packet_of(large_knowledge(), version="0.1.0", teacher={"base_family": "renamed"})
    assert "of the same weights, says renamed" in evidence(packet, "family", earlier)


def test_a_suspicion_takes_a_packet_to_reviewers():
    planted = packet_of(planting.triggers(large_knowledge(), np.random.default_rng(3)))
    verdict = scan(sign_packet(planted, KEY), POLICY)
    assert POLICY.decide(verdict)[0] is Decision.REVIEW
    assert not verdict.passed


def test_small_packets_have_no_geometry_to_look_at():
    found = outcomes(packet_of(small_knowledge()))
    assert {found[each] for each in ("twins", "hubs", "outliers", "signature", "rank")} == {Outcome.NOT_RUN}


def test_neighbours_of_large_packets_are_looked_for_in_a_sample(monkeypatch):
    knowledge = large_knowledge()
    whole = Geometry(knowledge).hubs()
    monkeypatch.setattr("m2kt.scan.geometry.REFERENCE", 128)
    monkeypatch.setattr("m2kt.scan.geometry.BLOCK", 50)
    sampled = Geometry(knowledge).hubs()
    assert len(sampled) == len(whole) == 256
    assert 0 < np.count_nonzero(sampled) <= 128


def test_deviations_are_those_of_a_normal_variable():
    values = np.random.default_rng(0).normal(size=20_000)
    assert deviations(values * 7 + 3).std() == pytest.approx(1, abs=0.03)
    assert deviations(np.ones(9)).tolist() == [0.0] * 9


def test_packets_that_share_no_grounding_do_not_disagree():
    assert list(flipped({("a",): {"1"}}, {("b",): {"2"}})) == []
    assert list(flipped({("a",): {"1"}}, {("a",): {"2"}})) == [Disagreement(("a",), "1", "2")]
    assert readings(small_knowledge())[("1", "2")] == {"0"}
