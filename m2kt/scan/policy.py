"""What decides about a packet: every threshold of the checks, and per trust tier which checks must have passed.

A policy is data. Its digest stands in every verdict, so that a verdict says by which rules it was reached, and a change
of rules asks for new ones.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from hashlib import sha256
from typing import Any

from m2kt.errors import ManifestError, UsageError
from m2kt.packet import canonical
from m2kt.scan.verdict import Outcome, Verdict

MAX_POLICY_BYTES = 1 << 20
TIER_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)
"""Lower case only: statements name tiers in upper case, and no two may look the same there."""


@dataclass(frozen=True)
class Thresholds:
    """Every number that a verdict hangs on. Those of the geometry were frozen on the clean packets of one teacher
    (``python -m bench.scan --freeze --honest 120``) and are judged on another one's (docs/scan.md)."""

    outlier_deviations: float = 12.0
    """A row whose norm is further from the median than this many (scaled) MADs is suspicious."""
    largest_ratio: float = 1000.0
    """A row whose norm is this many medians is refused: it would drown every other row in a least-squares fit."""
    least_rows: int = 48
    """Concepts below which the geometry says nothing, and its checks are not run."""
    hub_ratio: float = 2.6
    """Nearest-neighbour lists that one concept stands in, as a multiple of what the upper 5 % stand in."""
    lonely_deviations: float = 4.4
    """Scaled MADs by which a concept is further from its fifth neighbour than the median concept is."""
    signature_deviations: float = 16.0
    """Scaled MADs of the leading projection within the concepts of one answer (spectral signature)."""
    margin_deviations: float = 4.6
    """Scaled MADs between a concept's logit margin and the median."""
    spread_deviations: float = 120.0
    """The same for the logarithm of its dispersion."""
    least_rank: float = 0.14
    """Effective rank of the concepts as a share of what it could be."""
    thin_share: float = 0.38
    """A symbol that fills a role in less than this share of the median symbol's concepts is a trigger's trace."""
    flips: int = 0
    """Concepts that may decode to another answer than in a reference."""
    moved_cosine: float = 0.9
    """A concept of the same weights whose cosine to its earlier version is lower has moved."""
    twins: int = 0
    """Concepts of one class that may be bit-equal to another."""
    most_mantissa_bits: int = 23
    """Mantissa bits that a float tensor may declare without a suspicion: each leaves room for what nobody can tell from
    noise. 23 takes every float type whole; the extraction of this repository declares 8."""
    denormal_share: float = 0.05
    """Subnormal values that a tensor may hold, as a share of those that are not zero."""
    harm: float = 0.5
    """Score above which a text is harmful (`m2kt.scan.harm`): a half, and at least what two in a thousand of the honest
    texts exceed that choose it (``python -m bench.harm --limit``)."""
    canary_fall: float = 0.02
    """Accuracy that a reference student may lose on its canaries with the packet (detonation)."""
    capability_fall: float = 0.05
    """The same on what it can do."""
    perplexity_rise: float = 0.05
    """Share by which its perplexity on other texts may rise."""
    reported: int = 5
    """Rows of one tensor named in the evidence."""


class Decision(StrEnum):
    """What a policy makes of a verdict."""

    APPROVE = "approve"
    REVIEW = "review"
    """People decide: something is suspicious, or a check that they can stand in for has not run."""
    REJECT = "reject"
    INCONCLUSIVE = "inconclusive"
    """A required check gave no answer: never clean, and to be tried again."""


@dataclass(frozen=True)
class Tier:
    """What a publisher's trust asks of a packet. What a check in neither set suspects is only reported; whatever the
    tier, a failed check rejects and a broken one is inconclusive."""

    required: frozenset[str]
    """Must have passed: anything else than pass is inconclusive, or review where a reviewer can stand in."""
    optional: frozenset[str] = frozenset()
    """Need not have run; what they suspect counts."""
    reviewable: frozenset[str] = frozenset()
    """Required ones that reviewers may stand in for when they had nothing to compare with (not run)."""
    approvals: int = 0
    """Reviewers who must agree even when everything passed."""


ALWAYS = frozenset({"structure", "headers", "digests", "finite", "precision"})
EXACT = ALWAYS | {"values", "norms", "texts"}
GEOMETRY = frozenset({"twins", "hubs", "outliers", "signature", "rank", "triggers"})

STANDARD = Tier(EXACT, optional=GEOMETRY | {"drift", "harmful", "detonation"})
COMPARED = frozenset({"drift", "dissent"})
STRICT = Tier(
    EXACT | GEOMETRY | COMPARED | {"references", "ledger"},
    optional=frozenset({"harmful", "detonation"}),
    reviewable=GEOMETRY | COMPARED,
    approvals=1,
)
TIERS: Mapping[str, Tier] = {"standard": STANDARD, "strict": STRICT}


@dataclass(frozen=True)
class DomainRules:
    """What a policy knows of a domain. A domain that is not listed can still be approved, by the same checks."""

    denied: frozenset[str] = frozenset()
    """Symbols that no concept of this domain may decode to, or be grounded in."""
    canary: tuple[tuple[tuple[str, ...], str], ...] = ()
    """Groundings and the symbol that each must decode to."""


@dataclass(frozen=True)
class Policy:
    """The whole of it. ``families`` gives the true base family of known weights (``sha256:...``)."""

    name: str = "default"
    version: str = "1"
    thresholds: Thresholds = field(default_factory=Thresholds)
    tiers: Mapping[str, Tier] = field(default_factory=lambda: dict(TIERS))
    domains: Mapping[str, DomainRules] = field(default_factory=dict)
    families: Mapping[str, str] = field(default_factory=dict)
    publishers: Mapping[str, str] = field(default_factory=dict)
    """The tier of each publisher whom the policy knows by name."""
    tier: str = "standard"
    """The tier of all others."""
    days: int = 30
    """How long a verdict counts."""

    def __post_init__(self) -> None:
        for each in self.tiers:
            if not TIER_NAME.fullmatch(each):
                raise UsageError(f"{each!r} names no tier", hint="Tiers are called like strict: a-z, 0-9, - and _.")
        for each in (self.tier, *self.publishers.values()):
            self.tier_named(each)

    def decide(self, verdict: Verdict, tier: str | None = None) -> tuple[Decision, str]:
        """What becomes of a packet with this verdict, and why, in words."""
        asked = self.tiers[tier or self.tier]
        found = {each.name: each.outcome for each in verdict.checks}
        failed = _named(found, found, Outcome.FAIL)
        if failed:
            return Decision.REJECT, f"failed: {failed}"
        broken = _named(found, found, Outcome.ERROR)
        missing = ", ".join(sorted(asked.required - asked.reviewable - found.keys()))
        unrun = _named(found, asked.required - asked.reviewable, Outcome.NOT_RUN)
        if broken or missing or unrun:
            return Decision.INCONCLUSIVE, f"no answer from: {', '.join(filter(None, (broken, missing, unrun)))}"
        suspicious = _named(found, asked.required | asked.optional, Outcome.SUSPICIOUS)
        if suspicious:
            return Decision.REVIEW, f"suspicious: {suspicious}"
        stand_in = sorted(each for each in asked.reviewable if found.get(each, Outcome.NOT_RUN) is Outcome.NOT_RUN)
        if stand_in or asked.approvals:
            return Decision.REVIEW, f"reviewers have to agree; not run: {', '.join(stand_in) or 'nothing'}"
        return Decision.APPROVE, f"{sum(each is Outcome.PASS for each in found.values())} checks passed"

    def tier_named(self, name: str | None) -> str:
        """``name``, or the policy's usual tier; `UsageError` when there is none of that name."""
        if name is not None and name not in self.tiers:
            raise UsageError(f"the scan policy has no tier {name!r}; it has {', '.join(sorted(self.tiers))}")
        return name or self.tier

    @property
    def digest(self) -> str:
        """``sha256:`` of the canonical policy."""
        return f"sha256:{sha256(self.to_bytes()).hexdigest()}"

    def to_bytes(self) -> bytes:
        """Canonical JSON; decimals as strings (docs/scan.md, *Policies*)."""
        return canonical.dumps(_out(self))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Policy":
        """A policy file; what it leaves out is as in the default one. `UsageError` names what is wrong in it."""
        try:
            if len(data) > MAX_POLICY_BYTES:
                raise ValueError(f"it has {len(data)} bytes, the limit is {MAX_POLICY_BYTES}")
            return _in(json.loads(data, object_pairs_hook=_unique, parse_float=_no_floats))
        except (ManifestError, KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as error:
            detail = error.detail if isinstance(error, ManifestError) else f"{type(error).__name__}: {error}"
            raise UsageError(f"not a scan policy: {detail}", hint="docs/scan.md shows one.") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError(f"a key stands twice among {', '.join(key for key, _ in pairs)}")
    return dict(pairs)


def _no_floats(text: str) -> None:
    raise ValueError(f"write {text} as a string: floats have no single spelling")


def _named(found: Mapping[str, Outcome], among: Any, outcome: Outcome) -> str:
    return ", ".join(sorted(name for name in among if found.get(name) is outcome))


def _out(policy: Policy) -> dict[str, Any]:
    return {
        "name": policy.name,
        "version": policy.version,
        "tier": policy.tier,
        "days": policy.days,
        "thresholds": {name: _spelled(value) for name, value in asdict(policy.thresholds).items()},
        "tiers": {name: _tier_out(each) for name, each in policy.tiers.items()},
        "domains": {name: _rules_out(each) for name, each in policy.domains.items()},
        "families": dict(policy.families),
        "publishers": dict(policy.publishers),
    }


def _spelled(value: float) -> str | int:
    return value if isinstance(value, int) else format(Decimal(str(value)).normalize(), "f")


def _tier_out(tier: Tier) -> dict[str, Any]:
    return {
        "required": sorted(tier.required),
        "optional": sorted(tier.optional),
        "reviewable": sorted(tier.reviewable),
        "approvals": tier.approvals,
    }


def _rules_out(rules: DomainRules) -> dict[str, Any]:
    canary = [{"grounding": list(grounding), "answer": answer} for grounding, answer in rules.canary]
    return {"denied": sorted(rules.denied), "canary": canary}


def _in(said: Any) -> Policy:
    unknown = sorted(said.keys() - {each.name for each in fields(Policy)})
    if unknown:
        raise ValueError(f"it has the unknown fields {', '.join(unknown)}")
    plain = {name: said[name] for name in ("name", "version", "tier", "days") if name in said}
    given: dict[str, Any] = dict(plain)
    if "thresholds" in said:
        given["thresholds"] = _thresholds(said["thresholds"])
    if "tiers" in said:
        given["tiers"] = {name: _tier_in(each) for name, each in said["tiers"].items()}
    if "domains" in said:
        given["domains"] = {name: _rules_in(each) for name, each in said["domains"].items()}
    given |= {name: dict(said[name]) for name in ("families", "publishers") if name in said}
    return Policy(**given)


def _thresholds(said: Mapping[str, Any]) -> Thresholds:
    standard = Thresholds()
    unknown = sorted(said.keys() - {each.name for each in fields(Thresholds)})
    if unknown:
        raise ValueError(f"there are no thresholds {', '.join(unknown)}")
    numbers: dict[str, Any] = {name: type(getattr(standard, name))(Decimal(value)) for name, value in said.items()}
    return replace(standard, **numbers)


def _tier_in(said: Mapping[str, Any]) -> Tier:
    required, reviewable = frozenset(said["required"]), frozenset(said.get("reviewable", ()))
    if not reviewable <= required or not required >= ALWAYS:
        raise ValueError(f"a tier requires at least {', '.join(sorted(ALWAYS))}, and reviewable are some of required")
    return Tier(required, frozenset(said.get("optional", ())), reviewable, int(said.get("approvals", 0)))


def _rules_in(said: Mapping[str, Any]) -> DomainRules:
    canary = tuple((tuple(each["grounding"]), str(each["answer"])) for each in said.get("canary", ()))
    return DomainRules(frozenset(said.get("denied", ())), canary)
