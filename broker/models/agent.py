"""Who may speak to the broker, and the nonces they have used."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Identity, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from broker.db import Base
from broker.models.columns import Created, Timestamp, words


class Role(StrEnum):
    TEACHER = "teacher"
    STUDENT = "student"
    WORKER = "worker"
    REVIEWER = "reviewer"
    AUDITOR = "auditor"
    ADMIN = "admin"


class Agent(Base):
    __tablename__ = "agents"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    role: Mapped[Role] = mapped_column(words(Role, "role"))
    public_key: Mapped[str] = mapped_column(Text)
    key_id: Mapped[str] = mapped_column(Text, unique=True)
    created: Mapped[Created]
    revoked_at: Mapped[datetime | None] = mapped_column(Timestamp)


class Nonce(Base):
    """A nonce is good once per key; rows older than any acceptable signature are pruned."""

    __tablename__ = "nonces"
    __table_args__ = (Index(None, "seen_at"),)

    key_id: Mapped[str] = mapped_column(Text, primary_key=True)
    nonce: Mapped[str] = mapped_column(Text, primary_key=True)
    seen_at: Mapped[Created]
