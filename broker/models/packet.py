"""Packets, their signatures, and the lifecycle of a version."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Computed, ForeignKey, Index, Text, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from broker.db import Base
from broker.models.columns import Created, Sequence, Timestamp, words


class PacketState(StrEnum):
    RECEIVED = "received"
    SCANNING = "scanning"
    QUARANTINED = "quarantined"
    """The scan passed; reviewers have to agree."""
    APPROVED = "approved"
    REJECTED = "rejected"
    REVOKED = "revoked"


TRANSITIONS: dict[PacketState, frozenset[PacketState]] = {
    PacketState.RECEIVED: frozenset({PacketState.SCANNING, PacketState.REVOKED}),
    PacketState.SCANNING: frozenset(
        {PacketState.APPROVED, PacketState.QUARANTINED, PacketState.REJECTED, PacketState.REVOKED}
    ),
    PacketState.QUARANTINED: frozenset({PacketState.APPROVED, PacketState.REJECTED, PacketState.REVOKED}),
    PacketState.APPROVED: frozenset({PacketState.REVOKED}),
    PacketState.REJECTED: frozenset({PacketState.REVOKED}),
    PacketState.REVOKED: frozenset(),
}
"""Every step there is. Approved is reached through a scan only, and nothing comes back from revoked."""


_WORDS = (
    "to_tsvector('simple', translate(name || ' ' || version || ' ' || domain || ' ' || kind || ' ' || "
    "coalesce(teacher ->> 'name', ''), '/_@.-<>', '       '))"
)


class Packet(Base):
    __tablename__ = "packets"
    __table_args__ = (
        UniqueConstraint("name", "version"),
        *(
            Index(None, each, "seq")
            for each in ("name", "state", "domain", "domain_name", "teacher_name", "teacher_weights")
        ),
        Index(None, "words", postgresql_using="gin"),
        Index(None, "publisher"),
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
    publisher: Mapped[str] = mapped_column(Text)
    publisher_key: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    content_sha256: Mapped[str] = mapped_column(ForeignKey("blobs.sha256"))
    """Digest of the stored bytes; it changes when a signature is added, the packet id never does."""
    created: Mapped[Created]
    state_changed: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())

    # What searches go by; Postgres computes it.
    domain_name: Mapped[str] = mapped_column(Text, Computed("split_part(domain, '@', 1)", persisted=True))
    teacher_name: Mapped[str] = mapped_column(Text, Computed("teacher ->> 'name'", persisted=True))
    teacher_weights: Mapped[str] = mapped_column(Text, Computed("teacher ->> 'weights_sha256'", persisted=True))
    words: Mapped[str] = mapped_column(TSVECTOR, Computed(_WORDS, persisted=True), deferred=True)
    concepts_indexed: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether its concepts can be found, or it has none."""


class PacketSignature(Base):
    __tablename__ = "packet_signatures"

    packet_id: Mapped[str] = mapped_column(ForeignKey("packets.packet_id"), primary_key=True)
    key_id: Mapped[str] = mapped_column(Text, primary_key=True)
    signature: Mapped[str] = mapped_column(Text)
    created: Mapped[Created]
