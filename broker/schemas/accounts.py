"""Accounts of people as they are made and shown."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from broker.models import Account, PersonRole
from broker.schemas.types import ProjectOrEvery
from broker.services.passwords import LEAST, MOST

AccountName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
"""As an agent's: an account and an agent of one name are one person where that matters."""

Password = Annotated[str, StringConstraints(min_length=LEAST, max_length=MOST, pattern=r"^[^\x00-\x1f\x7f]*$")]


class AccountIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: AccountName
    role: PersonRole
    project: ProjectOrEvery | None = None
    """Yours, by default."""
    password: Password | None = None
    """Without one, the answer has a one-time password. Either is to be changed when it is used first."""


class AccountOut(BaseModel):
    id: int
    name: str
    role: PersonRole
    project: str
    """``*`` is every project."""
    made_by: str
    created: datetime
    must_change: bool
    disabled: datetime | None

    @classmethod
    def of(cls, row: Account) -> "AccountOut":
        return cls(**{name: getattr(row, name) for name in AccountOut.model_fields})


class AccountMade(AccountOut):
    password: str
    """What lets its holder in once."""


class AccountPage(BaseModel):
    items: list[AccountOut]
