"""What is in force at which student, derived from their signed outcomes: so that a recall reaches those it concerns."""

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from broker.models import Activation, AgentKey


def note(session: Session, signer: str, packet_id: str, *, active: bool) -> None:
    """Remember whether the holder of the key ``signer`` has a packet in force; `outcomes` knows what decisions mean."""
    agent = session.scalar(select(AgentKey.agent_id).where(AgentKey.key_id == signer))
    if agent is None:  # a holder whom the settings name gets no orders
        return
    row = insert(Activation).values(agent_id=agent, packet_id=packet_id, active=active)
    session.execute(
        row.on_conflict_do_update(
            index_elements=[Activation.agent_id, Activation.packet_id],
            set_={"active": active, "at": func.clock_timestamp()},
        )
    )
