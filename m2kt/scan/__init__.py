"""The checks between a packet and its approval; they fail closed. ``python -m m2kt.scan FILE`` runs them alone."""

from collections.abc import Iterator, Mapping, Sequence

from m2kt.errors import DigestMismatch, M2KTError
from m2kt.packet import Packet, PacketKind, read_packet
from m2kt.scan import exact, planted, rules
from m2kt.scan.anchors import anchored
from m2kt.scan.check import KNOWLEDGE, Check, Subject
from m2kt.scan.detonation import detonated, not_tried
from m2kt.scan.exchange import exchanged
from m2kt.scan.harmful import harmful
from m2kt.scan.headers import headers
from m2kt.scan.policy import Decision, Policy
from m2kt.scan.text import texts
from m2kt.scan.verdict import CheckResult, Finding, Outcome, Verdict, outcome_of

__all__ = ["CHECK_NAMES", "CheckResult", "Decision", "Finding", "Outcome", "Policy", "Verdict", "scan"]

STRUCTURE = ("structure", "1")
CHECKS = (
    Check("headers", "1", headers),
    Check("digests", "1", exact.digests),
    Check("finite", "1", exact.finite),
    Check("values", "1", exact.values),
    Check("norms", "2", exact.norms),
    Check("precision", "2", exact.precision),
    Check("texts", "3", texts),
    Check("references", "3", exact.references, KNOWLEDGE, static=True),
    Check("ledger", "3", exact.moved, KNOWLEDGE | {PacketKind.ANCHORS}, static=True),
    Check("twins", "1", planted.twins, KNOWLEDGE, planted.too_small),
    Check("hubs", "1", planted.hubs, KNOWLEDGE, planted.too_small),
    Check("outliers", "1", planted.outliers, KNOWLEDGE, planted.too_small),
    Check("signature", "1", planted.signature, KNOWLEDGE, planted.too_small),
    Check("rank", "1", planted.rank, KNOWLEDGE, planted.too_small),
    Check("triggers", "1", planted.triggers, KNOWLEDGE, planted.too_small),
    Check("drift", "1", planted.drifted, KNOWLEDGE, planted.no_forerunner),
    Check("dissent", "1", planted.dissent, KNOWLEDGE, planted.no_other_teacher),
    Check("denied", "2", rules.denied, KNOWLEDGE, rules.no_denied, static=True),
    Check("harmful", "2", harmful),
    Check("exchange", "1", exchanged, frozenset({PacketKind.EXCHANGE})),
    Check("anchors", "1", anchored, frozenset({PacketKind.ANCHORS})),
    Check("family", "1", rules.family, needs=rules.no_family_known),
    Check("detonation", "1", detonated, KNOWLEDGE, not_tried),
)
"""In order of running. ``structure`` comes before them: it makes the packet that they look at."""
CHECK_NAMES = (STRUCTURE[0], *(each.name for each in CHECKS))


def scan(
    data: bytes,
    policy: Policy | None = None,
    references: Sequence[Packet] = (),
    detonation: Mapping[str, str] | None = None,
) -> Verdict:
    """The verdict on a container's bytes. Never raises: what goes wrong in a check counts against the packet.

    ``references``: packets that are trusted more, for the checks that compare. ``detonation``: what it did
    to a reference student.
    """
    try:
        packet = read_packet(data)
    except DigestMismatch as error:
        return _unreadable("digests", error.detail)
    except M2KTError as error:
        return _unreadable("structure", error.detail)
    subject = Subject(packet, policy or Policy(), tuple(references), data, detonation)
    results = tuple(_run(check, subject) for check in CHECKS)
    return Verdict((CheckResult(*STRUCTURE, Outcome.PASS, ()), *results))


def _run(check: Check, subject: Subject) -> CheckResult:
    kind = subject.packet.manifest.kind
    if kind not in check.kinds:
        reason = f"it does not apply to packets of kind {kind}"
        return CheckResult(check.name, check.version, Outcome.NOT_RUN, (reason,))
    if kind in KNOWLEDGE and check.kinds == KNOWLEDGE and not check.static and subject.static:
        reason = "it compares decisions, and static concepts have none"
        return CheckResult(check.name, check.version, Outcome.NOT_RUN, (reason,))
    try:
        idle = check.needs(subject)
        if idle:
            return CheckResult(check.name, check.version, Outcome.NOT_RUN, (idle,))
        findings = list(check.run(subject))
    except Exception as error:  # the edge of hostile input: whatever a check trips over must not count as clean
        return CheckResult(check.name, check.version, Outcome.ERROR, (f"{type(error).__name__}: {error}",))
    return CheckResult(check.name, check.version, outcome_of(findings), tuple(map(str, findings)))


def _unreadable(failed: str, detail: str) -> Verdict:
    """The packet could not be read, so only what stopped the reading is known."""
    return Verdict(tuple(_results_without_packet(failed, detail)))


def _results_without_packet(failed: str, detail: str) -> Iterator[CheckResult]:
    for name, version in (STRUCTURE, *((each.name, each.version) for each in CHECKS)):
        if name == failed:
            yield CheckResult(name, version, Outcome.FAIL, (detail,))
        elif name == STRUCTURE[0]:
            yield CheckResult(name, version, Outcome.PASS, ())
        else:
            yield CheckResult(name, version, Outcome.NOT_RUN, (f"not run: {failed} failed",))
