from datetime import datetime

from pydantic import BaseModel, ConfigDict

from broker.models import Agent, Role
from broker.schemas.types import AgentName, PublicKeyText


class AgentIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: AgentName
    role: Role
    public_key: PublicKeyText


class AgentOut(BaseModel):
    name: str
    role: Role
    public_key: str
    key_id: str
    created: datetime
    revoked_at: datetime | None

    @classmethod
    def of(cls, agent: Agent) -> "AgentOut":
        return cls(
            name=agent.name,
            role=agent.role,
            public_key=agent.public_key,
            key_id=agent.key_id,
            created=agent.created,
            revoked_at=agent.revoked_at,
        )


class AgentPage(BaseModel):
    items: list[AgentOut]
