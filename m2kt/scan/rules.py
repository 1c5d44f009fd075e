"""What a policy forbids outright: denied symbols, and a base family that the weights contradict."""

from collections.abc import Iterator

from m2kt.packet import Packet
from m2kt.packet.controls import decoded
from m2kt.scan.check import Subject
from m2kt.scan.policy import DomainRules
from m2kt.scan.verdict import Finding

EVERY_DOMAIN = "*"


def rules_of(subject: Subject) -> DomainRules | None:
    """What the policy says of the packet's domain, with or without its version, or of every domain."""
    domain = subject.packet.manifest.domain
    for name in (f"{domain.name}@{domain.version}", domain.name, EVERY_DOMAIN):
        if name in subject.policy.domains:
            return subject.policy.domains[name]
    return None


def no_denied(subject: Subject) -> str | None:
    rules = rules_of(subject)
    return None if rules and rules.denied else "the policy denies no concept of this domain"


def denied(subject: Subject) -> Iterator[Finding]:
    """No concept decodes to a denied symbol, and none is grounded in one (Omega_safe's hard part, eq. 17)."""
    rules = rules_of(subject)
    assert rules
    if subject.static:
        said = {subject.mixture.symbols[each] for each in subject.mixture.emissions.tolist()}
        for word in sorted(rules.denied & said):
            yield Finding("concepts/emissions", f"a concept says the denied {word!r}")
        return
    knowledge = subject.knowledge
    answers = knowledge.anchor_strings[decoded(knowledge)].tolist()
    for word in sorted(rules.denied & set(knowledge.symbols)):
        symbol = knowledge.symbols.index(word)
        rows = [row for row, answer in enumerate(answers) if answer == symbol]
        if rows:
            yield Finding("concepts/centroids", f"{len(rows)} concepts decode to the denied {word!r} (row {rows[0]})")
        if (knowledge.groundings == symbol).any():
            yield Finding("concepts/groundings", f"concepts are grounded in the denied {word!r}")


def no_family_known(subject: Subject) -> str | None:
    known = subject.policy.families.get(subject.packet.manifest.teacher.weights_sha256)
    others = any(_shares_weights(subject.packet, each) for each in subject.references)
    return None if known or others else "nothing is known of these weights' base family"


def family(subject: Subject) -> Iterator[Finding]:
    """The base family that the publisher signed is that of the weights: a pair of one family may pass on traits that
    no concept shows (subliminal learning), so students of that family ask for the stricter tier."""
    teacher = subject.packet.manifest.teacher
    known = subject.policy.families.get(teacher.weights_sha256)
    if known and known != teacher.base_family:
        yield Finding("teacher.base_family", f"it says {teacher.base_family}, these weights are of {known}")
    for each in subject.references:
        other = each.manifest.teacher.base_family
        if _shares_weights(subject.packet, each) and other != teacher.base_family:
            told = f"it says {teacher.base_family}; {each.manifest.reference}, of the same weights, says {other}"
            yield Finding("teacher.base_family", told)


def _shares_weights(one: Packet, other: Packet) -> bool:
    return one.manifest.teacher.weights_sha256 == other.manifest.teacher.weights_sha256
