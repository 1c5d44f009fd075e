"""The transparency log. Triggers let leaves gain their place once and tiles only grow."""

from sqlalchemy import BigInteger, Identity, Index, Integer, LargeBinary, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from broker.db import Base
from broker.models.columns import Created
from broker.models.seal import Sealed


class LogLeaf(Sealed, Base):
    """An entry, written in the transaction that makes it true. It waits for its ``index`` until the sequencer comes."""

    __tablename__ = "log_leaves"
    __table_args__ = (Index("ix_log_leaves_waiting", "id", postgresql_where=text("index IS NULL")),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    entry: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    """SHA-256 of a statement's pre-authentication encoding: a log cannot forget, so it never holds a text."""
    kind: Mapped[str] = mapped_column(Text)
    index: Mapped[int | None] = mapped_column(BigInteger, unique=True)
    created: Mapped[Created]


class LogTile(Base):
    """Up to 256 hashes; a partial tile of an earlier size is the beginning of this one."""

    __tablename__ = "log_tiles"

    level: Mapped[int] = mapped_column(Integer, primary_key=True)
    index: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    hashes: Mapped[bytes] = mapped_column(LargeBinary)


class LogCheckpoint(Sealed, Base):
    """What the log signed. ``published`` once enough witnesses have cosigned it: only then it leaves the broker."""

    __tablename__ = "log_checkpoints"

    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    note: Mapped[str] = mapped_column(Text)
    """The signed note, which holds the root. Nothing that is signed stands in a second place that could differ."""
    time: Mapped[int] = mapped_column(BigInteger)
    """Seconds since the epoch, as signed in the note; the newest checkpoint is signed again every minute."""
    published: Mapped[bool]
    created: Mapped[Created]
