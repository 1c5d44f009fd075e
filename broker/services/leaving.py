"""What follows when an agent is revoked: it is out at once, and what it held goes to others."""

from datetime import datetime

from sqlalchemy.orm import Session

from broker.models import Agent
from broker.services import agents, enrolments, sessions
from m2kt.signing.keys import PrivateKey


def revoke(session: Session, signer: PrivateKey, name: str, since: datetime | None = None) -> Agent:
    """Revoke an agent (`agents.revoke`); its session ends, its jobs are queued again, and its unused tokens end."""
    agent = agents.revoke(session, signer, name, since)
    sessions.end_all(session, agent, f"{name} was revoked")
    enrolments.withdraw_of(session, name)
    return agent
