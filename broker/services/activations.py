"""What is in force at which student, one row for each packet: what a heartbeat reads instead of all reports.

`broker.services.outcomes` decides; this only keeps its last word.
"""

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, defer

from broker.models import Activation, AgentKey, Packet
from broker.services.scopes import Scope

MOST = 100


def note(session: Session, signer: str, packet_id: str, *, held: bool) -> None:
    """Remember whether the holder of the key ``signer`` has a packet since its last report."""
    agent = session.scalar(select(AgentKey.agent_id).where(AgentKey.key_id == signer))
    if agent is None:  # a holder whom the settings name gets no orders
        return
    row = insert(Activation).values(agent_id=agent, packet_id=packet_id, active=held)
    session.execute(
        row.on_conflict_do_update(
            index_elements=[Activation.agent_id, Activation.packet_id],
            set_={"active": held, "at": func.clock_timestamp()},
        )
    )


def of(session: Session, agent_id: int, scope: Scope) -> list[tuple[Activation, Packet]]:
    """The packets of these projects that a student has in force, the latest first, at most `MOST`."""
    wanted = select(Activation, Packet).join(Packet, Packet.packet_id == Activation.packet_id)
    wanted = wanted.where(Activation.agent_id == agent_id, Activation.active, scope.within(Packet.project))
    rows = session.execute(wanted.order_by(Activation.at.desc()).limit(MOST).options(defer(Packet.manifest)))
    return [(activation, packet) for activation, packet in rows]
