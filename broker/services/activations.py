"""What is in force at which student, one row for each packet: what a heartbeat reads instead of all reports.

`broker.services.outcomes` decides; this only keeps its last word.
"""

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from broker.models import Activation, AgentKey


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
