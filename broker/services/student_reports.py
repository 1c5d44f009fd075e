"""What a packet did to each student, in the student's own signed words."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from broker.models import Attestation, OutcomeReport
from broker.services import outcomes, statements
from broker.services.agents import Standing
from broker.services.signers import Known
from broker.services.statements import Said
from m2kt.errors import SignatureError
from m2kt.signing.keys import PublicKey

ALIGNED = ("agreement", "residual", "l_align", "shared_symbols", "concepts_left_out")
"""What a student says about its alignment, beside what it did to it."""


@dataclass(frozen=True)
class StudentReport:
    """A student's last report. Figures are those that it signed; none of a report that does not verify."""

    student: str
    held: bool
    said: Said
    decision: str
    reason: str
    figures: Mapping[str, float | None]
    alignment: Mapping[str, str]
    map: Mapping[str, Any] | None = None
    """Where the student says that the concepts lie in its own space (`m2kt.packet.plane.heard` reads it)."""


def of_students(
    session: Session, packet_id: str, students: Collection[str], standing: Standing, brokers: Sequence[PublicKey]
) -> list[StudentReport]:
    """The last report of each of these students."""
    return _read(session, _last(packet_id).where(OutcomeReport.student.in_(students)), standing, brokers)


def newest(
    session: Session, packet_id: str, standing: Standing, brokers: Sequence[PublicKey], *, limit: int
) -> list[StudentReport]:
    """The newest reports in which students tell how their alignment went; one of each student."""
    last = _last(packet_id).where(OutcomeReport.decision.not_in(outcomes.GONE)).subquery()
    columns = (last.c.student, last.c.held, last.c.attestation_id)
    return _read(session, select(*columns).order_by(last.c.attestation_id.desc()).limit(limit), standing, brokers)


def one(
    session: Session, packet_id: str, number: int, standing: Standing, brokers: Sequence[PublicKey]
) -> StudentReport | None:
    """The report that is the statement ``number``, if it is one about this packet and verifies."""
    columns = (OutcomeReport.student, OutcomeReport.held, OutcomeReport.attestation_id)
    mine = select(*columns).where(OutcomeReport.packet_id == packet_id, OutcomeReport.attestation_id == number)
    found = _read(session, mine, standing, brokers)
    return found[0] if found and found[0].said.valid else None


def _last(packet_id: str) -> Select[str, bool, int]:
    """The last report of each student."""
    columns = (OutcomeReport.student, OutcomeReport.held, OutcomeReport.attestation_id)
    found = select(*columns).where(OutcomeReport.packet_id == packet_id).ext(distinct_on(OutcomeReport.student))
    return found.order_by(OutcomeReport.student, OutcomeReport.attestation_id.desc())


def _read(
    session: Session, wanted: Select[str, bool, int], standing: Standing, brokers: Sequence[PublicKey]
) -> list[StudentReport]:
    rows = session.execute(wanted).all()
    numbers = [row.attestation_id for row in rows]
    held = session.scalars(select(Attestation).where(Attestation.id.in_(numbers))).all()
    known = Known(session, {row.signer for row in held}, standing, brokers)
    said = {each.id: each for each in statements.read(session, held, known)}
    return [_report(row.student, row.held, said[row.attestation_id]) for row in rows if row.attestation_id in said]


def _report(student: str, held: bool, said: Said) -> StudentReport:
    told = said.predicate
    aligned = told.get("alignment")
    aligned = aligned if isinstance(aligned, Mapping) else {}
    return StudentReport(
        student,
        held,
        said,
        str(told.get("decision", "")),
        str(told.get("reason", "")),
        _figures(told),
        {name: str(aligned[name]) for name in ALIGNED if isinstance(aligned.get(name), str | int)},
        aligned["map"] if isinstance(aligned.get("map"), Mapping) else None,
    )


def _figures(told: Mapping[str, Any]) -> Mapping[str, float | None]:
    try:
        return outcomes.figures(told)
    except SignatureError:  # a report from before figures were checked
        return outcomes.figures({})
