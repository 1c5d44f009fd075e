"""What is in force at which student, derived from their signed outcomes: so that a recall reaches those it concerns."""

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from broker.models import Activation, AgentKey

DECISIONS = {"accepted": True, "unverified": True, "recalled": False, "removed": False}
"""Whether the packet is in force after an outcome. Any other one (``rolled-back``) left the student as it was."""


def note(session: Session, signer: str, packet_id: str, decision: str) -> None:
    """Remember what the holder of the key ``signer`` said about a packet."""
    if decision not in DECISIONS:
        return
    active = DECISIONS[decision]
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
