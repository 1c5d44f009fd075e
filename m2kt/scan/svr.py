"""The verdict as others read it: an in-toto Simple Verification Result (SVR v0.2) that names what passed, and expires.

An SVR holds passing properties only: whoever ignores it has less, never more (in-toto's monotonic principle). The whole
verdict, evidence and all, is a statement of ours (``urn:m2kt:scan:v1``); this one is for everybody else's tools.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from m2kt.client.predicates import SVR
from m2kt.scan.policy import Decision
from m2kt.scan.verdict import Outcome

__all__ = ["SVR", "VERIFIER", "counts", "predicate", "properties"]

VERIFIER = "urn:m2kt:scan"


def predicate(said: Mapping[str, Any], now: datetime, expires: str) -> Mapping[str, Any]:
    """The predicate of a verdict as `m2kt.scan.report.report` tells it. ``expires`` (RFC 3339) is an addition that
    other tools may ignore."""
    policies = []
    if "policy" in said:
        uri = f"urn:m2kt:scan-policy:{said.get('policy_name', '')}"
        policies = [{"uri": uri, "digest": {"sha256": str(said["policy"]).removeprefix("sha256:")}}]
    return {
        "verifier": {"id": VERIFIER},
        "policies": policies,
        "timeCreated": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "expires": expires,
        "properties": properties(said),
    }


def properties(said: Mapping[str, Any]) -> list[str]:
    """``M2KT_CHECK_<NAME>_<VERSION>`` for each check that passed, ``M2KT_TIER_<TIER>`` for each tier that approves."""
    checks = [
        f"M2KT_CHECK_{each['name'].upper()}_{each['version']}"
        for each in said["checks"]
        if each["outcome"] == Outcome.PASS
    ]
    approving = [name for name, made in said.get("tiers", {}).items() if made == Decision.APPROVE]
    return sorted(checks) + [f"M2KT_TIER_{name.upper()}" for name in sorted(approving)]


def counts(said: Mapping[str, Any], now: datetime) -> bool:
    """Whether a predicate has not expired; one without a time never counts."""
    try:
        return now < datetime.fromisoformat(str(said["expires"]))
    except (KeyError, ValueError, TypeError):
        return False
