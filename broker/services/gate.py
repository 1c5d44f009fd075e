"""What stands between a packet and whoever wants its bytes: named checks, each with what it saw.

One function looks (`look`), and everybody uses it: a pull is refused for the first check that failed (`require`), and
the packet's page shows all of them. They cannot disagree.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from broker.models import PULLABLE, AgentKey, Packet, PacketSignature, PacketState, Restatement
from m2kt.errors import M2KTError, NotPullable, PacketExpired, PacketRevoked
from m2kt.scan import Outcome
from m2kt.signing.validity import Validity, time_text


@dataclass(frozen=True)
class GateCheck:
    """One thing that must hold before bytes leave. ``refusal`` is what a pull answers when it does not."""

    name: str
    asks: str
    outcome: Outcome
    evidence: str
    refusal: M2KTError | None = None

    @property
    def next_step(self) -> str:
        return self.refusal.hint if self.refusal else ""


class Standing(Protocol):
    """What is looked at: a `Packet`, or a row with these columns."""

    @property
    def packet_id(self) -> str: ...
    @property
    def state(self) -> PacketState: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def good_until(self) -> datetime | None: ...


@dataclass(frozen=True)
class Signed:
    """A signature that the broker verified when it came, and when its key counts; None for keys of the settings."""

    key_id: str
    at: datetime
    validity: Validity | None

    @property
    def fault(self) -> str | None:
        found = self.validity.fault(self.at) if self.validity else None
        return f"{found} ({self.key_id[:16]})" if found else None


def require(session: Session, packet: Packet) -> None:
    """Fail closed: only what a scan has approved, not too long ago, whose ancestors stand, and that a key signed which
    counted then, leaves the broker."""
    refuse(look(session, packet))


def look(session: Session, packet: Packet) -> tuple[GateCheck, ...]:
    """Every check, in the order in which they refuse."""
    restated = select(Restatement.reason).where(Restatement.packet_id == packet.packet_id).scalar_subquery()
    now, due = session.execute(select(func.clock_timestamp(), restated)).one()
    return judge(packet, now, due, tuple(_signatures(session, packet.packet_id)))


def judge(packet: Standing, now: datetime, due: str | None, signed: Sequence[Signed]) -> tuple[GateCheck, ...]:
    """The same of what was read already, at ``now`` by the database's clock. ``due``: why the packet is about to be
    quarantined, if it is."""
    return (
        _not_revoked(packet),
        _approved(packet),
        _lineage(packet, due),
        _fresh(packet, now),
        _counted(signed),
    )


def refuse(checks: Sequence[GateCheck]) -> None:
    """Raise what the first check that does not hold answers a pull."""
    for each in checks:
        if each.refusal is not None:
            raise each.refusal


def _not_revoked(packet: Standing) -> GateCheck:
    asks = "nobody took it back"
    if packet.state != PacketState.REVOKED:
        return GateCheck("not-revoked", asks, Outcome.PASS, "no statement of its state says so")
    refusal = PacketRevoked(f"packet {packet.packet_id} was revoked: {packet.reason}")
    return GateCheck("not-revoked", asks, Outcome.FAIL, f"revoked: {packet.reason}", refusal)


def _approved(packet: Standing) -> GateCheck:
    asks = "a scan passed, and reviewers agreed where they are asked"
    why = f": {packet.reason}" if packet.reason else ""
    if packet.state in PULLABLE:
        return GateCheck("approved", asks, Outcome.PASS, f"{packet.state}{why}")
    if packet.state == PacketState.EXPIRED:
        expired = PacketExpired(f"packet {packet.packet_id} is expired: {packet.reason}")
        return GateCheck("approved", asks, Outcome.FAIL, f"expired{why}", expired)
    open_ = packet.state in (PacketState.RECEIVED, PacketState.SCANNING)
    refusal = NotPullable(f"packet {packet.packet_id} is {packet.state}{why}")
    return GateCheck("approved", asks, Outcome.NOT_RUN if open_ else Outcome.FAIL, f"{packet.state}{why}", refusal)


def _lineage(packet: Standing, due: str | None) -> GateCheck:
    asks = "no ancestor was taken back since"
    if due is None:
        return GateCheck("ancestors", asks, Outcome.PASS, "no ancestor's end waits to be stated")
    refusal = NotPullable(f"packet {packet.packet_id} is being quarantined: {due}")
    return GateCheck("ancestors", asks, Outcome.FAIL, due, refusal)


def _fresh(packet: Standing, now: datetime) -> GateCheck:
    asks = "the verdict is not too old"
    if packet.good_until is None:
        return GateCheck("verdict-in-force", asks, Outcome.NOT_RUN, "there is no passed verdict with an end")
    until = time_text(packet.good_until)
    if packet.good_until > now:
        return GateCheck("verdict-in-force", asks, Outcome.PASS, f"good until {until}")
    refusal = PacketExpired(f"the verdict on packet {packet.packet_id} was good until {until}")
    return GateCheck("verdict-in-force", asks, Outcome.FAIL, f"was good until {until}", refusal)


def _counted(signed: Sequence[Signed]) -> GateCheck:
    """At least one signature was here before its key was revoked. Holders whom the settings name are not judged."""
    asks = "a key signed it that counted when it came"
    good = [each for each in signed if each.fault is None]
    if good:
        names = ", ".join(each.key_id[:16] for each in good)
        return GateCheck("signer-counts", asks, Outcome.PASS, f"{len(good)} of {len(signed)} signatures: {names}")
    why = "; ".join(each.fault or "" for each in signed) or "there is no signature on record"
    refusal = NotPullable(why, hint="Ask its publisher to sign it again, with a key that counts.")
    return GateCheck("signer-counts", asks, Outcome.FAIL, why, refusal)


def _signatures(session: Session, packet_id: str) -> Iterator[Signed]:
    wanted = (
        select(
            PacketSignature.key_id,
            PacketSignature.created,
            AgentKey.key_id.label("known"),
            AgentKey.not_before,
            AgentKey.not_after,
            AgentKey.revoked,
        )
        .outerjoin(AgentKey, AgentKey.key_id == PacketSignature.key_id)
        .where(PacketSignature.packet_id == packet_id)
        .order_by(PacketSignature.created, PacketSignature.key_id)
    )
    for row in session.execute(wanted):
        validity = Validity(row.not_before, row.not_after, row.revoked) if row.known else None
        yield Signed(row.key_id, row.created, validity)
