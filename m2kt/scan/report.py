"""What a scan tells: the verdict, what each tier of the policy makes of it, and by which policy."""

from collections.abc import Mapping, Sequence
from typing import Any

from m2kt.packet import Packet
from m2kt.scan import Decision, Policy, scan


def report(
    data: bytes,
    policy: Policy,
    references: Sequence[Packet] = (),
    tier: str | None = None,
    detonation: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A scan of a container's bytes as JSON; ``decision`` is that of the tier ``tier``, ``tiers`` has all of them."""
    named = policy.tier_named(tier)
    verdict = scan(data, policy, references, detonation)
    made, why = policy.decide(verdict, named)
    return {
        **verdict.to_dict(),
        # Nothing in it is wrong and nothing is missing; whether people have to agree is the decision's to say.
        "passed": made in (Decision.APPROVE, Decision.REVIEW),
        "decision": made.value,
        "reason": why,
        "tier": named,
        "tiers": {name: policy.decide(verdict, name)[0].value for name in policy.tiers},
        "approvals": {name: each.approvals for name, each in policy.tiers.items()},
        "policy": policy.digest,
        "policy_name": policy.name,
        "references": [each.packet_id for each in references],
    }
