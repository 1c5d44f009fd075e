"""The versions of a name: one of them exactly, or the highest that students may have."""

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from broker.models import Packet, PacketState, Restatement
from broker.services import packets
from m2kt.errors import NotFound
from m2kt.packet.versions import is_prerelease, precedence


def exact(session: Session, name: str, version: str) -> Packet:
    """The packet that has this name and version, in whatever state; how a yanked one is found."""
    found = session.scalar(select(Packet).where(Packet.name == name, Packet.version == version))
    if found is None:
        raise NotFound(f"there is no packet {name}@{version}", hint="List its versions with `m2kt packet list --name`.")
    return found


def latest(session: Session, name: str, *, pre: bool = False) -> Packet:
    """The highest approved version by the precedence of semantic versions; of equal ones, the newest.

    Pre-releases count with ``pre``, and where there is nothing else.
    """
    wanted = select(Packet.packet_id, Packet.version, Packet.seq).where(
        Packet.name == name,
        Packet.state == PacketState.APPROVED,
        or_(Packet.good_until.is_(None), Packet.good_until > func.clock_timestamp()),
        ~select(Restatement.packet_id).where(Restatement.packet_id == Packet.packet_id).exists(),
    )
    rows = session.execute(wanted).all()
    if not rows:
        raise NotFound(f"no version of {name} is approved", hint="List its versions with `m2kt packet list --name`.")
    full = [each for each in rows if pre or not is_prerelease(each.version)]
    best = max(full or rows, key=lambda each: (precedence(each.version), each.seq))
    return packets.get(session, best.packet_id)
