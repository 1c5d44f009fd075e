"""The verdict as others read it: an in-toto Simple Verification Result (SVR v0.2) that names what passed, and expires.

An SVR holds passing properties only: whoever ignores it has less, never more (in-toto's monotonic principle). The whole
verdict, evidence and all, is a statement of ours (``urn:m2kt:scan:v1``); this one is for everybody else's tools.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from m2kt.scan.policy import Decision, Policy
from m2kt.scan.verdict import Outcome, Verdict

SVR = "https://in-toto.io/attestation/svr/v0.2"
VERIFIER = "urn:m2kt:scan"
STRICTER = "strict"


def predicate(verdict: Verdict, policy: Policy, tier: str, now: datetime) -> Mapping[str, Any]:
    """The predicate of a verdict that ``policy`` was applied to; ``expires`` is an addition that readers may ignore."""
    return {
        "verifier": {"id": VERIFIER},
        "policies": [{"uri": f"urn:m2kt:scan-policy:{policy.name}", "digest": {"sha256": policy.digest[7:]}}],
        "timeCreated": _rfc3339(now),
        "expires": _rfc3339(now + timedelta(days=policy.days)),
        "properties": list(properties(verdict, policy, tier)),
    }


def properties(verdict: Verdict, policy: Policy, tier: str) -> list[str]:
    """``M2KT_CHECK_<NAME>_<VERSION>`` for each check that passed, ``M2KT_TIER_<TIER>`` for each tier that approves."""
    checks = [
        f"M2KT_CHECK_{each.name.upper()}_{each.version}" for each in verdict.checks if each.outcome is Outcome.PASS
    ]
    tiers = [
        f"M2KT_TIER_{name.upper()}"
        for name in sorted({tier, *policy.tiers})
        if policy.decide(verdict, name)[0] is Decision.APPROVE
    ]
    return sorted(checks) + tiers


def counts(said: Mapping[str, Any], now: datetime) -> bool:
    """Whether a predicate has not expired; one without a time never counts."""
    try:
        return now < datetime.fromisoformat(str(said["expires"]))
    except (KeyError, ValueError, TypeError):
        return False


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
