"""People who use the dashboard: accounts with passwords, and the browsers in which they are signed in."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, Text, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from broker.db import Base
from broker.models.columns import Created, Timestamp, words
from broker.models.seal import Sealed


class PersonRole(StrEnum):
    """Each may do what those before it may."""

    VIEWER = "viewer"
    """Looks at packets, jobs, agents, channels and the log."""
    AUDITOR = "auditor"
    """Looks at logs of jobs, tokens and accounts, too."""
    OPERATOR = "operator"
    """Reviews and takes back packets, cancels and retries jobs, moves channels, drains agents."""
    ADMIN = "admin"
    """Lets agents and people in, and revokes them."""

    def may(self, least: "PersonRole") -> bool:
        ranks = list(PersonRole)
        return ranks.index(self) >= ranks.index(least)


class Account(Sealed, Base):
    __tablename__ = "accounts"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    role: Mapped[PersonRole] = mapped_column(words(PersonRole, "role"))
    project: Mapped[str] = mapped_column(Text)
    """``*`` stands for every project."""
    password: Mapped[str] = mapped_column(Text)
    """`broker.services.passwords`: a salted, slow digest that says how it was made."""
    must_change: Mapped[bool] = mapped_column(server_default=text("true"))
    """Whether the password is one that somebody else has seen."""
    made_by: Mapped[str] = mapped_column(Text)
    created: Mapped[Created]
    disabled: Mapped[datetime | None] = mapped_column(Timestamp)


class SignIn(Sealed, Base):
    """A browser in which somebody is signed in. Only the digest of its cookie is kept: who reads this table cannot use
    one."""

    __tablename__ = "sign_ins"
    __table_args__ = (
        UniqueConstraint("token_sha256"),
        Index(None, "account_id"),
        Index(None, "expires"),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    token_sha256: Mapped[str] = mapped_column(Text)
    opened: Mapped[datetime] = mapped_column(Timestamp, server_default=func.clock_timestamp())
    seen: Mapped[datetime] = mapped_column(Timestamp, server_default=func.clock_timestamp())
    """Written at most once a minute."""
    expires: Mapped[datetime] = mapped_column(Timestamp)
    closed: Mapped[datetime | None] = mapped_column(Timestamp)

    account: Mapped[Account] = relationship(lazy="joined")
