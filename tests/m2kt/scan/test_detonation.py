"""What a packet did to a reference student counts against it; without a measurement nothing is said."""

from dataclasses import replace

import pytest

from m2kt.scan import Decision, Outcome, Policy, scan
from m2kt.scan.policy import STANDARD
from m2kt.signing import sign_packet
from m2kt.signing.keys import generate
from tests.broker.conftest import make_packet
from tests.small import small_packet

HARMLESS = {
    "student": "sha256:x",
    "canary_before": "1",
    "canary_after": "0.99",
    "capability_before": "0.5",
    "capability_after": "0.9",
    "perplexity_before": "20",
    "perplexity_after": "20.5",
}
PACKET = sign_packet(small_packet(), generate())
ASKED = Policy(tiers={"standard": replace(STANDARD, required=STANDARD.required | {"detonation"})})


def judged(told, data=PACKET):
    verdict = scan(data, Policy(), (), told)
    return {each.name: each for each in verdict.checks}["detonation"], verdict


def test_a_packet_that_does_no_harm_passes():
    found, verdict = judged(HARMLESS)
    assert found.outcome is Outcome.PASS
    assert ASKED.decide(verdict)[0] is Decision.APPROVE


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"canary_after": "0.97"}, "its canary accuracy fell from 1.000 to 0.970"),
        ({"capability_after": "0.4"}, "its capability accuracy fell"),
        ({"perplexity_after": "22"}, "its perplexity rose"),
        ({"perplexity_after": "nan"}, "its perplexity rose"),
        ({"canary_after": "nan"}, "its canary accuracy fell"),
    ],
)
def test_a_student_that_it_harms_makes_it_suspicious(changed, says):
    found, verdict = judged({**HARMLESS, **changed})
    assert found.outcome is Outcome.SUSPICIOUS
    assert says in found.evidence[0]
    assert Policy().decide(verdict)[0] is Decision.REVIEW


def test_what_was_not_measured_is_not_run_and_a_tier_that_asks_for_it_is_never_clean():
    for told in (None, {"student": "sha256:x", "refused": "its tokenizer splits the symbols"}):
        found, verdict = judged(told)
        assert found.outcome is Outcome.NOT_RUN
        assert found.evidence[0]
        assert Policy().decide(verdict)[0] is Decision.APPROVE
        assert ASKED.decide(verdict)[0] is Decision.INCONCLUSIVE


@pytest.mark.parametrize("told", [{}, {**HARMLESS, "canary_after": "well"}])
def test_a_measurement_that_makes_no_sense_is_inconclusive(told):
    found, verdict = judged(told)
    assert found.outcome is Outcome.ERROR
    assert Policy().decide(verdict)[0] is Decision.INCONCLUSIVE


def test_packets_without_concepts_are_not_judged():
    found, _ = judged(HARMLESS, sign_packet(make_packet(seed=1), generate()))
    assert found.outcome is Outcome.NOT_RUN
