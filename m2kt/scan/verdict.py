"""What a scan says."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    PASS = "pass"  # noqa: S105 - a verdict, no password
    SUSPICIOUS = "suspicious"
    """Unlike what honest packets look like; no proof of anything, so people have to look."""
    FAIL = "fail"
    ERROR = "error"
    """The check itself broke: nothing is known, so the packet does not pass."""
    NOT_RUN = "not-run"
    """It does not apply, it had nothing to compare with, or an earlier check left nothing to look at."""


class Weight(StrEnum):
    """What a finding means for the packet."""

    NOTE = "note"
    SUSPICION = "suspicion"
    FAULT = "fault"


@dataclass(frozen=True)
class Finding:
    """Something in a packet that a check stopped at, or (``note``) only reports."""

    where: str
    what: str
    weight: Weight = Weight.FAULT

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"

    @property
    def note(self) -> bool:
        return self.weight is Weight.NOTE


def outcome_of(findings: list[Finding]) -> Outcome:
    """The worst of them decides."""
    weights = {each.weight for each in findings}
    if Weight.FAULT in weights:
        return Outcome.FAIL
    return Outcome.SUSPICIOUS if Weight.SUSPICION in weights else Outcome.PASS


@dataclass(frozen=True)
class CheckResult:
    """One check's outcome; ``evidence`` is in words, one line each."""

    name: str
    version: str
    outcome: Outcome
    evidence: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": self.version,
            "outcome": self.outcome.value,
            "evidence": list(self.evidence),
        }

    @classmethod
    def from_dict(cls, said: dict[str, Any]) -> "CheckResult":
        return cls(said["name"], said["version"], Outcome(said["outcome"]), tuple(said["evidence"]))


@dataclass(frozen=True)
class Verdict:
    """The outcome of all checks. ``passed`` needs every check that applies to have passed, and at least one.

    Whether a packet may be served is more than that: a policy says which checks must have run (`m2kt.scan.policy`).
    """

    checks: tuple[CheckResult, ...]

    @property
    def passed(self) -> bool:
        outcomes = {each.outcome for each in self.checks}
        return Outcome.PASS in outcomes and outcomes <= {Outcome.PASS, Outcome.NOT_RUN}

    @property
    def findings(self) -> Iterator[CheckResult]:
        """The checks that found something wrong with the packet itself."""
        return (each for each in self.checks if each.outcome in (Outcome.FAIL, Outcome.SUSPICIOUS))

    def to_dict(self) -> dict[str, Any]:
        return {"passed": self.passed, "checks": [each.to_dict() for each in self.checks]}
