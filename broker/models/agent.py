"""Who may speak to the broker, with which keys, and the nonces they have used."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from broker.db import Base
from broker.models.columns import Created, Project, Timestamp, words
from broker.models.seal import Sealed
from m2kt.errors import LogTampered
from m2kt.signing.validity import Validity


class Role(StrEnum):
    TEACHER = "teacher"
    STUDENT = "student"
    WORKER = "worker"
    REVIEWER = "reviewer"
    AUDITOR = "auditor"
    ADMIN = "admin"


class AgentKey(Sealed, Base):
    """A key of an agent. Rotation adds one; the old ones stay, because of what they signed."""

    __tablename__ = "agent_keys"
    __table_args__ = (Index(None, "agent_id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    key_id: Mapped[str] = mapped_column(Text, unique=True)
    public_key: Mapped[str] = mapped_column(Text)
    not_before: Mapped[datetime | None] = mapped_column(Timestamp)
    not_after: Mapped[datetime | None] = mapped_column(Timestamp)
    revoked: Mapped[datetime | None] = mapped_column(Timestamp)
    """Since when it counts no more; before the time at which we were told, if its holder said so."""
    created: Mapped[Created]

    agent: Mapped["Agent"] = relationship(back_populates="keys", lazy="joined")

    @property
    def validity(self) -> Validity:
        return Validity(self.not_before, self.not_after, self.revoked)


class Agent(Sealed, Base):
    __tablename__ = "agents"
    __table_args__ = (CheckConstraint("project <> '*' OR role IN ('admin', 'auditor', 'worker')", name="project"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    role: Mapped[Role] = mapped_column(words(Role, "role"))
    project: Mapped[Project]
    """``*`` stands for every project; only who looks after the whole broker, or works for it, has that."""
    epoch: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """How many sessions it has opened."""
    draining: Mapped[datetime | None] = mapped_column(Timestamp)
    """Since when it is to take no more work."""
    created: Mapped[Created]
    revoked_at: Mapped[datetime | None] = mapped_column(Timestamp)
    """When we were told; an agent does not come back from it."""

    keys: Mapped[list[AgentKey]] = relationship(back_populates="agent", order_by=AgentKey.id, lazy="selectin")

    @property
    def present(self) -> AgentKey:
        """The key that it has now."""
        if not self.keys:
            raise LogTampered(f"the agent {self.name} has no key: somebody deleted it behind the broker's back")
        return self.keys[-1]


class KeyStatement(Sealed, Base):
    """What the broker said about an agent's key, signed and logged. Append-only."""

    __tablename__ = "key_statements"
    __table_args__ = (Index(None, "key_id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    key_id: Mapped[str] = mapped_column(Text)
    envelope: Mapped[bytes] = mapped_column(LargeBinary)
    created: Mapped[Created]


class Nonce(Sealed, Base):
    """A nonce is good once per key; rows older than any acceptable signature are pruned."""

    __tablename__ = "nonces"
    __table_args__ = (Index(None, "seen_at"),)

    key_id: Mapped[str] = mapped_column(Text, primary_key=True)
    nonce: Mapped[str] = mapped_column(Text, primary_key=True)
    seen_at: Mapped[Created]
