import uuid
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from broker.models import Upload, UploadState
from broker.schemas.types import MAX_INT, PacketRef
from broker.services import uploads


class UploadIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    digest: PacketRef
    """SHA-256 of all bytes of the container."""
    length: Annotated[int, Field(ge=1, le=MAX_INT, strict=True)]


class UploadOut(BaseModel):
    id: uuid.UUID
    state: UploadState
    reason: str | None
    digest: str
    length: int
    received: int
    """Where the next part begins."""
    packet_id: str | None
    created: datetime
    expires: datetime
    part_bytes: int
    """How much to send at once; more is not taken."""

    @classmethod
    def of(cls, row: Upload) -> "UploadOut":
        return cls(
            id=row.id,
            state=row.state,
            reason=row.reason,
            digest=row.digest,
            length=row.length,
            received=row.received,
            packet_id=row.packet_id,
            created=row.created,
            expires=row.expires,
            part_bytes=uploads.PART_BYTES,
        )
