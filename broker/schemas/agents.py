import base64
from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from broker.models import Agent, AgentKey, KeyStatement, Role
from broker.schemas.types import AgentName, PublicKeyText, SignatureText
from m2kt.signing.validity import Validity


class AgentIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: AgentName
    role: Role
    public_key: PublicKeyText
    not_before: AwareDatetime | None = None
    not_after: AwareDatetime | None = None

    @property
    def validity(self) -> Validity:
        return Validity(self.not_before, self.not_after)


class RotateIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    public_key: PublicKeyText
    proof: SignatureText
    """The new key's signature over the rotation (`m2kt.signing.keys.rotation_message`), in base64."""
    overlap_seconds: Annotated[int, Field(ge=0, le=30 * 86400)] = 0


class RevokeAgentIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    since: AwareDatetime | None = None
    """When the key was lost, if that was before now."""


class KeyOut(BaseModel):
    key_id: str
    public_key: str
    created: datetime
    not_before: datetime | None
    not_after: datetime | None
    revoked: datetime | None

    @classmethod
    def of(cls, row: AgentKey) -> "KeyOut":
        return cls(
            key_id=row.key_id,
            public_key=row.public_key,
            created=row.created,
            not_before=row.not_before,
            not_after=row.not_after,
            revoked=row.revoked,
        )


class AgentOut(BaseModel):
    name: str
    role: Role
    public_key: str
    key_id: str
    created: datetime
    revoked_at: datetime | None
    keys: list[KeyOut]
    """All that it had, oldest first; the last is the present one."""

    @classmethod
    def of(cls, agent: Agent) -> "AgentOut":
        return cls(
            name=agent.name,
            role=agent.role,
            public_key=agent.present.public_key,
            key_id=agent.present.key_id,
            created=agent.created,
            revoked_at=agent.revoked_at,
            keys=[KeyOut.of(each) for each in agent.keys],
        )


class KeyStatementOut(BaseModel):
    id: int
    key_id: str
    created: datetime
    envelope: str
    """The DSSE envelope's bytes in base64: verify these, nothing else here is signed."""

    @classmethod
    def of(cls, row: KeyStatement) -> "KeyStatementOut":
        envelope = base64.b64encode(row.envelope).decode()
        return cls(id=row.id, key_id=row.key_id, created=row.created, envelope=envelope)


class KeyStatementPage(BaseModel):
    items: list[KeyStatementOut]


class AgentPage(BaseModel):
    items: list[AgentOut]
