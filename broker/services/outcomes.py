"""What packets did to students: signed reports, kept whole as attestations, and their figures for sums and recalls."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.orm import Session

from broker.models import TAKEN, Attestation, OutcomeReport, Packet, Role
from broker.services import activations, attestations, feed
from broker.services.agents import Standing, holders
from broker.services.scopes import Scope
from m2kt.client.predicates import OUTCOME
from m2kt.errors import NotFound, NotPullable, SignatureError

GONE = frozenset({"removed", "recalled", "replaced"})
"""Decisions after which the student does not have the packet any more."""

UNCHANGED = frozenset({"rolled-back", "refused"})
"""Decisions that left the student as it was: with the packet, if it had it. Any other word counts as having it: a
recall that comes for nothing harms nobody."""

_WORD = re.compile(r"[a-z][a-z-]{0,31}")
_DECIMAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?(e-?[0-9]{1,2})?")
_RANGES = {
    "before": (0.0, 1.0),
    "after": (0.0, 1.0),
    "improvement": (-1.0, 1.0),
    "improvement_low": (-1.0, 1.0),
    "improvement_high": (-1.0, 1.0),
    "confidence": (0.0, 1.0),
}
_HINT = "docs/lifecycle.md has the fields of an outcome; sign it again."
_AS_TOLD = {"before": "accuracy_before", "after": "accuracy_after"}
"""What `student_agent` calls them in ``behaviour``."""


@dataclass(frozen=True)
class Sum:
    """What one packet, or all packets of a publisher, did. Of each student the last report about a packet counts for
    decisions, and the last one with figures for those."""

    packets: int
    students: int
    reports: int
    held: int
    decisions: Mapping[str, int]
    measured: int
    before: float | None
    after: float | None
    improvement: float | None
    """Means over what was measured: accuracy on the students' own checks, from 0 to 1."""
    improvement_low: float | None
    """The least of the lower ends of their intervals."""


def report(session: Session, standing: Standing, packet: Packet, envelope: bytes) -> Attestation:
    """Keep what a packet did to a student, in the student's own signed words. Repeating changes nothing."""
    if packet.state not in TAKEN:
        raise NotPullable(f"packet {packet.packet_id} is {packet.state}: no student can have taken it")
    signer, said = attestations.said_by(session, standing, packet, envelope, OUTCOME, Role.STUDENT)
    decision, told = _decision(said), figures(said)
    student = holders(session, standing, [signer], {Role.STUDENT})[0].name
    row = attestations.record(session, packet.packet_id, OUTCOME, envelope, signer)
    held = _holds(session, packet.packet_id, student, decision)
    values = {
        "attestation_id": row.id,
        "packet_id": packet.packet_id,
        "student": student,
        "decision": decision,
        "held": held,
        **told,
    }
    fresh = insert(OutcomeReport).values(values).on_conflict_do_nothing().returning(OutcomeReport.attestation_id)
    if session.execute(fresh).first() is not None:
        activations.note(session, signer, packet.packet_id, held=held)
        feed.note(session, feed.OUTCOME, packet.packet_id, packet.name, packet.version, decision=decision)
    return row


def _holds(session: Session, packet_id: str, student: str, decision: str) -> bool:
    if decision not in UNCHANGED:
        return decision not in GONE
    mine = select(OutcomeReport.held).where(OutcomeReport.packet_id == packet_id, OutcomeReport.student == student)
    return bool(session.scalar(mine.order_by(OutcomeReport.attestation_id.desc()).limit(1)))


def _decision(said: Mapping[str, Any]) -> str:
    decision = said.get("decision")
    if not isinstance(decision, str) or not _WORD.fullmatch(decision):
        raise SignatureError("an outcome's decision is a word: accepted, rolled-back, removed", hint=_HINT)
    return decision


def figures(said: Mapping[str, Any]) -> dict[str, float | None]:
    """Accuracy before and after, the improvement and its interval, as far as they are told: under their names, with
    ``interval`` as a pair, or in ``behaviour`` as `student_agent` has them. `SignatureError` for what is no number."""
    behaviour = said.get("behaviour") or {}
    interval = said.get("interval") or [None, None]
    if not isinstance(behaviour, Mapping) or not isinstance(interval, list) or len(interval) != 2:
        raise SignatureError("an outcome's behaviour is an object, and its interval a pair", hint=_HINT)
    told = {name: said.get(name, behaviour.get(_AS_TOLD.get(name, name))) for name in _RANGES}
    told |= {
        f"improvement_{end}": each for end, each in zip(("low", "high"), interval, strict=True) if each is not None
    }
    found = {name: _number(name, value) for name, value in told.items()}
    before, after = found["before"], found["after"]
    if found["improvement"] is None and before is not None and after is not None:
        found["improvement"] = after - before
    return found


def _number(name: str, value: object) -> float | None:
    if value is None:
        return None
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    least, most = _RANGES[name]
    if not _DECIMAL.fullmatch(text) or not least <= float(text) <= most:
        raise SignatureError(f"an outcome's {name} is a decimal from {least:g} to {most:g}", hint=_HINT)
    return float(text)


def of_packet(session: Session, packet_id: str) -> Sum:
    return _sum(session, OutcomeReport.packet_id == packet_id, 1)


def of_publisher(session: Session, name: str, scope: Scope) -> Sum:
    """Over all packets that this agent published in these projects; `NotFound` for one that has published nothing."""
    mine = select(Packet.packet_id).where(Packet.publisher == name, scope.within(Packet.project))
    count = session.scalars(select(func.count()).select_from(mine.subquery())).one()
    if not count:
        raise NotFound(f"{name} has published no packet")
    return _sum(session, OutcomeReport.packet_id.in_(mine.scalar_subquery()), count)


def _sum(session: Session, which: ColumnElement[bool], packets: int) -> Sum:
    last = _last(which).subquery()
    decided = session.execute(select(last.c.decision, last.c.held, func.count()).group_by(last.c.decision, last.c.held))
    decisions = {row[0]: (row[1], row[2]) for row in decided}
    counted = select(func.count(), func.count(OutcomeReport.student.distinct())).where(which)
    reports, students = session.execute(counted).one()
    seen = _last(which & OutcomeReport.improvement.is_not(None)).subquery()
    means = (func.avg(each) for each in (seen.c.before, seen.c.after, seen.c.improvement))
    measured = session.execute(select(func.count(), *means, func.min(seen.c.improvement_low)).select_from(seen)).one()
    return Sum(
        packets,
        students,
        reports,
        sum(count for held, count in decisions.values() if held),
        {word: count for word, (_, count) in sorted(decisions.items())},
        *measured,
    )


def _last(which: ColumnElement[bool]) -> Select[Any]:
    """The last report of each student about each packet."""
    pair = (OutcomeReport.student, OutcomeReport.packet_id)
    found: Select[Any] = select(*OutcomeReport.__table__.columns)
    return found.where(which).ext(distinct_on(*pair)).order_by(*pair, OutcomeReport.attestation_id.desc())
