"""Column types that several tables share."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from sqlalchemy import TIMESTAMP, BigInteger, Enum, Identity, func
from sqlalchemy.orm import mapped_column

Timestamp = TIMESTAMP(timezone=True)

Created = Annotated[datetime, mapped_column(Timestamp, server_default=func.now())]
"""Set by the database's clock: hosts disagree."""

Sequence = Annotated[int, mapped_column(BigInteger, Identity(always=True), unique=True)]
"""Order of arrival: what a keyset cursor points into."""


def words(kind: type[StrEnum], name: str) -> Enum:
    """A text column that holds only the words of ``kind``; a native enum could not lose a word in a migration."""
    return Enum(
        kind,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=16,
        values_callable=lambda each: [member.value for member in each],
    )
