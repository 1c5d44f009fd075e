"""A policy decides; what it cannot decide is never clean."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from m2kt.errors import UsageError
from m2kt.scan import CheckResult, Decision, Outcome, Policy, Verdict
from m2kt.scan.policy import ALWAYS, EXACT, GEOMETRY, STRICT, TIERS, DomainRules, Thresholds, Tier
from m2kt.scan.svr import counts, predicate, properties

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
END = "2026-12-22T12:00:00Z"


def verdict(**outcomes):
    passed = {name: Outcome.PASS for name in (*EXACT, *GEOMETRY, "references", "ledger", "drift", "dissent")}
    return Verdict(tuple(CheckResult(name, "1", each, ()) for name, each in {**passed, **outcomes}.items()))


@pytest.mark.parametrize(
    ("outcomes", "decision"),
    [
        ({}, Decision.APPROVE),
        ({"hubs": Outcome.SUSPICIOUS}, Decision.REVIEW),
        ({"dissent": Outcome.SUSPICIOUS}, Decision.APPROVE),  # a teacher that was trained on may say something new
        ({"hubs": Outcome.NOT_RUN}, Decision.APPROVE),  # the standard tier does not ask for it
        ({"texts": Outcome.NOT_RUN}, Decision.INCONCLUSIVE),
        ({"texts": Outcome.ERROR}, Decision.INCONCLUSIVE),
        ({"hubs": Outcome.ERROR}, Decision.INCONCLUSIVE),  # not asked for, but it broke
        ({"digests": Outcome.FAIL, "texts": Outcome.ERROR}, Decision.REJECT),
    ],
)
def test_what_the_standard_tier_makes_of_a_verdict(outcomes, decision):
    assert Policy().decide(verdict(**outcomes))[0] is decision


def test_reviewers_stand_in_for_what_had_nothing_to_compare_with():
    made, why = Policy().decide(verdict(drift=Outcome.NOT_RUN), "strict")
    assert made is Decision.REVIEW
    assert "drift" in why


def test_a_required_check_that_is_missing_is_not_clean():
    assert Policy().decide(Verdict(()))[0] is Decision.INCONCLUSIVE
    made, why = Policy().decide(Verdict((CheckResult("finite", "1", Outcome.PASS, ()),)))
    assert made is Decision.INCONCLUSIVE
    assert "headers" in why


def test_a_policy_survives_its_file_and_its_digest_follows_its_content():
    policy = Policy(
        name="mine",
        thresholds=Thresholds(hub_ratio=2.25, flips=3),
        domains={"sums@1.0.0": DomainRules(frozenset({"x"}), ((("1", "+"), "2"),))},
        families={"sha256:" + "0" * 64: "llama"},
        tiers={"only": Tier(ALWAYS, frozenset({"hubs"}), approvals=2)},
        tier="only",
    )
    assert Policy.from_bytes(policy.to_bytes()) == policy
    assert Policy.from_bytes(b'{"days": 7}') == replace(Policy(), days=7)
    assert policy.digest != replace(policy, days=31).digest


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"[]", "attribute"),
        (b'{"thresholds": {"hubs": 1}}', "no thresholds hubs"),
        (b'{"colour": 1}', "unknown fields colour"),
        (b'{"tiers": {"lax": {"required": []}}, "tier": "lax"}', "requires at least"),
        (b'{"tier": "lax"}', "no tier 'lax'"),
        (b'{"tiers": {"Strict": {"required": ["structure", "headers", "digests", "finite", "precision"]}}}', "no tier"),
        (b'{"days": 1, "days": 2}', "twice"),
        (b'{"thresholds": {"hub_ratio": "many"}}', "scan policy"),
    ],
)
def test_a_policy_file_that_is_wrong_says_where(text, says):
    with pytest.raises(UsageError, match="(?i)" + says):
        Policy.from_bytes(text)


def test_no_tier_can_do_without_the_checks_of_the_format():
    assert ALWAYS <= EXACT <= STRICT.required


def told(found, policy=None):
    """What a scan tells of a verdict, as far as a result reads it."""
    policy = policy or Policy()
    tiers = {name: policy.decide(found, name)[0].value for name in policy.tiers}
    return {**found.to_dict(), "tiers": tiers, "policy": policy.digest, "policy_name": policy.name}


def test_an_svr_names_what_passed_and_nothing_else():
    said = predicate(told(verdict(hubs=Outcome.SUSPICIOUS, drift=Outcome.NOT_RUN)), NOW, END)
    assert "M2KT_CHECK_FINITE_1" in said["properties"]
    assert not [each for each in said["properties"] if "HUBS" in each or "DRIFT" in each or "TIER" in each]
    assert said["policies"] == [
        {"uri": "urn:m2kt:scan-policy:default", "digest": {"sha256": Policy().digest.removeprefix("sha256:")}}
    ]


def test_an_svr_names_each_tier_that_approves():
    assert [each for each in properties(told(verdict())) if "TIER" in each] == ["M2KT_TIER_STANDARD"]
    lone = Policy(tiers={**TIERS, "strict": replace(STRICT, approvals=0)})
    assert "M2KT_TIER_STRICT" in properties(told(verdict(), lone))


def test_an_svr_expires():
    said = predicate(told(verdict()), NOW, END)
    assert counts(said, NOW + timedelta(days=29))
    assert not counts(said, NOW + timedelta(days=30))
    assert not counts({}, NOW)
