"""Column types that several tables share."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from sqlalchemy import TIMESTAMP, BigInteger, Enum, Identity, Text, func
from sqlalchemy.orm import mapped_column

Timestamp = TIMESTAMP(timezone=True)

Created = Annotated[datetime, mapped_column(Timestamp, server_default=func.now())]
"""Set by the database's clock: hosts disagree."""

Sequence = Annotated[int, mapped_column(BigInteger, Identity(always=True), unique=True)]
"""Order of arrival: what a keyset cursor points into."""

Project = Annotated[str, mapped_column(Text, server_default="default", index=True)]
"""Where it belongs: agents of other projects do not learn that it is there."""


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
