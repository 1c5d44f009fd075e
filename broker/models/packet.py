"""Packets, their signatures, and the lifecycle of a version."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, FetchedValue, ForeignKey, Index, Text, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from broker.db import Base
from broker.models.columns import Created, Project, Sequence, Timestamp, words
from broker.models.seal import Sealed


class PacketState(StrEnum):
    RECEIVED = "received"
    SCANNING = "scanning"
    QUARANTINED = "quarantined"
    """Reviewers have to agree: the scan passed and the policy wants them, or an ancestor was taken back."""
    APPROVED = "approved"
    YANKED = "yanked"
    """Its publisher advises against it: who names it exactly gets it with a warning, nobody is led to it."""
    EXPIRED = "expired"
    """Its verdict is too old; a scan decides anew."""
    REJECTED = "rejected"
    REVOKED = "revoked"


def _states(*states: PacketState) -> frozenset[PacketState]:
    return frozenset({PacketState.REVOKED, *states})


_S = PacketState
TRANSITIONS: dict[PacketState, frozenset[PacketState]] = {
    _S.RECEIVED: _states(_S.SCANNING),
    _S.SCANNING: _states(_S.APPROVED, _S.QUARANTINED, _S.REJECTED),
    _S.QUARANTINED: _states(_S.APPROVED, _S.QUARANTINED, _S.REJECTED),
    _S.APPROVED: _states(_S.YANKED, _S.EXPIRED, _S.QUARANTINED, _S.REJECTED),
    _S.YANKED: _states(_S.APPROVED, _S.QUARANTINED, _S.REJECTED),
    _S.EXPIRED: _states(_S.APPROVED, _S.QUARANTINED, _S.REJECTED),
    _S.REJECTED: _states(),
    _S.REVOKED: frozenset(),
}
"""Every step there is (docs/lifecycle.md). Approved is first reached through a scan only, nothing comes back from
rejected or revoked; quarantined again means that earlier approvals count no more."""

PULLABLE = frozenset({_S.APPROVED, _S.YANKED})
"""States whose bytes leave the broker, as long as the verdict is not too old."""

TAKEN = frozenset(PacketState) - {_S.RECEIVED, _S.SCANNING}
"""States of packets that a student may have taken."""


class Packet(Sealed, Base):
    __tablename__ = "packets"
    __table_args__ = (
        UniqueConstraint("name", "version"),
        *(
            Index(None, each, "seq")
            for each in ("name", "state", "domain", "domain_name", "teacher_name", "teacher_weights")
        ),
        Index(None, "words", postgresql_using="gin"),
        Index(None, "publisher"),
        Index(None, "good_until", postgresql_where=text("good_until IS NOT NULL")),
        Index("ix_packets_concepts_due", "seq", postgresql_where=text("NOT concepts_indexed AND state = 'approved'")),
        Index("ix_packets_concepts_over", "seq", postgresql_where=text("concepts_indexed AND state <> 'approved'")),
    )

    packet_id: Mapped[str] = mapped_column(Text, primary_key=True)
    seq: Mapped[Sequence]
    kind: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    version: Mapped[str] = mapped_column(Text)
    domain: Mapped[str] = mapped_column(Text)
    state: Mapped[PacketState] = mapped_column(words(PacketState, "state"), server_default=PacketState.RECEIVED)
    reason: Mapped[str | None] = mapped_column(Text)
    """Why it is in this state, in words."""
    teacher: Mapped[dict[str, Any]] = mapped_column(JSONB)
    manifest: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """A readable copy for lists and pages; what was signed lies in the content."""
    project: Mapped[Project]
    publisher: Mapped[str] = mapped_column(Text)
    publisher_key: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    content_sha256: Mapped[str] = mapped_column(ForeignKey("blobs.sha256"))
    """Digest of the stored bytes; it changes when a signature is added, the packet id never does."""
    created: Mapped[Created]
    state_changed: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    good_until: Mapped[datetime | None] = mapped_column(Timestamp)
    """When its latest passed verdict is too old."""

    # What searches go by. A trigger writes it before the seal (migration 0010): generated columns come after it.
    domain_name: Mapped[str] = mapped_column(Text, FetchedValue())
    teacher_name: Mapped[str] = mapped_column(Text, FetchedValue())
    teacher_weights: Mapped[str] = mapped_column(Text, FetchedValue())
    words: Mapped[str] = mapped_column(TSVECTOR, FetchedValue(), deferred=True)
    concepts_indexed: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether its concepts can be found, or it has none."""


class PacketSignature(Sealed, Base):
    __tablename__ = "packet_signatures"

    packet_id: Mapped[str] = mapped_column(ForeignKey("packets.packet_id"), primary_key=True)
    key_id: Mapped[str] = mapped_column(Text, primary_key=True)
    signature: Mapped[str] = mapped_column(Text)
    created: Mapped[Created]
