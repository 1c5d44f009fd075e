"""Exchanges: peers that teach each other in rounds. The broker holds confidences and masks, never inputs or labels."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Double, ForeignKey, ForeignKeyConstraint, Index, Integer, LargeBinary, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from broker.db import Base
from broker.models.columns import Created, Project, Sequence, Timestamp, words
from broker.models.seal import Sealed


class ExchangeState(StrEnum):
    OPEN = "open"
    """Peers join."""
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


class Phase(StrEnum):
    """The three steps of a round; each ends when all who are awaited have done it, or at its deadline."""

    CONFIDENCES = "confidences"
    PREDICTIONS = "predictions"
    REPORTS = "reports"


class PeerState(StrEnum):
    PRESENT = "present"
    """It is awaited."""
    ABSENT = "absent"
    """It was late, and is not awaited until it joins again."""
    LEFT = "left"
    EVICTED = "evicted"


class Exchange(Sealed, Base):
    __tablename__ = "exchanges"
    __table_args__ = (
        Index(
            "ix_exchanges_deadline",
            "deadline",
            postgresql_where="state IN ('open', 'running')",
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, default=uuid.uuid4)
    seq: Mapped[Sequence]
    project: Mapped[Project]
    opened_by: Mapped[str] = mapped_column(Text)
    task: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """Name, classes in order, digests of sample identifiers and labels, number of samples, places of a sample."""
    plan: Mapped[str] = mapped_column(Text)
    """Canonical JSON of the round plan."""
    invited: Mapped[list[str] | None] = mapped_column(JSONB(none_as_null=True))
    """Names; without them whoever may join."""
    least: Mapped[int] = mapped_column(Integer)
    most: Mapped[int] = mapped_column(Integer)
    phase_seconds: Mapped[float] = mapped_column(Double)
    state: Mapped[ExchangeState] = mapped_column(words(ExchangeState, "state"), server_default=ExchangeState.OPEN)
    reason: Mapped[str | None] = mapped_column(Text)
    """Why it is in this state, in words."""
    round: Mapped[int] = mapped_column(Integer, server_default="0")
    phase: Mapped[Phase | None] = mapped_column(words(Phase, "phase"))
    deadline: Mapped[datetime | None] = mapped_column(Timestamp)
    """When the present phase (or joining) ends at the latest, by the database's clock."""
    step: Mapped[int] = mapped_column(BigInteger, server_default="1")
    """Raised with every change: what those who wait look at."""
    created: Mapped[Created]
    finished: Mapped[datetime | None] = mapped_column(Timestamp)


class ExchangePeer(Sealed, Base):
    __tablename__ = "exchange_peers"

    exchange_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("exchanges.id"), primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    key_id: Mapped[str] = mapped_column(Text)
    """The key with which it joined last."""
    state: Mapped[PeerState] = mapped_column(words(PeerState, "state"), server_default=PeerState.PRESENT)
    reason: Mapped[str | None] = mapped_column(Text)
    joined: Mapped[Created]


class ExchangeRound(Sealed, Base):
    """A round that has begun; ``peers`` and ``teachers`` from when its confidences were complete."""

    __tablename__ = "exchange_rounds"

    exchange_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("exchanges.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    peers: Mapped[list[str] | None] = mapped_column(JSONB(none_as_null=True))
    """Who posted confidences, by name: the rows of the masks."""
    teachers: Mapped[bytes | None] = mapped_column(LargeBinary)
    """For each place of the round's samples the teacher's number in ``peers``, one byte each."""
    began: Mapped[Created]
    ended: Mapped[datetime | None] = mapped_column(Timestamp)


class ExchangeTurn(Sealed, Base):
    """What one peer did in one round."""

    __tablename__ = "exchange_turns"
    __table_args__ = (
        ForeignKeyConstraint(["exchange_id", "round"], ["exchange_rounds.exchange_id", "exchange_rounds.number"]),
        ForeignKeyConstraint(["exchange_id", "peer"], ["exchange_peers.exchange_id", "exchange_peers.name"]),
        Index("uq_exchange_turns_packet_id", "packet_id", unique=True),
    )

    exchange_id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    round: Mapped[int] = mapped_column(Integer, primary_key=True)
    peer: Mapped[str] = mapped_column(Text, primary_key=True)
    confidences: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Float32, little-endian, one for each place; None where only the reason below is known."""
    taught: Mapped[int] = mapped_column(Integer, server_default="0")
    """How many places it teaches."""
    packet_id: Mapped[str | None] = mapped_column(ForeignKey("packets.packet_id"))
    report: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    dropped: Mapped[str | None] = mapped_column(Text)
    """Why it is out of this round."""


class ExchangeComplaint(Sealed, Base):
    """A peer's signed word that another lied; the envelope is an attestation of the packet. Append-only."""

    __tablename__ = "exchange_complaints"
    __table_args__ = (
        ForeignKeyConstraint(
            ["exchange_id", "round", "accused"],
            ["exchange_turns.exchange_id", "exchange_turns.round", "exchange_turns.peer"],
        ),
    )

    exchange_id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    round: Mapped[int] = mapped_column(Integer, primary_key=True)
    accused: Mapped[str] = mapped_column(Text, primary_key=True)
    complainant: Mapped[str] = mapped_column(Text, primary_key=True)
    attestation_id: Mapped[int] = mapped_column(ForeignKey("attestations.id"))
    places: Mapped[int] = mapped_column(Integer)
    """At how many places the claim and the prediction differ."""
    created: Mapped[Created]
