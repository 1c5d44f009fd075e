"""The checks between a packet and its approval; they fail closed. ``python -m m2kt.scan FILE`` runs them alone."""

from collections.abc import Iterator

from m2kt.errors import DigestMismatch, M2KTError
from m2kt.packet import Packet, read_packet
from m2kt.scan.checks import CHECKS, Check, Policy
from m2kt.scan.verdict import CheckResult, Finding, Outcome, Verdict

__all__ = ["CHECK_NAMES", "CheckResult", "Finding", "Outcome", "Policy", "Verdict", "scan"]

STRUCTURE = ("structure", "1")
CHECK_NAMES = (STRUCTURE[0], *(each.name for each in CHECKS))


def scan(data: bytes, policy: Policy | None = None) -> Verdict:
    """The verdict on a container's bytes. Never raises: what goes wrong in a check counts against the packet."""
    try:
        packet = read_packet(data)
    except DigestMismatch as error:
        return _unreadable("digests", error.detail)
    except M2KTError as error:
        return _unreadable("structure", error.detail)
    results = tuple(_run(check, packet, policy or Policy()) for check in CHECKS)
    return Verdict((CheckResult(*STRUCTURE, Outcome.PASS, ()), *results))


def _run(check: Check, packet: Packet, policy: Policy) -> CheckResult:
    if packet.manifest.kind not in check.kinds:
        reason = f"it does not apply to packets of kind {packet.manifest.kind}"
        return CheckResult(check.name, check.version, Outcome.NOT_RUN, (reason,))
    try:
        findings = list(check.run(packet, policy))
    except Exception as error:  # the edge of hostile input: whatever a check trips over must not count as clean
        return CheckResult(check.name, check.version, Outcome.ERROR, (f"{type(error).__name__}: {error}",))
    outcome = Outcome.PASS if all(each.note for each in findings) else Outcome.FAIL
    return CheckResult(check.name, check.version, outcome, tuple(map(str, findings)))


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
