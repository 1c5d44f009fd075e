"""Statistical checks: what is unlike the rest of the packet, unlike its forerunners, or stands where nothing leads.

They prove nothing. A suspicion takes a packet to reviewers, never to students; an honest packet is flagged now and then
(docs/scan.md gives the rate), and what nothing refers to cannot be found out at all.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from m2kt.packet import Packet, PacketKind
from m2kt.packet.static import is_static
from m2kt.scan import drift
from m2kt.scan.check import Subject, view
from m2kt.scan.geometry import Geometry, Values
from m2kt.scan.rules import rules_of
from m2kt.scan.triggers import thin, unreachable
from m2kt.scan.verdict import Finding, Weight

ROWS = "concepts/centroids"


def too_small(subject: Subject) -> str | None:
    """Why the geometry says nothing about a packet; None when it does."""
    count, least = len(subject.packet.tensors.get(ROWS, ())), subject.policy.thresholds.least_rows
    return f"{count} concepts are too few to tell an odd one; {least} are needed" if count < least else None


def hubs(subject: Subject) -> Iterator[Finding]:
    """No concept is the neighbour of nearly all others."""
    limits = subject.policy.thresholds
    yield from _over(subject, "stand in too many neighbourhoods", Geometry(subject.knowledge).hubs(), limits.hub_ratio)


def outliers(subject: Subject) -> Iterator[Finding]:
    """Concepts lie near others, decide as clearly as others and are spread like others."""
    limits, geometry = subject.policy.thresholds, Geometry(subject.knowledge)
    lonely, margins, spreads = geometry.loneliness(), np.abs(geometry.margins()), np.abs(geometry.spreads())
    yield from _over(subject, "lie near no other concept", lonely, limits.lonely_deviations)
    yield from _over(subject, "have an odd logit margin", margins, limits.margin_deviations)
    yield from _over(subject, "have an odd dispersion", spreads, limits.spread_deviations)


def signature(subject: Subject) -> Iterator[Finding]:
    """Concepts of one answer have no common direction that a few of them own."""
    limit = subject.policy.thresholds.signature_deviations
    yield from _over(subject, "stick out along one direction", Geometry(subject.knowledge).signatures(), limit)


def rank(subject: Subject) -> Iterator[Finding]:
    """The concepts span more than a few directions."""
    found, least = Geometry(subject.knowledge).rank_share(), subject.policy.thresholds.least_rank
    if found < least:
        yield Finding(ROWS, f"effective rank is {found:.4f} of what it could be, below {least:g}", Weight.SUSPICION)


def twins(subject: Subject) -> Iterator[Finding]:
    """Hardly any two concepts of a class are bit-equal."""
    rows = Geometry(subject.knowledge).twins()
    if len(rows) > subject.policy.thresholds.twins:
        yield _suspect(subject, "are bit-equal to another concept", rows)


def triggers(subject: Subject) -> Iterator[Finding]:
    """Every concept can come about, and no symbol fills a role hardly ever."""
    knowledge = subject.knowledge
    rows = unreachable(knowledge)
    if len(rows):
        yield _suspect(subject, "have a grounding that no template brings about", rows)
    for each in thin(knowledge, subject.policy.thresholds.thin_share):
        told = f"fills role {each.slot} of class {each.decision_class} in {each.concepts} concepts only"
        yield Finding("concepts/groundings", f"{knowledge.symbols[each.symbol]!r} {told}", Weight.SUSPICION)


def no_forerunner(subject: Subject) -> str | None:
    if any(_kin(subject)) or _canary(subject):
        return None
    return "no other packet of the same weights and no canary to compare with"


def drifted(subject: Subject) -> Iterator[Finding]:
    """What earlier packets of the same weights and the canary say about the same groundings, this packet says, too."""
    limits = subject.policy.thresholds
    here = drift.readings(subject.knowledge)
    yield from _flips(subject, "the canary", list(drift.canary_flips(here, _canary(subject))))
    for reference in _kin(subject):
        there, name = view(reference), reference.manifest.reference
        yield from _flips(subject, name, list(drift.flipped(here, drift.readings(there))))
        yield from _finer(subject.packet, reference)
        gone = drift.moved(subject.knowledge, there, limits.moved_cosine)
        if gone:
            shown = ", ".join(f"{' '.join(each)} ({cosine:.2f})" for each, cosine in gone[: limits.reported])
            yield Finding(ROWS, f"{len(gone)} concepts moved since {name}: {shown}", Weight.SUSPICION)


def no_other_teacher(subject: Subject) -> str | None:
    return None if any(_others(subject)) else "no packet of other weights of the domain to compare with"


def dissent(subject: Subject) -> Iterator[Finding]:
    """Other teachers of the domain, and this one before it was trained on, say the same about the same groundings."""
    here = drift.readings(subject.knowledge)
    for reference in _others(subject):
        found = list(drift.flipped(here, drift.readings(view(reference))))
        yield from _flips(subject, reference.manifest.reference, found)


def _kin(subject: Subject) -> Iterator[Packet]:
    return (each for each in _references(subject) if drift.same_weights(subject.packet, each))


def _others(subject: Subject) -> Iterator[Packet]:
    return (each for each in _references(subject) if not drift.same_weights(subject.packet, each))


def _finer(packet: Packet, reference: Packet) -> Iterator[Finding]:
    """Mantissa bits that a forerunner did without."""
    before = reference.manifest.precision
    for name, bits in packet.manifest.precision.items():
        if bits > before.get(name, bits):
            told = f"declares {bits} mantissa bits, {reference.manifest.reference} did with {before[name]}"
            yield Finding(name, told, Weight.SUSPICION)


def _references(subject: Subject) -> Iterator[Packet]:
    """Those that speak of the packet's domain, and decide as it does."""
    for each in subject.references:
        decides = each.manifest.kind == PacketKind.KNOWLEDGE and not is_static(each.tensors)
        if decides and drift.same_domain(subject.packet, each):
            yield each


def _canary(subject: Subject) -> tuple[tuple[drift.Grounding, str], ...]:
    rules = rules_of(subject)
    return rules.canary if rules else ()


def _flips(subject: Subject, against: str, found: Sequence[drift.Disagreement]) -> Iterator[Finding]:
    limits = subject.policy.thresholds
    if len(found) > limits.flips:
        shown = "; ".join(map(str, found[: limits.reported]))
        yield Finding(ROWS, f"{len(found)} concepts answer otherwise than {against}: {shown}", Weight.SUSPICION)


def _over(subject: Subject, what: str, values: Values, limit: float) -> Iterator[Finding]:
    rows = np.flatnonzero(values > limit)
    if len(rows):
        worst = rows[np.argsort(-values[rows], kind="stable")]
        yield _suspect(subject, f"{what} (up to {values.max():.1f}, limit {limit:g})", worst)


def _suspect(subject: Subject, what: str, rows: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Finding:
    most, knowledge = subject.policy.thresholds.reported, subject.knowledge
    shown = ", ".join(f"{row} ({' '.join(drift.grounding_of(knowledge, row))})" for row in rows[:most].tolist())
    return Finding(ROWS, f"{len(rows)} concepts {what}: {shown}{', ...' if len(rows) > most else ''}", Weight.SUSPICION)
