"""How agents come in and stay: one-use tokens, sessions of which one is open, and what students have activated."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, ForeignKey, Identity, Index, Text, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from broker.db import Base
from broker.models.columns import Created, Timestamp
from broker.models.seal import Sealed


class Enrolment(Sealed, Base):
    """A token that lets one key in. Only its digest is kept: who reads this table cannot use one."""

    __tablename__ = "enrolments"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    token_sha256: Mapped[str] = mapped_column(Text, unique=True)
    role: Mapped[str] = mapped_column(Text)
    project: Mapped[str] = mapped_column(Text)
    name_pattern: Mapped[str | None] = mapped_column(Text)
    """Shell wildcards (`fnmatch`); without one, any name."""
    made_by: Mapped[str] = mapped_column(Text)
    created: Mapped[Created]
    expires: Mapped[datetime] = mapped_column(Timestamp)
    used: Mapped[datetime | None] = mapped_column(Timestamp)
    agent_id: Mapped[int | None] = mapped_column(ForeignKey("agents.id"))
    key_id: Mapped[str | None] = mapped_column(Text)
    """The key that it let in: the same one may ask again after a lost answer."""


class AgentSession(Sealed, Base):
    """One life of an agent's process. At most one of an agent's is open, and none opens again."""

    __tablename__ = "agent_sessions"
    __table_args__ = (
        UniqueConstraint("agent_id", "session"),
        Index("uq_agent_sessions_open", "agent_id", unique=True, postgresql_where=text("closed IS NULL")),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    session: Mapped[str] = mapped_column(Text)
    """What its requests are signed with; random, chosen by the process."""
    epoch: Mapped[int] = mapped_column(BigInteger)
    host: Mapped[str | None] = mapped_column(Text)
    opened: Mapped[datetime] = mapped_column(Timestamp, server_default=func.clock_timestamp())
    seen: Mapped[datetime] = mapped_column(Timestamp, server_default=func.clock_timestamp())
    closed: Mapped[datetime | None] = mapped_column(Timestamp)
    why: Mapped[str | None] = mapped_column(Text)


class Activation(Sealed, Base):
    """What a student said last about a packet: whether it is in force there. Derived from signed outcomes."""

    __tablename__ = "activations"
    __table_args__ = (Index(None, "packet_id"),)

    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"), primary_key=True)
    packet_id: Mapped[str] = mapped_column(ForeignKey("packets.packet_id", ondelete="CASCADE"), primary_key=True)
    active: Mapped[bool] = mapped_column(Boolean)
    at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.clock_timestamp())
