import base64
from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from broker.models import Agent, AgentKey, AgentSession, KeyStatement, Role
from broker.schemas.types import AgentName, ProjectOrEvery, PublicKeyText, SignatureText
from m2kt.signing.validity import Validity


class AgentIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: AgentName
    role: Role
    project: ProjectOrEvery | None = None
    """By default yours; for those who look after the whole broker, that of the role."""
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


class PresentSession(BaseModel):
    """The life of its process that an agent speaks from just now."""

    epoch: int
    opened: datetime
    seen: datetime

    @classmethod
    def of(cls, row: AgentSession) -> "PresentSession":
        return cls(epoch=row.epoch, opened=row.opened, seen=row.seen)


class AgentOut(BaseModel):
    name: str
    role: Role
    project: str
    """``*`` is every project."""
    public_key: str
    key_id: str
    created: datetime
    revoked_at: datetime | None
    draining: datetime | None
    """Since when it is to take no more work."""
    session: PresentSession | None
    keys: list[KeyOut]
    """All that it had, oldest first; the last is the present one."""

    @classmethod
    def of(cls, agent: Agent, session: AgentSession | None = None) -> "AgentOut":
        return cls(
            name=agent.name,
            role=agent.role,
            project=agent.project,
            public_key=agent.present.public_key,
            key_id=agent.present.key_id,
            created=agent.created,
            revoked_at=agent.revoked_at,
            draining=agent.draining,
            session=PresentSession.of(session) if session else None,
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
