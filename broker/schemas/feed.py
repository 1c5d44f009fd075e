"""The change feed as it is shown."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from broker.models import FeedEvent
from broker.schemas.types import MAX_INT

Number = Annotated[int, Field(ge=0, le=MAX_INT)]


class FeedEventOut(BaseModel):
    """Something that happened; the data of a server-sent event."""

    id: int
    at: datetime
    kind: str
    packet_id: str | None
    name: str | None
    version: str | None
    detail: dict[str, Any]
    """By kind: ``state``, ``before`` and ``reason`` of ``packet.state``; ``channel`` and ``serial`` of a channel."""

    @classmethod
    def of(cls, event: FeedEvent) -> "FeedEventOut":
        same = {name: getattr(event, name) for name in cls.model_fields if name != "id"}
        return cls(id=event.number or 0, **same)


class FeedOut(BaseModel):
    items: list[FeedEventOut]
    next: int
    """Ask for what comes ``after`` this next time: nothing up to here is missing."""
