"""What packets did to students: the figures of their signed reports, for sums and recalls."""

from sqlalchemy import BigInteger, Boolean, Double, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from broker.db import Base
from broker.models.columns import Created
from broker.models.seal import Sealed


class OutcomeReport(Sealed, Base):
    """A readable copy of one attestation; what was signed lies there. The latest of a student about a packet counts."""

    __tablename__ = "outcomes"
    __table_args__ = (Index(None, "packet_id", "student", "attestation_id"), Index(None, "student", "packet_id"))

    attestation_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("attestations.id"), primary_key=True)
    packet_id: Mapped[str] = mapped_column(ForeignKey("packets.packet_id"))
    student: Mapped[str] = mapped_column(Text)
    decision: Mapped[str] = mapped_column(Text)
    held: Mapped[bool] = mapped_column(Boolean)
    """Whether the student has the packet since."""
    before: Mapped[float | None] = mapped_column(Double)
    after: Mapped[float | None] = mapped_column(Double)
    """Accuracy on the student's own checks."""
    improvement: Mapped[float | None] = mapped_column(Double)
    improvement_low: Mapped[float | None] = mapped_column(Double)
    """Lower end of the interval, at ``confidence``."""
    improvement_high: Mapped[float | None] = mapped_column(Double)
    confidence: Mapped[float | None] = mapped_column(Double)
    created: Mapped[Created]
