"""What a packet did to a reference student, against what the policy lets it do. The broker's worker measures it."""

from collections.abc import Iterator, Mapping

from m2kt.scan.check import Subject
from m2kt.scan.verdict import Finding, Weight

WHERE = "reference student"


def not_tried(subject: Subject) -> str | None:
    if subject.detonation is None:
        return "no reference student has tried it"
    return str(subject.detonation["refused"]) if "refused" in subject.detonation else None


def detonated(subject: Subject) -> Iterator[Finding]:
    """With the packet the student answers its canaries and its tasks as well as without, and other texts surprise it
    no more."""
    assert subject.detonation
    limits, told = subject.policy.thresholds, {name: float(each) for name, each in _figures(subject.detonation)}
    for suite, most in (("canary", limits.canary_fall), ("capability", limits.capability_fall)):
        before, after = told[f"{suite}_before"], told[f"{suite}_after"]
        if not before - after <= most:
            said = f"its {suite} accuracy fell from {before:.3f} to {after:.3f}, by more than {most:g}"
            yield Finding(WHERE, said, Weight.SUSPICION)
    before, after = told["perplexity_before"], told["perplexity_after"]
    if not after <= before * (1 + limits.perplexity_rise):
        said = f"its perplexity rose from {before:.3f} to {after:.3f}, by more than {limits.perplexity_rise:.0%}"
        yield Finding(WHERE, said, Weight.SUSPICION)


def _figures(told: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((name, each) for name, each in told.items() if name.endswith(("_before", "_after")))
