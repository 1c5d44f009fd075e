"""A verification result that its verdict gives no grounds for is named."""

import pytest

from m2kt.client.predicates import SCAN, STATE, SVR
from m2kt.client.result_records import check_results
from m2kt.client.statements import Said

CHECKS = [{"name": "finite", "version": "1", "outcome": "pass"}, {"name": "hubs", "version": "1", "outcome": "not-run"}]
PASSED = {
    "passed": True,
    "checks": CHECKS,
    "tiers": {"standard": "approve", "strict": "review"},
    "policy": "sha256:ab",
    "expires": "2027-01-01T00:00:00Z",
}
RESULT = {
    "properties": ["M2KT_CHECK_FINITE_1", "M2KT_TIER_STANDARD"],
    "policies": [{"uri": "urn:x", "digest": {"sha256": "ab"}}],
    "expires": "2027-01-01T00:00:00Z",
}


def faults(*pairs):
    found = []
    said = [Said(kind, predicate, index) for index, (kind, predicate) in enumerate(pairs)]
    check_results("packet p", said, lambda where, what: found.append(what))
    return found


def test_a_result_beside_its_verdict_is_as_it_should_be():
    assert faults((SCAN, PASSED), (SVR, RESULT), (STATE, {"to": "approved"})) == []
    again = {**PASSED, "expires": "2028-01-01T00:00:00Z"}
    assert faults((SCAN, PASSED), (SVR, RESULT), (SCAN, again), (SVR, {**RESULT, "expires": again["expires"]})) == []


@pytest.mark.parametrize(
    ("before", "result", "says"),
    [
        ([], RESULT, "no scan had passed"),
        ([(SCAN, {"passed": False, "checks": CHECKS})], RESULT, "no scan had passed"),
        ([(SCAN, PASSED), (SCAN, {"passed": False, "checks": []})], RESULT, "no scan had passed"),
        ([(SCAN, PASSED), (STATE, {"to": "rejected"})], RESULT, "after it was rejected"),
        ([(SCAN, PASSED), (STATE, {"to": "revoked"})], RESULT, "after it was revoked"),
        ([(SCAN, PASSED)], {**RESULT, "properties": ["M2KT_TIER_STRICT"]}, "M2KT_TIER_STRICT"),
        ([(SCAN, PASSED)], {**RESULT, "properties": ["M2KT_CHECK_HUBS_1"]}, "M2KT_CHECK_HUBS_1"),
        ([(SCAN, PASSED)], {**RESULT, "expires": "2099-01-01T00:00:00Z"}, "expires at 2099"),
        ([(SCAN, PASSED)], {**RESULT, "policies": []}, "another policy"),
    ],
)
def test_a_result_that_says_more_than_its_verdict_is_named(before, result, says):
    found = faults(*before, (SVR, result))
    assert len(found) == 1
    assert says in found[0]
