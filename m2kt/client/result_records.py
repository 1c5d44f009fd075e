"""What verification results (SVR) must say: what the verdict before them said, and nothing about what did not pass."""

from collections.abc import Mapping, Sequence
from typing import Any

from m2kt.client.predicates import DETONATION, SCAN, STATE, SVR
from m2kt.client.statements import Report, Said

Predicate = Mapping[str, Any]
FALLEN = frozenset({"rejected", "revoked"})


def check_results(where: str, said: Sequence[Said], report: Report) -> None:
    """Each result follows a scan that passed, of a packet that was not taken back, and says no more than that scan; a
    scan that judged a detonation follows the statement about it."""
    verdict: Predicate = {}
    state, tried = "received", False
    for each in said:
        if each.kind == DETONATION:
            tried = True
        elif each.kind == SCAN:
            if _detonated(each.predicate) and not tried:
                report(where, "its scan judges a detonation that no statement tells of")
            verdict, tried = each.predicate, False
        elif each.kind == STATE:
            state = str(each.predicate.get("to"))
        elif each.kind == SVR and (fault := _fault(each.predicate, verdict, state)):
            report(where, f"a verification result (SVR) about it {fault}")


def _detonated(verdict: Predicate) -> bool:
    judged = ("pass", "suspicious", "fail")
    return any(each["name"] == "detonation" and each["outcome"] in judged for each in verdict.get("checks", ()))


def _fault(result: Predicate, verdict: Predicate, state: str) -> str | None:
    if not verdict.get("passed"):
        return "was signed although no scan had passed: it was not approved"
    if state in FALLEN:
        return f"was signed after it was {state}"
    if unfounded := sorted(set(result.get("properties", ())) - _founded(verdict)):
        return f"says what its scan does not: {', '.join(map(str, unfounded[:5]))}"
    if result.get("expires") != verdict.get("expires"):
        return f"expires at {result.get('expires')}, the verdict at {verdict.get('expires')}"
    digests = [f"sha256:{each['digest']['sha256']}" for each in result.get("policies", ())]
    if "policy" in verdict and digests != [verdict["policy"]]:
        return "names another policy than its scan"
    return None


def _founded(verdict: Predicate) -> set[str]:
    """The properties that a verdict gives grounds for, as an auditor derives them."""
    passed = {
        f"M2KT_CHECK_{str(each['name']).upper()}_{each['version']}"
        for each in verdict.get("checks", ())
        if each["outcome"] == "pass"
    }
    tiers = verdict.get("tiers", {})
    return passed | {f"M2KT_TIER_{str(name).upper()}" for name, made in tiers.items() if made == "approve"}
