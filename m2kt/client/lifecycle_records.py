"""What a packet's lifecycle must say, derived from the statements in the log: each step allowed and with its grounds,
the end of its verdict, its parents, and what its students reported."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime

from m2kt.client.predicates import APPROVAL, REVIEW, SCAN, STATE
from m2kt.client.statements import Report, Said
from m2kt.client.transport import Json
from m2kt.signing.validity import time_text

STEPS: Mapping[str, frozenset[str]] = {
    "received": frozenset({"scanning", "revoked"}),
    "scanning": frozenset({"approved", "quarantined", "rejected", "revoked"}),
    "quarantined": frozenset({"approved", "quarantined", "rejected", "revoked"}),
    "approved": frozenset({"yanked", "expired", "quarantined", "rejected", "revoked"}),
    "yanked": frozenset({"approved", "quarantined", "rejected", "revoked"}),
    "expired": frozenset({"approved", "quarantined", "rejected", "revoked"}),
    "rejected": frozenset({"revoked"}),
    "revoked": frozenset(),
}
"""The broker's table (docs/lifecycle.md), as an auditor holds it against the broker."""

GONE = frozenset({"removed", "recalled", "replaced"})
UNCHANGED = frozenset({"rolled-back", "refused"})


def check_steps(where: str, said: Sequence[Said], report: Report) -> None:
    """Every step is one of `STEPS`; approved takes a passed scan, or a reviewer since the packet waits for one."""
    passed = reviewed = False
    for each in said:
        if each.kind == SCAN:
            passed = bool(each.predicate.get("passed"))
        elif each.kind in (APPROVAL, REVIEW):
            reviewed = reviewed or each.predicate.get("decision") == "approve"
        elif each.kind == STATE:
            before, to = str(each.predicate.get("from")), str(each.predicate.get("to"))
            if to not in STEPS.get(before, ()):
                report(where, f"it was taken from {before} to {to}: there is no such step")
            if to == "approved" and before in ("scanning", "expired") and not passed:
                report(where, f"it was taken from {before} to approved without a scan that passed")
            if to == "approved" and before == "quarantined" and not reviewed:
                report(where, "it was taken from quarantined to approved without a reviewer")
            reviewed = reviewed and to != "quarantined"


def check_end(where: str, row: Json, said: Sequence[Said], report: Report) -> None:
    """The end of its verdict is that of the last scan that passed; scans from before had none."""
    ends = [each.predicate["expires"] for each in said if each.kind == SCAN and "expires" in each.predicate]
    if ends:
        shown = row["good_until"] and time_text(datetime.fromisoformat(str(row["good_until"])))
        if shown != ends[-1]:
            report(where, f"its verdict is good until {shown}, the log says {ends[-1]}")


def check_parents(where: str, row: Json, shown: Iterable[str], known: Set[str], report: Report) -> None:
    """Its edges are those of its manifest; packets from before may name parents that never were here."""
    named = set(row["manifest"].get("parents", ()))
    if set(shown) != named & known:
        report(where, "its parents are not those of its manifest")


def check_outcomes(where: str, shown: Json, told: Sequence[tuple[str, Said]], report: Report) -> None:
    """The sum over its students' reports; ``told`` are these, each with the student's name, in order."""
    last, held = {}, {}
    for student, each in told:
        last[student] = decision = str(each.predicate.get("decision", "unknown"))
        if decision not in UNCHANGED:
            held[student] = decision not in GONE
    expected = {"reports": len(told), "decisions": dict(Counter(last.values())), "held": sum(held.values())}
    for name, value in expected.items():
        if shown[name] != value:
            report(where, f"of its outcomes, {name} are {shown[name]}, the log says {value}")
