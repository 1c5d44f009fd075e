"""How much one agent may keep at the broker. Counted from the rows themselves, so that nothing can drift."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from broker.models import Packet, Role, Upload, UploadState
from broker.services.agents import Principal
from m2kt.errors import QuotaExceeded


@dataclass(frozen=True)
class Quota:
    """0 sets no limit."""

    packets: int = 0
    octets: int = 0


NO_QUOTA = Quota()


def limits(quota: Quota, agent: Principal) -> bool:
    """Whether this agent has a quota at all."""
    return agent.role != Role.ADMIN and quota != NO_QUOTA


def require(session: Session, quota: Quota, agent: Principal, digest: str, octets: int) -> None:
    """`QuotaExceeded` unless another packet of ``octets`` bytes fits. An agent's requests are judged one by one."""
    if not limits(quota, agent):
        return
    lock = func.hashtextextended(f"quota:{agent.name}", 0)
    session.execute(select(func.pg_advisory_xact_lock(lock)))
    held, stored = session.execute(
        select(func.count(), func.coalesce(func.sum(Packet.size), 0)).where(Packet.publisher == agent.name)
    ).one()
    if quota.packets and held + 1 > quota.packets:
        raise QuotaExceeded(f"{agent.name} has published {held} packets, {quota.packets} are allowed")
    if quota.octets and stored + _on_the_way(session, agent.name, digest) + octets > quota.octets:
        raise QuotaExceeded(f"{octets} more bytes would be over the {quota.octets} bytes that {agent.name} may have")


def _on_the_way(session: Session, name: str, digest: str) -> int:
    """Bytes of its other unfinished uploads, as they were announced."""
    others = select(func.coalesce(func.sum(Upload.length), 0)).where(
        Upload.publisher == name, Upload.state == UploadState.OPEN, Upload.digest != digest
    )
    return int(session.scalars(others).one())
